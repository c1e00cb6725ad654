//! Sessions in every state there is. Test code.

use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{Outbind, ShortMessage};
use postrider_smpp::session::{BindKind, Role, Session, SessionConfig};

use super::{at, bind, bound_esme_to, bound_smsc_to, drain, empty, sample};

/// A state as a session can be in it, and the name under which the matrices have it.
pub(crate) struct Place {
    pub(crate) name: &'static str,
    pub(crate) letter: &'static str,
    /// Bound, or about to be: another bind is one too many.
    pub(crate) is_bound: bool,
}

const KINDS: [(BindKind, &str); 3] =
    [(BindKind::Transmitter, "TX"), (BindKind::Receiver, "RX"), (BindKind::Transceiver, "TRX")];

/// Every state but that without a connection.
pub(crate) fn places() -> Vec<Place> {
    let unbound = |name, letter| Place { name, letter, is_bound: false };
    let mut places = vec![
        unbound("OPEN", "OPEN"),
        Place { name: "BINDING", letter: "OPEN", is_bound: true },
        unbound("OUTBOUND", "OUTBOUND"),
        unbound("UNBOUND", "UNBOUND"),
    ];
    for (_, letter) in KINDS {
        places.push(Place { name: "BOUND", letter, is_bound: true });
        places.push(Place { name: "UNBINDING", letter, is_bound: true });
    }
    places
}

/// A session of `role`, both sides of `version`, that is where `place` says.
pub(crate) fn session_in(role: Role, version: u8, place: &Place) -> Session {
    let config = || SessionConfig { role, interface_version: version, ..SessionConfig::default() };
    let kind = KINDS.iter().find(|(_, letter)| *letter == place.letter);
    let kind = kind.map_or(BindKind::Transceiver, |(kind, _)| *kind);
    let bound = || match role {
        Role::Esme => bound_esme_to(SessionConfig { bind: kind, ..config() }, Some(version)),
        Role::Smsc => bound_smsc_to(config(), kind, version),
    };
    let fresh = || {
        let mut session = Session::new(config());
        session.handle_accepted(at(0));
        session
    };
    let session = match (place.name, role) {
        ("OPEN", _) => fresh(),
        ("BINDING", Role::Esme) => {
            let mut session = Session::new(config());
            session.handle_connected(at(0));
            session
        }
        ("BINDING", Role::Smsc) => fed(fresh(), &bind(kind, 70, version)),
        ("OUTBOUND", Role::Esme) => fed(fresh(), &sample(C::OUTBIND, 70)),
        ("OUTBOUND", Role::Smsc) => {
            let mut session = fresh();
            session.outbind(Outbind { system_id: b"MC", password: b"x" }).unwrap();
            session
        }
        ("BOUND", _) => bound(),
        ("UNBINDING", _) => {
            let mut session = bound();
            session.unbind(at(0));
            session
        }
        ("UNBOUND", _) => {
            let mut session = bound();
            session.submit(at(0), 1, &ShortMessage::default()).unwrap();
            fed(session, &empty(C::UNBIND, 0, 70))
        }
        (other, _) => panic!("{other}"),
    };
    let state = fed(session, &[]);
    assert_eq!(format!("{:?}", state.state()).to_uppercase().split('(').next(), Some(place.name));
    state
}

fn fed(mut session: Session, octets: &[u8]) -> Session {
    session.handle_bytes(at(0), octets);
    drain(&mut session);
    session
}
