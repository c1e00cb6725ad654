//! What a session tells its driver. Lent from the receive buffer, so one at a time. One stream per session.

use core::time::Duration;

use super::BindKind;
use crate::command::CommandId;
use crate::pdu::{
    AlertNotification, Bind, CancelSm, EncodeError, FrameError, Outbind, QuerySm, ReplaceSm,
    ShortMessage, SubmitMulti,
};
use crate::status::CommandStatus;

/// What happened. Each is to be handled before the next is polled.
#[derive(Copy, Clone, Debug)]
pub enum Event<'a> {
    /// The session is bound.
    Bound {
        /// As what.
        kind: BindKind,
        /// The peer's interface version: sc_interface_version of the answer, if any (ESME), or that of the
        /// bind (SMSC).
        peer_version: Option<u8>,
    },
    /// The peer refused our bind; a [`Event::Close`] follows.
    BindRefused {
        /// Its status.
        status: u32,
    },
    /// The peer wants to bind: check it and call `answer_bind`.
    BindRequested {
        /// The number to answer with.
        sequence: u32,
        /// What it wants to be.
        kind: BindKind,
        /// Its credentials.
        bind: Bind<'a>,
    },
    /// The peer (SMSC) asks us to bind on the connection that it opened: check it and call
    /// `answer_outbind`.
    OutbindRequested {
        /// The number of the PDU; it has no answer.
        sequence: u32,
        /// The peer's credentials.
        outbind: Outbind<'a>,
    },
    /// One of our messages was answered.
    Response {
        /// The token it was submitted with.
        token: u64,
        /// The status; ESME_RINVCMDID when the answer was of another command and claimed success.
        status: u32,
        /// The peer's id for it, empty if there is none.
        message_id: &'a [u8],
        /// From `submit` to the answer.
        waited: Duration,
        /// The outcome had been reported as unknown before.
        late: bool,
        /// How loaded the peer says it is (5.0 section 4.8.4.18): 0 idle to 100 congested, 80 to 90 the best.
        congestion: Option<u8>,
    },
    /// The peer sent a message: call `respond` once it is safe.
    Message {
        /// The number to answer with.
        sequence: u32,
        /// submit_sm, deliver_sm or data_sm.
        command: CommandId,
        /// The message.
        message: ShortMessage<'a>,
    },
    /// The peer asked something else that waits for an answer: call `respond_with`, or `respond` to refuse.
    Request {
        /// The number to answer with.
        sequence: u32,
        /// The command to answer.
        command: CommandId,
        /// What it asks.
        request: Request<'a>,
    },
    /// The peer says that a handset can be reached again (3.4 section 4.12); there is no answer.
    Alert {
        /// Which.
        alert: AlertNotification<'a>,
    },
    /// Nobody knows whether the peer took this message.
    OutcomeUnknown {
        /// The token it was submitted with.
        token: u64,
        /// Why.
        reason: UnknownReason,
    },
    /// The peer unbinds: nothing may be submitted any more; a [`Event::Close`] follows.
    PeerUnbound,
    /// Flush the output, close the socket, then call `handle_closed`.
    Close {
        /// Why.
        reason: CloseReason,
    },
    /// Something odd that only needs a counter.
    Counted(Oddity),
}

/// What a peer (ESME) may ask besides messages.
#[derive(Copy, Clone, Debug)]
pub enum Request<'a> {
    /// One message to many (3.4 section 4.5).
    SubmitMulti(SubmitMulti<'a>),
    /// What became of a message (3.4 section 4.8).
    Query(QuerySm<'a>),
    /// To cancel messages (3.4 section 4.9).
    Cancel(CancelSm<'a>),
    /// To change a message (3.4 section 4.10).
    Replace(ReplaceSm<'a>),
}

/// Why an outcome is unknown.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum UnknownReason {
    /// No answer within the response timer; one may still come, as a late [`Event::Response`].
    TimedOut,
    /// The connection ended; no answer will ever come.
    SessionLost,
}

/// Why a session closes.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CloseReason {
    /// Our unbind was answered.
    #[error("unbound")]
    Unbound,
    /// Our unbind was not answered in time.
    #[error("the peer did not answer the unbind")]
    UnbindTimeout,
    /// The peer has unbound.
    #[error("the peer unbound")]
    PeerUnbound,
    /// Our bind cannot be written.
    #[error("the bind cannot be sent: {0}")]
    BindUnsendable(EncodeError),
    /// Our bind was refused, with this status.
    #[error("the bind was refused: {0}")]
    BindRefused(CommandStatus),
    /// Our bind was not answered in time.
    #[error("the peer did not answer the bind")]
    BindTimeout,
    /// The peer did not bind (or outbind) in time.
    #[error("the peer did not bind")]
    SessionInitTimeout,
    /// We did not accept the peer's outbind.
    #[error("the outbind was refused")]
    OutbindRefused,
    /// The octets are no SMPP any more.
    #[error("{0}")]
    Framing(FrameError),
    /// The rest of a PDU did not come in time.
    #[error("the peer stalled inside a PDU")]
    PduReadTimeout,
    /// The peer said that it cannot follow our framing.
    #[error("the peer lost our framing")]
    PeerLostFraming,
    /// Two enquire_link in a row without a sign of life.
    #[error("the peer does not answer enquire_link")]
    EnquireLinkTimeout,
    /// Three messages in a row without an answer.
    #[error("the peer does not answer messages")]
    ResponseTimeouts,
    /// No message and no answer for too long.
    #[error("inactive")]
    Inactivity,
}

/// Odd behaviour of the peer, for counters.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Oddity {
    /// An answer that nothing waits for.
    UnknownResponse,
    /// An answer after its time-out; a `Response` with `late` came before.
    LateResponse,
    /// An answer of another command than the request's.
    MismatchedResponse,
    /// A command outside the specifications; a request was answered with generic_nack.
    UnknownCommand,
    /// A command that the version does not have, or that we do not serve; a request was refused.
    UnsupportedCommand,
    /// A body that cannot be read; answered with the fitting status.
    MalformedPdu,
    /// A message beyond the inbound window; refused.
    InboundWindowFull,
    /// A request that is illegal in the state or from that side; refused.
    WrongState,
}

/// Why a message was not submitted; nothing was written and the token is free.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitRefused {
    /// The session is not bound, or not for sending.
    #[error("not bound for sending")]
    NotBound,
    /// The window is full.
    #[error("window full")]
    WindowFull,
    /// The peer's version has no such PDU, or no parameter for the text.
    #[error("the peer's SMPP version is too old")]
    NotInVersion,
    /// The message cannot be written.
    #[error("{0}")]
    Encode(EncodeError),
}
