//! What a shard asks of its driver, and what it answers customers. Pure, lives nowhere.

use postrider_core::place::ShardId;
use postrider_core::route::Explanation;
use postrider_http::lookup::LookedUp;
use postrider_http::problem::Problem;
use postrider_http::request::Cursor;
use postrider_http::response::MessageView;
use postrider_http::url_guard::WebhookTarget;
use postrider_storage::Ask;

use super::{Accepted, BindIx, ConnIx, ControlAnswer, LookupGet, MeshMessage};

/// What the edge answers a customer.
#[derive(Debug)]
pub enum ApiResponse {
    /// 202.
    Accepted(Accepted),
    /// 200 with what would become of a message.
    Explained(Box<Explanation>),
    /// 200 with what is known of numbers.
    LookedUp {
        /// In the order of the request.
        looked: Vec<LookedUp>,
        /// Whether it is a list.
        batch: bool,
    },
    /// 200 with one message.
    Message(Box<MessageView>),
    /// 204: the message is redacted.
    Redacted,
    /// 200 with a page.
    Page {
        /// Newest first.
        items: Vec<MessageView>,
        /// Where the next page begins.
        next: Option<Cursor>,
    },
    /// An error.
    Problem(Problem),
}

/// What the driver is asked to do.
#[derive(Debug)]
pub enum Op {
    /// Answer the HTTP request of this ticket.
    Answer {
        /// As given to `handle_api`.
        ticket: u64,
        /// What to answer.
        response: ApiResponse,
    },
    /// Put this on the ring to that shard. There is room: the machine keeps the count.
    Mesh {
        /// The receiver.
        to: ShardId,
        /// The message.
        message: MeshMessage,
    },
    /// Open a connection for this bind.
    Connect(BindIx),
    /// Write what `take_bind_output` gives.
    Flush(BindIx),
    /// Write what is left and close the connection.
    Close(BindIx),
    /// Write what `take_customer_output` gives.
    FlushCustomer(ConnIx),
    /// Write what is left and close the customer's connection.
    CloseCustomer(ConnIx),
    /// Post a webhook; the result comes to `handle_webhook_result`.
    Webhook(Box<WebhookPost>),
    /// Ask the provider of look-ups; the answer comes to `handle_lookup_answer`.
    LookUp(Box<LookupGet>),
    /// Read this from the directory of a log; the bytes go to `handle_read`.
    Read {
        /// Names the read in the answer.
        token: u64,
        /// The log: the shard's own, or one that it keeps.
        log: u16,
        /// What.
        ask: Ask,
    },
    /// Answer an operator's request.
    Controlled {
        /// As given to `handle_control`.
        ticket: u64,
        /// What to answer.
        answer: ControlAnswer,
    },
    /// Everything is on disk and unbound: this shard may stop.
    Drained,
}

/// One webhook attempt.
#[derive(Debug)]
pub struct WebhookPost {
    /// Names the message in the result.
    pub sequence: u64,
    /// Where to.
    pub target: WebhookTarget,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The event.
    pub body: Vec<u8>,
}
