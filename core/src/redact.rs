//! The wrapper that keeps texts and secrets out of logs. Pure, lives nowhere.

use std::fmt;

/// A value that is never printed: `Debug` and `Display` give `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Private(value)
    }

    /// The value, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl<T> fmt::Display for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaks() {
        let secret = Private::new(String::from("open sesame"));
        assert_eq!(
            format!("{secret} {secret:?} {:#?}", Some(&secret)).matches("sesame").count(),
            0
        );
        assert_eq!(secret.expose(), "open sesame");
        assert_eq!(secret.into_inner(), "open sesame");
    }
}
