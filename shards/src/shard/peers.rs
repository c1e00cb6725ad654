//! What other shards say: their requests, and who serves them; replies, and requests of this one's on their
//! way out. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::place::ShardId;

use super::customers::OperatedTo;
use super::fetch::{ListTo, ShowTo};
use super::{CallId, MeshMessage, Op, Reply, ReplyTo, Request, Shard, reload};
use crate::stats::Counter;

impl Shard {
    /// A message from another shard.
    pub fn handle_mesh(&mut self, now: Now, from: ShardId, message: MeshMessage) {
        match message {
            MeshMessage::Request { generation, call, request }
                if generation > self.shared.generation =>
            {
                self.keep_early(reload::Early { generation, from, call, request });
            }
            MeshMessage::Request { call, request, .. } => self.serve_peer(now, from, call, request),
            MeshMessage::Reply { call, reply } => self.take_reply(now, from, call, reply),
        }
        self.pump(now);
    }

    pub(super) fn serve_peer(&mut self, now: Now, from: ShardId, call: CallId, request: Request) {
        match request {
            Request::Submit { customer, submission } => {
                self.accept(now, customer, submission, ReplyTo::Shard(from, call));
            }
            Request::Explain { customer, submission } => {
                let reply = self.explained(now, customer, submission);
                self.reply(from, call, reply);
            }
            Request::LookUp { numbers } => self.look_up_for_peer(now, from, call, numbers),
            Request::Get { customer, id } => {
                self.find(now, ShowTo::Shard(from, call), customer, id);
            }
            Request::Redact { customer, id } => {
                self.redact_one(now, ShowTo::Shard(from, call), customer, id);
            }
            Request::List { customer, query } => {
                let to = ListTo::Shard(from, call);
                self.list(now, to, customer, query);
            }
            Request::Deliver { customer, delivery } => {
                self.deliver_for_peer(from, call, customer, delivery);
            }
            Request::Inbound { notice } => self.inbound_for_peer(now, from, call, notice),
            Request::Receivers { customer, count } => {
                self.receivers_of_peer(from, customer, count);
                self.reply(from, call, Reply::Noted);
            }
            Request::Operate { customer, operation } => {
                self.perform(now, customer, operation, OperatedTo::Shard(from, call));
            }
            Request::Rate { carrier, report } => {
                let grant = self.lend(now, carrier, from, *report);
                self.reply(from, call, Reply::Rate(Box::new(grant)));
            }
            Request::Credits { carrier, ask } => self.serve_ask(from, call, carrier, *ask),
            Request::Cross { carrier, crossing } => {
                self.take_crossing(now, (from, call), carrier, crossing);
            }
            Request::LateAnswer { late } => {
                self.answered_late(now, &late);
                self.reply(from, call, Reply::Noted);
            }
            Request::Receipt { notice, park } => {
                self.receipt_for_peer(now, from, call, notice, park);
            }
        }
    }

    pub(super) fn reply(&mut self, to: ShardId, call: CallId, reply: Reply) {
        self.ops.push_back(Op::Mesh { to, message: MeshMessage::Reply { call, reply } });
    }

    pub(super) fn request(&mut self, to: ShardId, call: CallId, request: Request) {
        self.stats.inc(Counter::MeshRequests);
        let generation = self.shared.generation;
        let message = MeshMessage::Request { generation, call, request };
        self.ops.push_back(Op::Mesh { to, message });
    }
}
