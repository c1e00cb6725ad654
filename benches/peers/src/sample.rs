//! The fields of the one message that all codecs carry. Pure, lives nowhere.

/// The sender, with its NUL.
pub(crate) const SOURCE: &[u8] = b"Postrider\0";
/// The recipient, with its NUL.
pub(crate) const DEST: &[u8] = b"447700900123\0";
/// Two days, with its NUL.
pub(crate) const VALIDITY: &[u8] = b"000002000000000R\0";
/// The text: 92 octets.
pub(crate) const TEXT: &[u8] =
    b"Your code is 483920. It is valid for 10 minutes, costs nothing [0] and is yours. Tell nobody";
/// The id of the answer, with its NUL.
pub(crate) const ID: &[u8] = b"0123456789\0";

/// A field without its NUL.
pub(crate) fn bare(field: &[u8]) -> &[u8] {
    field.strip_suffix(b"\0").unwrap_or(field)
}

/// A field as text.
pub(crate) fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(bare(field)).into_owned()
}
