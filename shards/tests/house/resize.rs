//! A house that is started again with another number of shards. Test code, pure.

use std::time::Duration;

use postrider_core::number::Msisdn;
use postrider_core::place::{Epoch, Placement};
use postrider_http::auth::CustomerIx;
use postrider_http::request::{ApiRequest, ListQuery};
use postrider_shards::shard::moving::{LogDisks, MoveError, Moved, move_open};
use postrider_shards::shard::{ApiResponse, ControlRequest};
use postrider_storage::{Fault, LogIoErrorKind, MemDisk, SegmentId};

use super::contents::{ContentDisk, content_config, holds};
use super::{House, at, log_config, shards_of, shared_of};

/// What happens to a house while its number of shards is to change.
pub(crate) struct Broken {
    /// Shards that were asked for.
    pub(crate) shards: u16,
    /// The log whose disk fails.
    pub(crate) log: usize,
    /// It is the disk of its contents.
    pub(crate) contents: bool,
    /// At which operation.
    pub(crate) nth: u64,
}

type Disks = Vec<(MemDisk, ContentDisk)>;

impl House {
    /// The process is killed, and started with the number of shards of another configuration. Before it
    /// succeeds, each of these changes is begun and dies; one that is not even begun any more (the disk
    /// has fewer operations) stops before it is noted.
    pub(crate) fn resized(self, config: &str, pause: Duration, broken: &[Broken]) -> (Self, Moved) {
        let now = self.now + pause;
        let mut disks = self.disks();
        let given = self.rooms.iter().flat_map(|room| room.given.clone()).collect();
        for Broken { shards, log, contents, nth } in broken {
            let logs = usize::from(self.epochs.last().unwrap().shards.max(*shards));
            disks.resize_with(disks.len().max(logs), Default::default);
            let fault = Fault { nth: *nth, forever: true, kind: LogIoErrorKind::Io };
            let (log, contents_of_log) = &mut disks[*log % logs];
            let failing = if *contents { &mut contents_of_log.0 } else { log };
            failing.plan_fault(Some(fault));
            // Whether it fails or not: the change is not noted.
            drop(self.move_open(&mut disks, logs, *shards, now));
            crash(&mut disks);
        }
        let wanted = shards_of(config);
        let mut epochs = self.epochs.clone();
        let mut moved = Moved::default();
        if epochs.last().unwrap().shards != wanted {
            let logs = usize::from(epochs.last().unwrap().shards.max(wanted));
            disks.resize_with(disks.len().max(logs), Default::default);
            moved = self.move_open(&mut disks, logs, wanted, now).unwrap();
            epochs.push(Epoch { number: moved.epoch, shards: wanted });
        }
        // Nobody needs these any more.
        for (_, contents) in disks.iter_mut().skip(wanted.into()) {
            *contents = ContentDisk::default();
        }
        let shared = shared_of(config, epochs);
        let segments = self.config.1;
        let mut house = Self::open((config.to_owned(), segments), shared, disks, now, self.cut);
        house.era = self.era + 1;
        house.name_takes();
        house.rooms[0].given = given;
        (house, moved)
    }

    /// One whose logs have these bytes in their first segments, with no carrier within reach.
    pub(crate) fn of(config: &str, epochs: Vec<Epoch>, logs: Vec<Vec<u8>>, now: Duration) -> Self {
        let segment = log_config(0, 64).segment_bytes as usize;
        let disk = |mut bytes: Vec<u8>| {
            bytes.resize(segment, 0);
            let mut disk = MemDisk::new();
            *disk.bytes_mut(SegmentId(1)) = bytes;
            (disk, ContentDisk::default())
        };
        let disks = logs.into_iter().map(disk).collect();
        let mut house =
            Self::open((config.to_owned(), 64), shared_of(config, epochs), disks, now, true);
        house.era = 9;
        house.name_takes();
        house
    }

