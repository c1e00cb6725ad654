//! Which request may come from which side in which state: the state matrix of 3.4 section 2.3 as one table,
//! with the gateway's own liberties. Pure data, lives nowhere.

use super::BindKind;
use crate::command::CommandId as C;

/// Who sends a request.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(super) enum Sender {
    Esme,
    Smsc,
    Both,
}

const OPEN: u8 = 1;
const TX: u8 = 2;
const RX: u8 = 4;
const TRX: u8 = 8;
const BOUND: u8 = TX | RX | TRX;

struct Row {
    command: C,
    sender: Sender,
    states: u8,
}

const fn row(command: C, sender: Sender, states: u8) -> Row {
    Row { command, sender, states }
}

/// deliver_sm is taken on every bound session, since some carriers deliver receipts on transmitters;
/// replace_sm also on transceivers and enquire_link in every state, as 5.0 has them.
static MATRIX: &[Row] = &[
    row(C::BIND_RECEIVER, Sender::Esme, OPEN),
    row(C::BIND_TRANSMITTER, Sender::Esme, OPEN),
    row(C::BIND_TRANSCEIVER, Sender::Esme, OPEN),
    row(C::OUTBIND, Sender::Smsc, OPEN),
    row(C::UNBIND, Sender::Both, BOUND),
    row(C::ENQUIRE_LINK, Sender::Both, OPEN | BOUND),
    row(C::SUBMIT_SM, Sender::Esme, TX | TRX),
    row(C::SUBMIT_MULTI, Sender::Esme, TX | TRX),
    row(C::QUERY_SM, Sender::Esme, TX | TRX),
    row(C::CANCEL_SM, Sender::Esme, TX | TRX),
    row(C::REPLACE_SM, Sender::Esme, TX | TRX),
    row(C::BROADCAST_SM, Sender::Esme, TX | TRX),
    row(C::QUERY_BROADCAST_SM, Sender::Esme, TX | TRX),
    row(C::CANCEL_BROADCAST_SM, Sender::Esme, TX | TRX),
    row(C::DATA_SM, Sender::Both, BOUND),
    row(C::DELIVER_SM, Sender::Smsc, BOUND),
    row(C::ALERT_NOTIFICATION, Sender::Smsc, RX | TRX),
];

/// True when `sender` may send `command` on a session bound as `bound` (`None`: not bound).
pub(super) fn is_legal(command: C, sender: Sender, bound: Option<BindKind>) -> bool {
    let state = match bound {
        None => OPEN,
        Some(BindKind::Transmitter) => TX,
        Some(BindKind::Receiver) => RX,
        Some(BindKind::Transceiver) => TRX,
    };
    MATRIX.iter().any(|row| {
        row.command == command
            && (row.sender == sender || row.sender == Sender::Both)
            && row.states & state != 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_the_specification_has_one_row() {
        for command in C::ALL.iter().filter(|command| !command.is_response()) {
            let rows = MATRIX.iter().filter(|row| row.command == *command).count();
            assert_eq!(rows, 1, "{command:?}");
        }
        assert!(MATRIX.iter().all(|row| !row.command.is_response()));
    }

    #[test]
    fn matrix_gives_the_states_of_section_2_3() {
        let kinds = [BindKind::Transmitter, BindKind::Receiver, BindKind::Transceiver];
        let bound = |command, sender| kinds.map(|kind| is_legal(command, sender, Some(kind)));
        assert_eq!(bound(C::SUBMIT_SM, Sender::Esme), [true, false, true]);
        assert_eq!(bound(C::QUERY_SM, Sender::Esme), [true, false, true]);
        assert_eq!(bound(C::DELIVER_SM, Sender::Smsc), [true, true, true]);
        assert_eq!(bound(C::ALERT_NOTIFICATION, Sender::Smsc), [false, true, true]);
        assert_eq!(bound(C::SUBMIT_SM, Sender::Smsc), [false; 3], "never from a carrier");
        assert_eq!(bound(C::BIND_TRANSCEIVER, Sender::Esme), [false; 3], "bound already");
        assert!(is_legal(C::BIND_TRANSCEIVER, Sender::Esme, None));
        assert!(is_legal(C::ENQUIRE_LINK, Sender::Smsc, None));
        assert!(!is_legal(C::SUBMIT_SM, Sender::Esme, None));
        assert!(!is_legal(C::UNBIND, Sender::Esme, None));
    }
}
