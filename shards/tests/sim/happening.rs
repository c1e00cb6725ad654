//! What can happen in a simulated world. Pure, one queue of these per world.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::place::ShardId;
use postrider_shards::shard::{BindIx, MeshMessage, Shared};
use postrider_storage::{Ask, Chore, Write};

use super::erasing::Moment;
use super::setup::File;
use super::world::Begun;

/// What can happen next.
pub enum Happening {
    Submit(usize),
    Mesh {
        to: usize,
        from: ShardId,
        message: MeshMessage,
    },
    WriteDone {
        shard: usize,
        write: Write,
    },
    ChoreDue {
        shard: usize,
        chore: Begun,
    },
    ContentWriteDone {
        shard: usize,
        write: Write,
    },
    ContentChoreDue {
        shard: usize,
        chore: Chore,
    },
    Read {
        shard: usize,
        token: u64,
        log: u16,
        ask: Ask,
    },
    Connected {
        shard: usize,
        bind: BindIx,
        carrier: usize,
    },
    ToCarrier {
        carrier: usize,
        connection: u64,
        octets: Vec<u8>,
    },
    ToShard {
        connection: u64,
        octets: Vec<u8>,
    },
    Closed {
        connection: u64,
    },
    WebhookAnswer {
        shard: usize,
        sequence: u64,
        status: u16,
    },
    /// The one that stands has this deadline; others were replaced by an earlier one.
    Timer {
        shard: usize,
        due: Duration,
    },
    CarrierTick {
        carrier: usize,
        due: Duration,
    },
    CustomerConnect {
        shard: usize,
    },
    CustomerSubmit(usize),
    ToCustomer {
        shard: usize,
        serial: u64,
        octets: Vec<u8>,
    },
    FromCustomer {
        shard: usize,
        serial: u64,
        octets: Vec<u8>,
    },
    CustomerClosed {
        shard: usize,
        serial: u64,
    },
    CustomerTick {
        due: Duration,
    },
    /// Of somebody who is to be forgotten.
    Erasure(Moment),
    /// The configuration file says something else, and the process reads it.
    NewFile(File),
    Config {
        shard: usize,
        shared: Arc<Shared>,
    },
    Kill,
    Restart,
}

impl Happening {
    /// Whether it dies with the process.
    pub(super) fn is_in_process(&self) -> bool {
        matches!(
            self,
            Happening::Mesh { .. }
                | Happening::WriteDone { .. }
                | Happening::ChoreDue { .. }
                | Happening::ContentWriteDone { .. }
                | Happening::ContentChoreDue { .. }
                | Happening::Read { .. }
                | Happening::Connected { .. }
                | Happening::ToShard { .. }
                | Happening::WebhookAnswer { .. }
                | Happening::FromCustomer { .. }
                | Happening::Timer { .. }
                | Happening::Config { .. }
        )
    }
}
