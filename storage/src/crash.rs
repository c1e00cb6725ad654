//! Named points at which a test's build ends the process at once, to see what a start makes of what is
//! left. Without the feature `crash-points` they are nothing. Any thread.

/// Ends the process when `POSTRIDER_CRASH_AT` is `NAME` or `NAME:NTH` and this is that passing of the
/// point called `NAME`: nothing is flushed, nothing is told.
///
/// # Panics
/// When the variable's `NTH` is no number.
#[cfg(feature = "crash-points")]
pub fn point(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let chosen = CHOSEN.get_or_init(|| {
        let text = std::env::var("POSTRIDER_CRASH_AT").ok()?;
        let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
        let Ok(nth) = nth.parse() else { panic!("POSTRIDER_CRASH_AT={text}: NAME[:NTH]") };
        Some((name.to_owned(), nth))
    });
    if let Some((chosen, nth)) = chosen
        && chosen == name
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(feature = "crash-points"))]
#[inline(always)]
pub fn point(_name: &'static str) {}
