//! What is known of numbers, as written. Pure, lives nowhere.

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawNumbers {
    pub(in crate::config) tables: Option<String>,
    #[serde(rename = "override")]
    pub(in crate::config) overrides: Vec<RawOverride>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RawOverride {
    pub(in crate::config) prefix: Option<String>,
    pub(in crate::config) range: Option<String>,
    pub(in crate::config) operator: String,
    pub(in crate::config) name: Option<String>,
}
