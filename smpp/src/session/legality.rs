//! Which request may come from which side in which state: the state matrices of 3.4 section 2.3 and 5.0
//! section 2.4 as one table, with the gateway's own liberties. Pure data, lives nowhere.

use super::{BindKind, Role, State};
use crate::command::CommandId as C;
use crate::pdu::VERSION_5_0;

/// Who sends a request.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Sender {
    Esme,
    Smsc,
    Both,
}

impl Sender {
    fn includes(self, role: Role) -> bool {
        match self {
            Self::Esme => role == Role::Esme,
            Self::Smsc => role == Role::Smsc,
            Self::Both => true,
        }
    }
}

/// A set of states. Neither column has a state for a bind that waits for its answer: it is still open.
type States = u8;
const OPEN: States = 1;
const OUTBOUND: States = 2;
const TX: States = 4;
const RX: States = 8;
const TRX: States = 16;
const UNBOUND: States = 32;
const BOUND: States = TX | RX | TRX;
const ANY: States = OPEN | OUTBOUND | BOUND | UNBOUND;
const NONE: States = 0;

struct Row {
    command: C,
    sender: Sender,
    /// By SMPP 3.4.
    v34: States,
    /// By SMPP 5.0.
    v50: States,
    /// What we take besides, in either version.
    liberty: States,
}

const fn row(command: C, sender: Sender, v34: States, v50: States, liberty: States) -> Row {
    Row { command, sender, v34, v50, liberty }
}

/// The hot commands come first. The liberties: some carriers deliver receipts on transmitters; 3.4 has
/// no state after outbind; replace_sm on a transceiver was forgotten in 3.4; peers ask for signs of life before
/// they are bound; and unbind may come twice.
static MATRIX: &[Row] = &[
    row(C::SUBMIT_SM, Sender::Esme, TX | TRX, TX | TRX, NONE),
    row(C::DELIVER_SM, Sender::Smsc, RX | TRX, RX | TRX, TX),
    row(C::ENQUIRE_LINK, Sender::Both, BOUND, ANY, ANY),
    row(C::DATA_SM, Sender::Esme, BOUND, TX | TRX, NONE),
    row(C::DATA_SM, Sender::Smsc, BOUND, RX | TRX, NONE),
    row(C::QUERY_SM, Sender::Esme, TX | TRX, TX | TRX, NONE),
    row(C::CANCEL_SM, Sender::Esme, TX | TRX, TX | TRX, NONE),
    row(C::REPLACE_SM, Sender::Esme, TX, TX | TRX, TRX),
    row(C::SUBMIT_MULTI, Sender::Esme, TX | TRX, TX | TRX, NONE),
    row(C::ALERT_NOTIFICATION, Sender::Smsc, RX | TRX, RX | TRX, NONE),
    row(C::BROADCAST_SM, Sender::Esme, NONE, TX | TRX, NONE),
    row(C::QUERY_BROADCAST_SM, Sender::Esme, NONE, TX | TRX, NONE),
    row(C::CANCEL_BROADCAST_SM, Sender::Esme, NONE, TX | TRX, NONE),
    row(C::BIND_RECEIVER, Sender::Esme, OPEN, OPEN | OUTBOUND, OUTBOUND),
    row(C::BIND_TRANSMITTER, Sender::Esme, OPEN, OPEN | OUTBOUND, OUTBOUND),
    row(C::BIND_TRANSCEIVER, Sender::Esme, OPEN, OPEN | OUTBOUND, OUTBOUND),
    row(C::OUTBIND, Sender::Smsc, OPEN, OPEN, NONE),
    row(C::UNBIND, Sender::Both, BOUND, BOUND, UNBOUND),
];

/// What the table says of a request.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Ruling {
    /// It may come.
    Legal,
    /// Not from this side, or not in this state.
    Illegal,
    /// The version has no such command.
    Unknown,
}

/// The rows' set that `state` belongs to. While we unbind the peer is still bound as `kind`.
fn set(state: State, kind: Option<BindKind>) -> States {
    let bound = |kind| match kind {
        BindKind::Transmitter => TX,
        BindKind::Receiver => RX,
        BindKind::Transceiver => TRX,
    };
    match state {
        State::Closed => NONE,
        State::Open | State::Binding => OPEN,
        State::Outbound => OUTBOUND,
        State::Bound(kind) => bound(kind),
        State::Unbinding => kind.map_or(NONE, bound),
        State::Unbound => UNBOUND,
    }
}

/// Whether `sender` may send `command` in `state` of a session of interface `version`, bound as `kind`.
pub(super) fn judge(
    command: C,
    sender: Role,
    version: u8,
    state: State,
    kind: Option<BindKind>,
) -> Ruling {
    let state = set(state, kind);
    let mut ruling = Ruling::Unknown;
    for row in MATRIX.iter().filter(|row| row.command == command) {
        let column = if version >= VERSION_5_0 { row.v50 } else { row.v34 };
        let states = column | row.liberty;
        if states & state != NONE && row.sender.includes(sender) {
            return Ruling::Legal;
        }
        if states != NONE {
            ruling = Ruling::Illegal;
        }
    }
    ruling
}

/// Whether we may send `command` by the letter of `version` on a session bound as `kind`.
pub(super) fn may_send(command: C, role: Role, version: u8, kind: BindKind) -> bool {
    let state = set(State::Bound(kind), None);
    MATRIX.iter().filter(|row| row.command == command).any(|row| {
        let column = if version >= VERSION_5_0 { row.v50 } else { row.v34 };
        row.sender.includes(role) && column & state != NONE
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_the_specification_has_a_row_for_each_sender_at_most() {
        for command in C::ALL.iter().filter(|command| !command.is_response()) {
            let rows: Vec<_> = MATRIX.iter().filter(|row| row.command == *command).collect();
            assert!(!rows.is_empty(), "{command:?}");
            for role in [Role::Esme, Role::Smsc] {
                assert!(rows.iter().filter(|row| row.sender.includes(role)).count() <= 1);
            }
        }
        assert!(MATRIX.iter().all(|row| !row.command.is_response()));
    }

    #[test]
    fn liberties_are_for_the_peer_and_never_for_us() {
        let may = |command, role, kind| may_send(command, role, 0x34, kind);
        assert!(!may(C::DELIVER_SM, Role::Smsc, BindKind::Transmitter));
        assert!(!may(C::REPLACE_SM, Role::Esme, BindKind::Transceiver));
        for kind in [BindKind::Transmitter, BindKind::Receiver, BindKind::Transceiver] {
            assert_eq!(may(C::SUBMIT_SM, Role::Esme, kind), kind.may_send(Role::Esme));
            assert_eq!(may(C::DELIVER_SM, Role::Smsc, kind), kind.may_send(Role::Smsc));
            assert!(may(C::DATA_SM, Role::Esme, kind) && may(C::DATA_SM, Role::Smsc, kind));
            let of_5_0 = |role| may_send(C::DATA_SM, role, 0x50, kind);
            assert_eq!(of_5_0(Role::Esme), kind.may_send(Role::Esme));
            assert_eq!(of_5_0(Role::Smsc), kind.may_send(Role::Smsc));
        }
    }
}
