//! Requests over HTTP whose answers a test looks for later, and the provider of look-ups that it
//! plays. Test code, pure.

use postrider_core::lookup::Asked;
use postrider_http::auth::CustomerIx;
use postrider_http::request::ApiRequest;
use postrider_shards::shard::ApiResponse;

use super::{House, at};

impl House {
    /// What a customer asks of a shard over HTTP; names the answer.
    pub(crate) fn send_request(&mut self, shard: usize, customer: u16, request: ApiRequest) -> u64 {
        self.tickets += 1;
        let (now, ticket) = (at(self.now), self.tickets);
        self.rooms[shard].shard.handle_api(now, ticket, CustomerIx(customer), request);
        self.settle();
        ticket
    }

    /// The answer, once it is there.
    pub(crate) fn answer_of(&mut self, shard: usize, ticket: u64) -> Option<ApiResponse> {
        self.rooms[shard].answers.remove(&ticket)
    }

    /// The provider answers a query of a shard.
    pub(crate) fn answer_lookup(
        &mut self,
        shard: usize,
        asked: Asked,
        answer: Option<(u16, Vec<u8>)>,
    ) {
        self.rooms[shard].shard.handle_lookup_answer(at(self.now), asked, answer);
        self.settle();
    }
}
