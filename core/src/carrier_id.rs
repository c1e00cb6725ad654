//! The forms in which a carrier writes its message ids: the base of its submit_sm_resp and that of
//! its receipts need not be the same. Pure, lives nowhere.

/// How an id is to be read.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdBase {
    /// A string that is never converted.
    #[default]
    AsIs,
    /// A hexadecimal number.
    Hex,
    /// A decimal number.
    Decimal,
}

/// The bases of one carrier.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct IdForms {
    /// In submit_sm_resp.
    pub response: IdBase,
    /// In receipts.
    pub receipt: IdBase,
}
