//! fjall: one keyspace, a key for each record, a write batch for each group, then its journal synced. The
//! values are the octets of our records, and its settings are its own. One per process.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use postrider_storage::Record;

use crate::messages::Engine;
use crate::workload::{DELIVERED, SUBMITTED, accepted, carrier_id, event};

/// See the module.
pub struct Fjall {
    database: Database,
    records: Keyspace,
    batch: OwnedWriteBatch,
}

impl Fjall {
    /// A new database in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let database = Database::builder(dir).open()?;
        let records = database.keyspace("records", KeyspaceCreateOptions::default)?;
        let batch = database.batch();
        Ok(Self { database, records, batch })
    }

    /// Records of a message lie side by side.
    fn put(&mut self, sequence: u64, number: u8, record: &Record<'_>) {
        let mut key = sequence.to_be_bytes().to_vec();
        key.push(number);
        let mut value = Vec::new();
        record.encode(&mut value);
        self.batch.insert(&self.records, key, value);
    }
}

impl Engine for Fjall {
    fn begin(&mut self) -> Result<()> {
        self.batch = self.database.batch();
        Ok(())
    }

    fn accepted(&mut self, sequence: u64) -> Result<()> {
        self.put(sequence, 0, &accepted(sequence));
        Ok(())
    }

    fn submitted(&mut self, sequence: u64) -> Result<()> {
        self.put(sequence, 1, &event(sequence, SUBMITTED, carrier_id(sequence).as_bytes()));
        Ok(())
    }

    fn delivered(&mut self, sequence: u64) -> Result<()> {
        self.put(sequence, 2, &event(sequence, DELIVERED, b""));
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        let batch = std::mem::replace(&mut self.batch, self.database.batch());
        Ok(batch.durability(Some(PersistMode::SyncAll)).commit()?)
    }

    fn stored(&mut self) -> Result<u64> {
        Ok(u64::try_from(self.records.len()? / 3)?)
    }
}
