//! A configuration that takes the place of another one in a running process: which of it counts from
//! now on, which waits for a restart, and how carriers and customers keep their places. Pure, lives
//! nowhere.

use std::collections::BTreeMap;

use super::checked::{Config, CustomerConfig, ServerConfig, StoreConfig};
use super::error::ConfigErrors;
use super::plan::deal;
use super::smpp::SmppConfig;
use crate::limits;
use crate::route::CarrierIx;

/// What became of the entries of one list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Names that were in no configuration of this process, or came back.
    pub added: Vec<String>,
    /// Names of those that say something else.
    pub changed: Vec<String>,
    /// Names that are there no more.
    pub removed: Vec<String>,
}

/// A configuration after it has been fitted behind another one.
#[derive(Clone, Debug)]
pub struct Followed {
    /// What counts from now on: carriers and customers in the places that they had, new ones behind
    /// them, and those that were removed still there, `retired`.
    pub config: Config,
    /// What was added, changed and removed of `[[carriers]]`.
    pub carriers: Changes,
    /// The same of `[[customers]]`.
    pub customers: Changes,
    /// Whether `[[routes]]` or `[routing]` says something else.
    pub routes: bool,
    /// Whether what is known of numbers is made of other texts.
    pub tables: bool,
    /// Keys that say something else and are read only at a start: they keep their old values.
    pub waiting: Vec<String>,
}

impl Config {
    /// Gives what is read only at a start the values that it has in the configuration `before`, and
    /// names the keys where that makes a difference.
    pub fn keep_until_restart(&mut self, before: &Config) -> Vec<String> {
        let mut keys = Vec::new();
        // A new section has to be put here, on one side or the other.
        let Config {
            server,
            store,
            limits,
            webhooks,
            smpp,
            customers: _,
            carriers: _,
            routing: _,
            routes: _,
            numbers: _,
            tables: _,
            ported: _,
            lookups: _,
            senders: _,
        } = self;
        keep_server(&mut keys, server, &before.server);
        keep_store(&mut keys, store, &before.store);
        keep(&mut keys, "limits", limits, &before.limits);
        keep(&mut keys, "webhooks", webhooks, &before.webhooks);
        let SmppConfig { listen, tls, system_id: _ } = smpp;
        keep(&mut keys, "smpp.listen", listen, &before.smpp.listen);
        keep(&mut keys, "smpp.tls", tls, &before.smpp.tls);
        keys
    }

    /// Fits this configuration behind the one `before` it.
    ///
    /// # Errors
    /// When carriers or customers are too many, with those that were removed since the start.
    pub fn follow(mut self, before: &Config) -> Result<Followed, ConfigErrors> {
        let waiting = self.keep_until_restart(before);
        let own = std::mem::take(&mut self.carriers);
        let (carriers, places) = in_places(own, &before.carriers, |own| own.name.as_str());
        let own = std::mem::take(&mut self.customers);
        let (customers, _) = in_places(own, &before.customers, |own| own.name.as_str());
        let mut errors = ConfigErrors::default();
        too_many(&mut errors, "carriers", carriers.len(), limits::MAX_CARRIERS);
        too_many(&mut errors, "customers", customers.len(), limits::MAX_CUSTOMERS);
        for candidate in self.routes.iter_mut().flat_map(|route| &mut route.carriers) {
            let place = places.get(usize::from(candidate.carrier.0)).copied();
            candidate.carrier =
                CarrierIx(place.and_then(|at| u16::try_from(at).ok()).unwrap_or(u16::MAX));
        }
        let mut carrier_changes = Changes::default();
        for (at, (mut carrier, own)) in carriers.into_iter().enumerate() {
            carrier.retired = !own;
            let known = before.carriers.get(at);
            carrier.dealt = known.map_or(0, |known| known.dealt);
            carrier_changes.note(&carrier.name, own, known.map(|k| (k.retired, *k == carrier)));
            self.carriers.push(carrier);
        }
        deal(&mut self.carriers, before.carriers.len());
        let mut customer_changes = Changes::default();
        for (at, (mut customer, own)) in customers.into_iter().enumerate() {
            if !own {
                retire(&mut customer);
            }
            let known = before.customers.get(at);
            customer_changes.note(&customer.name, own, known.map(|k| (k.retired, *k == customer)));
            self.customers.push(customer);
        }
        let routes = (&self.routes, &self.routing) != (&before.routes, &before.routing);
        let tables = self.tables.made_of() != before.tables.made_of();
        errors.or_value(Followed {
            config: self,
            carriers: carrier_changes,
            customers: customer_changes,
            routes,
            tables,
            waiting,
        })
    }
}

