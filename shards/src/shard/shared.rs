//! What every shard reads and none writes. One per configuration: a reload makes another one, which
//! goes to every shard behind an `Arc`.

use std::collections::HashMap;
use std::sync::Arc;

use postrider_core::config::{CarrierProfile, Config};
use postrider_core::health::ConnectTurns;
use postrider_core::id::IdCipher;
use postrider_core::operators::Resolver;
use postrider_core::place::{Partition, Placement};
use postrider_core::ported::PortedTables;
use postrider_core::route::{CarrierIx, RouteTable};
use postrider_http::auth::{CustomerIx, Keyring};

use super::message::{Envelope, NO_CARRIER};
use super::{Accounts, Board, Learned, SenderRates};

/// What every shard reads and none writes, behind an `Arc`.
///
/// What is made from the configuration alone is made anew for every generation. What lives as long
/// as the process, such as counts that all shards keep to, is handed on from one to the next.
pub struct Shared {
    /// Which configuration of the process it is, from 1.
    pub generation: u32,
    /// The checked configuration. Carriers and customers keep their places for the life of the
    /// process: new ones come behind, and those that were removed are `retired`.
    pub config: Config,
    /// Number -> operator.
    pub resolver: Resolver,
    /// Number -> ranked carriers.
    pub routes: RouteTable,
    /// Number -> partition -> shard.
    pub placement: Arc<Placement>,
    /// Seals and opens message ids.
    pub cipher: Arc<IdCipher>,
    /// Durable numbers of carriers and customers.
    pub numbers: Numbers,
    /// Customers' API keys.
    pub keys: Keyring,
    /// Accounts on the SMPP server.
    pub accounts: Accounts,
    /// What senders may send that have a rate of their own.
    pub senders: SenderRates,
    /// What traffic shows of carriers' message ids.
    pub learned: Arc<Learned>,
    /// Tables of ported numbers, which the resolver asks.
    pub ported: Arc<PortedTables>,
    /// Customers with another weight than 1, by durable number.
    weights: HashMap<u32, u16>,
    /// How many connections to carriers are begun in a second.
    pub turns: Arc<ConnectTurns>,
    /// What shards with binds of a carrier let the others know.
    pub board: Arc<Board>,
}

/// Durable numbers, by the order of the configuration. 0 is never given.
pub struct Numbers {
    /// By `CarrierIx`.
    pub carriers: Vec<u32>,
    /// By `CustomerIx`.
    pub customers: Vec<u32>,
}

fn keyring(config: &Config) -> Keyring {
    let hashes = config.customers.iter().zip(0u16..).flat_map(|(customer, index)| {
        customer.api_key_hashes.iter().map(move |hash| (CustomerIx(index), *hash))
    });
    Keyring::new(hashes)
}

impl Shared {
    /// What follows from a configuration and its data directory, at the start of the process.
    #[must_use]
    pub fn new(config: Config, placement: Placement, cipher: IdCipher, numbers: Numbers) -> Self {
        Self::make(config, (Arc::new(placement), Arc::new(cipher)), numbers, None)
    }

    /// What follows from the configuration that takes the place of this one. Its carriers and
    /// customers begin with those of this one, in their order.
    #[must_use]
    pub fn next(&self, config: Config, numbers: Numbers) -> Self {
        let kept = (Arc::clone(&self.placement), Arc::clone(&self.cipher));
        Self::make(config, kept, numbers, Some(self))
    }

    fn make(
        config: Config,
        (placement, cipher): (Arc<Placement>, Arc<IdCipher>),
        numbers: Numbers,
        before: Option<&Shared>,
    ) -> Self {
        let learned = before.map(|before| &*before.learned);
        let ported = before.map_or_else(Arc::default, |before| Arc::clone(&before.ported));
        let weights = config.customers.iter().map(|customer| customer.weight);
        let weights = numbers.customers.iter().copied().zip(weights);
        let (carriers, shards) = (config.carriers.len(), placement.shards());
        let board = Board::new(carriers, shards, before.map(|before| &*before.board));
        Shared {
            board: Arc::new(board),
            generation: before.map_or(1, |before| before.generation.saturating_add(1)),
            resolver: config.resolver().with_ported(Arc::<PortedTables>::clone(&ported)),
            routes: RouteTable::new(&config.routes, &config.tables),
            placement,
            cipher,
            weights: weights.filter(|(_, weight)| *weight != 1).collect(),
            numbers,
            keys: keyring(&config),
            accounts: Accounts::new(&config, before.map(|before| &before.accounts)),
            senders: SenderRates::new(&config, before.map(|before| &before.senders)),
            learned: Arc::new(Learned::new(&config.carriers, learned)),
            ported,
            turns: before.map_or_else(Arc::default, |before| Arc::clone(&before.turns)),
            config,
        }
    }

    /// The same with other tables of ported numbers.
    #[must_use]
    pub fn with_ported(mut self, ported: PortedTables) -> Self {
        self.ported = Arc::new(ported);
        self.resolver = self.resolver.with_ported(Arc::<PortedTables>::clone(&self.ported));
        self
    }

    /// The partition of a message. Of a redacted one only the id knows it.
    pub(crate) fn partition_of(&self, envelope: &Envelope) -> Partition {
        let fields = self.cipher.open(envelope.id);
        fields.map_or_else(|| self.placement.partition(envelope.to), |fields| fields.partition)
    }

    /// The durable number of a carrier.
    pub(crate) fn carrier_number(&self, carrier: CarrierIx) -> u32 {
        self.numbers.carriers.get(usize::from(carrier.0)).copied().unwrap_or(NO_CARRIER)
    }

    /// The carrier of a durable number, when it is still configured.
    pub(crate) fn carrier_of(&self, number: u32) -> Option<CarrierIx> {
        let at = self.numbers.carriers.iter().position(|own| *own == number)?;
        u16::try_from(at).ok().map(CarrierIx)
    }

    /// The name of a carrier by durable number.
    pub(crate) fn carrier_name(&self, number: u32) -> Option<&str> {
        let carrier = self.carrier_of(number)?;
        self.config.carriers.get(usize::from(carrier.0)).map(|carrier| carrier.name.as_str())
    }

    /// The customer of a durable number, when it is still configured.
    pub(crate) fn customer_of(&self, number: u32) -> Option<CustomerIx> {
        let at = self.numbers.customers.iter().position(|own| *own == number)?;
        u16::try_from(at).ok().map(CustomerIx)
    }

    /// How a carrier speaks SMPP.
    pub(crate) fn profile(&self, carrier: Option<CarrierIx>) -> Option<&CarrierProfile> {
        let config = self.config.carriers.get(usize::from(carrier?.0))?;
        Some(&config.profile)
    }

    /// A customer's share where its messages wait beside those of others, by its durable number.
    pub(crate) fn weight_of(&self, customer: u32) -> u16 {
        self.weights.get(&customer).copied().unwrap_or(1)
    }

    /// The durable number of a customer; 0, which no message has, when there is none.
    pub(crate) fn customer_number(&self, customer: CustomerIx) -> u32 {
        self.numbers.customers.get(usize::from(customer.0)).copied().unwrap_or(0)
    }
}
