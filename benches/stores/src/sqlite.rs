//! SQLite: a table of messages, a table of events, a transaction for each group, write-ahead log,
//! synchronous = FULL. Both tables grow at their end only, and no other index is kept. One per process.

use std::path::Path;

use anyhow::Result;
use rusqlite::{Connection, params};

use crate::messages::Engine;
use crate::workload::{
    DELIVERED, REFERENCE, SENDER, SUBMITTED, TEXT, VALIDITY_MS, WEBHOOK, accepted_ms, carrier_id,
    id, recipient,
};

const SCHEMA: &str = "
CREATE TABLE messages (
    sequence INTEGER PRIMARY KEY, id BLOB, partition INTEGER, customer INTEGER, recipient INTEGER,
    sender TEXT, body TEXT, webhook_url TEXT, client_reference TEXT, encoding INTEGER, parts INTEGER,
    reference INTEGER, accepted_ms INTEGER, valid_until_ms INTEGER
);
CREATE TABLE events (
    sequence INTEGER, part INTEGER, event INTEGER, carrier INTEGER, status INTEGER, at_ms INTEGER,
    attempt INTEGER, detail TEXT
);";
const MESSAGE: &str =
    "INSERT INTO messages VALUES (?1, ?2, 1234, 1, ?3, ?4, ?5, ?6, ?7, 0, 1, 7, ?8, ?9)";
const EVENT: &str = "INSERT INTO events VALUES (?1, 0, ?2, 1, 0, ?3, 1, ?4)";

/// See the module.
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// A new database in `dir`.
    pub fn open(dir: &Path) -> Result<Self> {
        let connection = Connection::open(dir.join("messages.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection })
    }

    fn event(&self, sequence: u64, event: u8, detail: &str) -> Result<()> {
        let at = i64::try_from(accepted_ms(sequence) + 900)?;
        let mut insert = self.connection.prepare_cached(EVENT)?;
        insert.execute(params![i64::try_from(sequence)?, event, at, detail])?;
        Ok(())
    }
}

impl Engine for Sqlite {
    fn begin(&mut self) -> Result<()> {
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    fn accepted(&mut self, sequence: u64) -> Result<()> {
        let accepted = i64::try_from(accepted_ms(sequence))?;
        let mut insert = self.connection.prepare_cached(MESSAGE)?;
        insert.execute(params![
            i64::try_from(sequence)?,
            id(sequence).to_be_bytes(),
            i64::try_from(recipient(sequence))?,
            SENDER,
            TEXT,
            WEBHOOK,
            REFERENCE,
            accepted,
            accepted + i64::try_from(VALIDITY_MS)?,
        ])?;
        Ok(())
    }

    fn submitted(&mut self, sequence: u64) -> Result<()> {
        self.event(sequence, SUBMITTED, &carrier_id(sequence))
    }

    fn delivered(&mut self, sequence: u64) -> Result<()> {
        self.event(sequence, DELIVERED, "")
    }

    fn commit(&mut self) -> Result<()> {
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn stored(&mut self) -> Result<u64> {
        let events = "SELECT count(*) / 2 FROM events";
        let messages = "SELECT count(*) FROM messages";
        let count = |query: &str| -> Result<i64> {
            Ok(self.connection.query_row(query, [], |row| row.get(0))?)
        };
        Ok(u64::try_from(count(messages)?.min(count(events)?))?)
    }
}
