//! The life of a world's process: its start, its death, and the named steps at which it may die, between
//! any two effects that others could see. Part of the world.

use std::sync::Arc;
use std::time::Duration;

use postrider_core::place::ShardId;
use postrider_shards::shard::{Contents, Op, Shard, ShardParts, Shared};
use postrider_shards::stats::Stats;
use postrider_storage::{Fault, LogConfig, LogIoErrorKind};

use super::happening::Happening;
use super::setup;
use super::world::World;

/// Where a process may die.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Before an operation of the disk while a shard recovers.
    Recovering,
    /// A shard has recovered, another not yet.
    Recovered,
    /// The machine took this, and did nothing yet.
    TookRequest,
    TookMesh,
    TookCarrier,
    TookCustomer,
    TookWebhook,
    TookTime,
    TookConfig,
    /// A batch is on its way; on the disk; known to be there.
    BatchBegun,
    BatchWritten,
    BatchKnown,
    /// A chore was taken; is done; is known to be done.
    ChoreBegun,
    ChoreDone,
    ChoreKnown,
    BeforeAnswer,
    AfterAnswer,
    BeforeMesh,
    AfterMesh,
    BeforeConnect,
    AfterConnect,
    BeforeFlush,
    AfterFlush,
    BeforeWebhook,
    AfterWebhook,
    BeforeCustomer,
    AfterCustomer,
    BeforeClose,
    AfterClose,
}

impl Step {
    pub const ALL: [Self; 29] = [
        Self::Recovering,
        Self::Recovered,
        Self::TookRequest,
        Self::TookMesh,
        Self::TookCarrier,
        Self::TookCustomer,
        Self::TookWebhook,
        Self::TookTime,
        Self::TookConfig,
        Self::BatchBegun,
        Self::BatchWritten,
        Self::BatchKnown,
        Self::ChoreBegun,
        Self::ChoreDone,
        Self::ChoreKnown,
        Self::BeforeAnswer,
        Self::AfterAnswer,
        Self::BeforeMesh,
        Self::AfterMesh,
        Self::BeforeConnect,
        Self::AfterConnect,
        Self::BeforeFlush,
        Self::AfterFlush,
        Self::BeforeWebhook,
        Self::AfterWebhook,
        Self::BeforeCustomer,
        Self::AfterCustomer,
        Self::BeforeClose,
        Self::AfterClose,
    ];

    /// A death is chosen among so many first passings: most histories have them.
    pub fn common(self) -> u64 {
        match self {
            Self::Recovered | Self::BeforeClose | Self::AfterClose => 1,
            Self::Recovering | Self::ChoreBegun | Self::ChoreDone | Self::ChoreKnown => 4,
            Self::BeforeConnect | Self::AfterConnect | Self::TookConfig => 4,
            _ => 30,
        }
    }

    /// Before an operation, and after it.
    pub(super) fn around(op: &Op) -> (Self, Self) {
        match op {
            Op::Answer { .. } => (Self::BeforeAnswer, Self::AfterAnswer),
            Op::Mesh { .. } => (Self::BeforeMesh, Self::AfterMesh),
            Op::Connect(_) => (Self::BeforeConnect, Self::AfterConnect),
            Op::Flush(_) => (Self::BeforeFlush, Self::AfterFlush),
            Op::Webhook(_) => (Self::BeforeWebhook, Self::AfterWebhook),
            Op::FlushCustomer(_) => (Self::BeforeCustomer, Self::AfterCustomer),
            _ => (Self::BeforeClose, Self::AfterClose),
        }
    }
}

/// What a world's process dies of: a step and its nth passing, the first death last.
pub type Deaths = Vec<(Step, u64)>;

impl World {
    /// Whether the process dies at this step: then it is dead.
    pub(super) fn dies(&mut self, step: Step) -> bool {
        let Some((chosen, left)) = self.deaths.last_mut() else { return false };
        if *chosen != step {
            return false;
        }
        *left -= 1;
        if *left > 0 {
            return false;
        }
        self.deaths.pop();
        self.kill();
        true
    }

    /// The operation of the disk before which the shard that recovers next dies.
    pub(super) fn dies_recovering(&mut self) -> Option<u64> {
        let (step, nth) = self.deaths.last()?;
        (*step == Step::Recovering).then_some(*nth)
    }

