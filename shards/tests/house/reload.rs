//! Another configuration for a house, shard by shard. Test code, pure.

use std::sync::Arc;

use postrider_core::config::{Config, Plan};
use postrider_core::place::ShardId;
use postrider_shards::shard::Numbers;

use super::{House, at};

impl House {
    /// Makes what the shards are to go by; none of them has it yet.
    pub(crate) fn prepare(&mut self, config: &str) {
        let config = Config::parse(config).unwrap_or_else(|errors| panic!("{errors}"));
        let followed = config.follow(&self.shared.config).unwrap();
        let numbers = Numbers {
            carriers: (1..).take(followed.config.carriers.len()).collect(),
            customers: (1..).take(followed.config.customers.len()).collect(),
        };
        self.shared = Arc::new(self.shared.next(followed.config, numbers));
    }

    /// One shard goes by what was prepared.
    pub(crate) fn reload_shard(&mut self, shard: usize) {
        let config = &self.shared.config;
        let plan = Plan::new(config, config.server.shards).unwrap();
        let binds = plan.binds_on(ShardId(u16::try_from(shard).unwrap()));
        let shared = Arc::clone(&self.shared);
        self.rooms[shard].shard.handle_config(at(self.now), shared, &binds);
        self.settle();
    }

    /// Every shard goes by this configuration from now on.
    pub(crate) fn reload(&mut self, config: &str) {
        self.prepare(config);
        (0..self.rooms.len()).for_each(|shard| self.reload_shard(shard));
    }
}