    /// What was written into the first segment of each log.
    pub(crate) fn logs(&self) -> Vec<Vec<u8>> {
        let disks = self.disks().into_iter();
        let written = disks.map(|(disk, _)| {
            let bytes = disk.bytes(SegmentId(1)).unwrap();
            let end = bytes.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
            bytes[..end.next_multiple_of(4_096)].to_vec()
        });
        written.collect()
    }

    fn move_open(
        &self,
        disks: &mut Disks,
        logs: usize,
        shards: u16,
        now: Duration,
    ) -> Result<Moved, MoveError> {
        let placement = Placement::with_epochs([7; 16], self.epochs.clone());
        let config = |log| (log_config(log, self.config.1), content_config(log));
        let moving = disks.drain(..logs);
        let moving = moving.map(|(messages, contents)| LogDisks { messages, contents: contents.0 });
        let mut moving: Vec<_> = moving.collect();
        let moved = move_open(&mut moving, config, &placement, shards, at(now));
        let back = moving.into_iter().map(|log| (log.messages, ContentDisk(log.contents)));
        disks.splice(..0, back);
        moved
    }

    /// Gives ids of its own to what the carriers of each shard take from now on.
    pub(crate) fn name_takes(&mut self) {
        let era = self.era * 100_000;
        for (index, room) in self.rooms.iter_mut().enumerate() {
            room.taken = era + index * 10_000;
        }
    }

    /// What an operator asks of a shard.
    pub(crate) fn control(&mut self, shard: usize, request: ControlRequest) {
        self.tickets += 1;
        let (now, ticket) = (at(self.now), self.tickets);
        self.rooms[shard].shard.handle_control(now, ticket, request);
        self.settle();
    }

    /// What acme asks of a shard over HTTP, and the answer.
    pub(crate) fn api(&mut self, shard: usize, request: ApiRequest) -> ApiResponse {
        self.tickets += 1;
        let (now, ticket) = (at(self.now), self.tickets);
        self.rooms[shard].shard.handle_api(now, ticket, CustomerIx(0), request);
        self.settle();
        self.rooms[shard].answers.remove(&ticket).unwrap()
    }

    pub(crate) fn owner(&self, number: Msisdn) -> usize {
        self.shared.placement.owner(number).0.into()
    }

    /// Whether octets are in logs of messages, and of contents, that no shard writes to any more.
    pub(crate) fn kept_hold(&mut self, octets: &[u8]) -> (bool, bool) {
        let log = self.kept.values_mut().any(|(disk, _)| holds(disk, octets));
        (log, self.kept.values_mut().any(|(_, contents)| contents.holds(octets)))
    }

    /// The disks of all logs after a kill.
    pub(super) fn disks(&self) -> Disks {
        let own = self.rooms.iter().map(|room| (&room.disk, &room.contents));
        let kept = self.kept.values().map(|(disk, contents)| (disk, contents));
        let all = own.chain(kept);
        let mut disks: Disks =
            all.map(|(disk, contents)| (disk.clone(), ContentDisk(contents.0.clone()))).collect();
        crash(&mut disks);
        disks
    }

    /// The ids of all messages of acme, page by page.
    pub(crate) fn list(&mut self, shard: usize, limit: u16) -> Vec<String> {
        let mut ids = Vec::new();
        let mut cursor = None;
        loop {
            let query = ListQuery {
                from: None,
                to: None,
                status: None,
                limit,
                cursor,
                from_number: None,
                to_number: None,
            };
            let answer = self.api(shard, ApiRequest::List(query));
            let ApiResponse::Page { items, next } = answer else { panic!("no page") };
            ids.extend(items.into_iter().map(|view| view.id.to_string()));
            cursor = next;
            if cursor.is_none() {
                return ids;
            }
        }
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.rooms.len()
    }
}

fn crash(disks: &mut Disks) {
    for (disk, contents) in disks {
        disk.crash(&mut |_| 0);
        contents.0.crash(&mut |_| 0);
    }
}