    /// What one of the shards is made from.
    pub(super) fn parts(
        &self,
        shared: &Arc<Shared>,
        index: u16,
        contents: Contents,
    ) -> (ShardParts, LogConfig) {
        let binds = setup::binds_of(shared, usize::from(index));
        let parts = ShardParts {
            id: ShardId(index),
            shared: Arc::clone(shared),
            stats: Arc::new(Stats::new()),
            contents,
            binds,
            seed: self.seed ^ u64::from(index),
            reconnect_first: Duration::from_millis(100),
        };
        (parts, self.log_config(index))
    }

    pub(super) fn log_config(&self, log: u16) -> LogConfig {
        LogConfig {
            shard: log,
            segment_bytes: self.segment_bytes(),
            // An erasure begins a new one.
            max_segments: if self.has_a_small_log() { 6 } else { 64 },
            spare_segments: 2,
            preferred_batch: 64 << 10,
            max_batch: 256 << 10,
            lazy: Duration::from_millis(2),
        }
    }

    /// Opens all shards from what is on their disks.
    pub(super) fn start(&mut self) {
        self.clock.restart(self.now);
        let now = self.clock();
        if !self.change_shards(now) {
            return self.kill();
        }
        self.check_start(now);
        // Of this process: it counts the customer's binds.
        self.shared = Arc::new(setup::shared(self.seed, &self.epochs, self.file));
        for index in 0..self.shared.placement.shards() {
            let contents = self.open_contents(index);
            let (parts, log) = self.parts(&self.shared, index, contents);
            self.stats.push(Arc::clone(&parts.stats));
            let dies_at = self.dies_recovering();
            let disk = &mut self.disks[usize::from(index)];
            let fault = |nth| Fault { nth, forever: true, kind: LogIoErrorKind::Io };
            disk.plan_fault(dies_at.map(fault));
            let opened = Shard::open(parts, disk, log, now);
            disk.plan_fault(None);
            match opened {
                Ok((mut shard, _recovery)) => {
                    self.add_archives(&mut shard);
                    self.shards.push(shard);
                }
                Err(_) if dies_at.is_some() => {
                    self.deaths.pop();
                    return self.kill();
                }
                Err(error) => panic!("seed {}: shard {index} does not open: {error}", self.seed),
            }
            if self.dies(Step::Recovered) {
                return;
            }
        }
        for shard in 0..self.shards.len() {
            if let Some(own) = self.shards.get_mut(shard) {
                own.start(now);
                self.drive(shard);
            }
        }
    }

    /// kill -9 of the whole process: what was not synced is kept, lost or torn, as the seed says.
    pub(super) fn kill(&mut self) {
        self.kills += 1;
        self.shards.clear();
        self.tickets.clear();
        self.answers.clear();
        self.agenda.retain(|_, what| !what.is_in_process());
        self.timers.fill(None);
        self.writing.fill(false);
        self.working.fill(false);
        for disk in &mut self.disks {
            let rng = &mut self.rng;
            disk.crash(&mut |choices| rng.below(choices as u64) as usize);
        }
        self.lose_side_files();
        for (disk, writing) in &mut self.contents {
            let rng = &mut self.rng;
            disk.crash(&mut |choices| rng.below(choices as u64) as usize);
            *writing = false;
        }
        // What the system had taken for the carriers may still arrive; then they see the end.
        for connection in std::mem::take(&mut self.lines).into_keys() {
            self.soon(2_000, Happening::Closed { connection });
        }
        self.by_bind.clear();
        self.customer_killed();
        self.erasures_killed();
        let back = self.now + Duration::from_millis(50 + self.rng.below(2_000));
        self.at(back, Happening::Restart);
    }

    /// Does what a shard asks after an input, unless the process dies first.
    pub(super) fn drive_after(&mut self, shard: usize, step: Step) {
        if !self.dies(step) {
            self.drive(shard);
        }
    }

    /// One operation more: the process may die right after it, before anything else happens.
    pub(super) fn count_down(&mut self) {
        let Some(left) = self.ops_to_kill.last_mut() else { return };
        *left -= 1;
        if *left == 0 {
            self.ops_to_kill.pop();
            // Before everything that is planned for this very moment.
            self.agenda.insert((self.now, 0), Happening::Kill);
        }
    }
}
