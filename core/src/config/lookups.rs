//! The provider of number look-ups that a configuration names, and how its answers are read. Pure, lives
//! nowhere.

use core::time::Duration;
use std::path::PathBuf;

use crate::limits;
use crate::lookup::{Rules, Subscriber};
use crate::number::Msisdn;
use crate::redact::Private;

/// Stands for the digits of the number in a URL.
pub(super) const NUMBER: &str = "{number}";

/// `[lookups]`: whom to ask about numbers, over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupsConfig {
    /// `http://` or `https://`, with `{number}` once.
    pub url: String,
    /// The field of the request that carries the secret.
    pub header: String,
    /// Its value; none is sent when it is empty. Empty until [`Config::load_secrets`] when it is in a
    /// file.
    ///
    /// [`Config::load_secrets`]: super::Config::load_secrets
    pub secret: Private<String>,
    /// Where the secret is, when it is not in the configuration.
    pub secret_file: Option<PathBuf>,
    /// How long a query may take.
    pub timeout: Duration,
    /// Queries under way at once, over all shards; each shard has its part, at least one.
    pub concurrency: u16,
    /// Answers that are kept, over all shards.
    pub cache: u32,
    /// How long an answer counts.
    pub keep: Duration,
    /// What the provider takes for an answer, in millionths of the currency.
    pub price_micros: u64,
    /// Where its answers say what.
    pub fields: LookupFields,
    /// What its words for a subscriber mean.
    pub words: Vec<(String, Subscriber)>,
}

/// JSON pointers [RFC 6901] into a provider's answer; `None`: it does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupFields {
    /// A word, a number or a boolean that tells the state of the subscriber.
    pub status: Option<String>,
    /// Mobile country code of who serves the number now.
    pub mcc: Option<String>,
    /// Mobile network code.
    pub mnc: Option<String>,
    /// Both in one, like `23415`.
    pub mccmnc: Option<String>,
    /// The operator's name.
    pub carrier: Option<String>,
    /// Whether the number left the operator of its range.
    pub ported: Option<String>,
}

impl LookupsConfig {
    /// What is asked for a number.
    #[must_use]
    pub fn url_for(&self, number: Msisdn) -> String {
        self.url.replacen(NUMBER, &number.digits(), 1)
    }

    /// The share of one of so many shards.
    #[must_use]
    pub fn rules(&self, shards: u16) -> Rules {
        let shards = usize::from(shards.max(1));
        Rules {
            timeout: self.timeout,
            concurrency: (usize::from(self.concurrency) / shards).max(1),
            cache: self.cache_of(shards),
            keep: self.keep,
        }
    }

    /// Whether the answers of the other provider may be taken for those of this one.
    #[must_use]
    pub fn is_same(&self, other: &LookupsConfig) -> bool {
        let own = (&self.url, &self.header, &self.secret, &self.fields, &self.words);
        own == (&other.url, &other.header, &other.secret, &other.fields, &other.words)
    }

    /// What an operator should know: numbers leave the gateway.
    pub(super) fn plan_line(&self) -> String {
        let end = self.url.find("://").map_or(0, |at| at + 3);
        let host = self.url.get(end..).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        format!(
            "look-ups: numbers are told to {host}, {} at once, each for {} millionths; answers count \
             {} s",
            self.concurrency,
            self.price_micros,
            self.keep.as_secs()
        )
    }

    /// Octets of memory that a shard's answers take at most.
    pub(super) fn memory_of(&self, shards: u16) -> u64 {
        let answers = self.cache_of(usize::from(shards.max(1))) + limits::LOOKUPS_WAITING;
        limits::MEMORY_PER_LOOKUP.saturating_mul(u64::try_from(answers).unwrap_or(u64::MAX))
    }

    fn cache_of(&self, shards: usize) -> usize {
        usize::try_from(self.cache).unwrap_or(usize::MAX).div_ceil(shards)
    }
}
