//! Another configuration for the shard of a rig. Test code, pure.

use std::sync::Arc;

use postrider_core::config::{Config, Plan};
use postrider_core::place::ShardId;
use postrider_shards::shard::Numbers;

use super::Rig;

impl Rig {
    /// The shard goes by this configuration from now on.
    pub(crate) fn reload(&mut self, config: Config) {
        let followed = config.follow(&self.shared.config).unwrap();
        let plan = Plan::new(&followed.config, 1).unwrap();
        let numbers = Numbers {
            carriers: (1..).take(followed.config.carriers.len()).collect(),
            customers: (1..).take(followed.config.customers.len()).collect(),
        };
        self.shared = Arc::new(self.shared.next(followed.config, numbers));
        let binds = plan.binds_on(ShardId(0));
        self.shard.handle_config(self.at(), Arc::clone(&self.shared), &binds);
        self.settle();
    }
}
