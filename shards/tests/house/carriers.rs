//! The carriers of a house: cut off, silent, or taking what they get. Test code, pure.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_shards::shard::BindIx;

use super::pdu::{self, Pdu};
use super::{House, Room, at};

impl House {
    /// Cuts every shard off from its carriers, so that messages stay in the queue.
    pub(crate) fn cut_carriers(&mut self) {
        self.cut = true;
        for room in &mut self.rooms {
            room.unreached = true;
            room.shard.handle_bind_closed(at(self.now), 0);
        }
        self.settle();
    }

    /// Cuts one shard off from its carriers, or lets it reach them again.
    pub(crate) fn cut_shard(&mut self, shard: usize, cut: bool) {
        let now = at(self.now);
        let room = &mut self.rooms[shard];
        room.unreached = cut;
        if cut {
            room.shard.handle_bind_closed(now, 0);
        }
        self.settle();
    }

    /// How many submits that were not looked at yet left each shard.
    pub(crate) fn submits_by_shard(&self) -> Vec<usize> {
        self.rooms.iter().map(|room| room.submits.len()).collect()
    }

    /// Lets carriers say nothing to submits, or answer those that come.
    pub(crate) fn mute_carriers(&mut self, mute: bool) {
        self.rooms.iter_mut().for_each(|room| room.mute = mute);
    }

    /// Carriers answer what they owe.
    pub(crate) fn answer_all(&mut self) {
        let now = at(self.now);
        for room in &mut self.rooms {
            for (bind, answer) in std::mem::take(&mut room.owed) {
                room.shard.handle_bind_bytes(now, bind, &answer.octets());
            }
        }
        self.settle();
    }

    /// Holds back every part that crosses to another shard's bind.
    pub(crate) fn hold_crossings(&mut self, held: bool) {
        self.crossings_held = held;
        if !held {
            self.ring.extend(std::mem::take(&mut self.crossings));
        }
        self.settle();
    }

    /// Lets the carriers be reached again.
    pub(crate) fn mend_carriers(&mut self) {
        self.cut = false;
        self.rooms.iter_mut().for_each(|room| room.unreached = false);
        self.pass(Duration::from_secs(90));
    }
}

impl Room {
    /// Plays the carrier's side of a bind: takes the bind, keeps what is submitted, answers nothing
    /// else.
    pub(super) fn carrier(&mut self, now: Now, bind: BindIx) {
        let mut octets = Vec::new();
        self.shard.take_bind_output(bind, &mut octets);
        let mut rest = octets.as_slice();
        let mut answers = Vec::new();
        while let Some((pdu, after)) = Pdu::read(rest) {
            rest = after;
            match pdu.command {
                pdu::BIND_TRX => {
                    answers.push(Pdu::new(pdu::BIND_TRX_RESP, 0, pdu.sequence, b"carrier\0"));
                }
                pdu::SUBMIT => {
                    self.taken += 1;
                    let id = format!("c{}", self.taken);
                    self.given.push((pdu.destination(), id.clone()));
                    let answer = pdu::taken(pdu.sequence, &id);
                    if self.mute {
                        self.owed.push((bind, answer));
                    } else {
                        answers.push(answer);
                    }
                    self.submits.push((pdu.destination(), pdu));
                }
                pdu::ENQUIRE => answers.push(Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"")),
                pdu::UNBIND => answers.push(Pdu::new(pdu::UNBIND_RESP, 0, pdu.sequence, b"")),
                pdu::DELIVER_RESP => self.answered.push((pdu.status, pdu.sequence)),
                _ => {}
            }
        }
        for answer in answers {
            self.shard.handle_bind_bytes(now, bind, &answer.octets());
        }
    }
}