impl Changes {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }

    /// `known`: whether it was retired before, and whether it says the same now.
    fn note(&mut self, name: &str, own: bool, known: Option<(bool, bool)>) {
        let list = match (own, known) {
            (true, None | Some((true, _))) => &mut self.added,
            (true, Some((false, false))) => &mut self.changed,
            (false, Some((false, _))) => &mut self.removed,
            (true, Some((false, true))) | (false, None | Some((true, _))) => return,
        };
        list.push(name.to_owned());
    }
}

/// Nobody comes in as this customer, and no number is its own; what it was promised goes on.
fn retire(customer: &mut CustomerConfig) {
    customer.retired = true;
    customer.api_key_hashes = Vec::new();
    customer.numbers = Vec::new();
    customer.smpp = None;
}

/// The entries of a list in the places that `before` gives their names: each with whether it is the
/// list's own, or one that the list has no more. Beside them the place of each of the list's own.
fn in_places<T: Clone>(
    own: Vec<T>,
    before: &[T],
    name: impl Fn(&T) -> &str,
) -> (Vec<(T, bool)>, Vec<usize>) {
    let known: BTreeMap<&str, usize> =
        before.iter().enumerate().map(|(at, item)| (name(item), at)).collect();
    let mut placed: Vec<(T, bool)> = before.iter().map(|item| (item.clone(), false)).collect();
    let mut places = Vec::with_capacity(own.len());
    for item in own {
        let at = known.get(name(&item)).copied().unwrap_or(placed.len());
        places.push(at);
        match placed.get_mut(at) {
            Some(place) => *place = (item, true),
            None => placed.push((item, true)),
        }
    }
    (placed, places)
}

fn too_many(errors: &mut ConfigErrors, at: &str, count: usize, most: usize) {
    if count > most {
        let what = format!("there are {count} with those that were removed since the start");
        errors.add(at, what, format!("at most {most} fit: restart the gateway"));
    }
}

fn keep<T: Clone + PartialEq>(keys: &mut Vec<String>, key: &str, own: &mut T, before: &T) {
    if own != before {
        keys.push(key.to_owned());
        own.clone_from(before);
    }
}

fn keep_server(keys: &mut Vec<String>, own: &mut ServerConfig, before: &ServerConfig) {
    let ServerConfig { data_dir, shards, driver, listen, admin_listen, pin, spin, log_format } =
        own;
    keep(keys, "server.data_dir", data_dir, &before.data_dir);
    keep(keys, "server.shards", shards, &before.shards);
    keep(keys, "server.driver", driver, &before.driver);
    keep(keys, "server.listen", listen, &before.listen);
    keep(keys, "server.admin_listen", admin_listen, &before.admin_listen);
    keep(keys, "server.pin", pin, &before.pin);
    keep(keys, "server.spin", spin, &before.spin);
    keep(keys, "server.log_format", log_format, &before.log_format);
}

fn keep_store(keys: &mut Vec<String>, own: &mut StoreConfig, before: &StoreConfig) {
    let StoreConfig { segment_bytes, max_segments, retention, direct } = own;
    keep(keys, "store.segment_mib", segment_bytes, &before.segment_bytes);
    keep(keys, "store.max_segments", max_segments, &before.max_segments);
    keep(keys, "store.retention_hours", retention, &before.retention);
    keep(keys, "store.direct", direct, &before.direct);
}
