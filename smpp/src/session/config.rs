//! What a session is told once: its role, its credentials, its bounds and its timers. One per session.

use core::time::Duration;

use crate::command::CommandId;
use crate::pdu::{MAX_PDU_DEFAULT, VERSION_3_4};
use crate::status::CommandStatus;

/// Which side of the connection the session is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// The client: binds, submits, receives receipts.
    Esme,
    /// The server: is bound to, delivers.
    Smsc,
}

/// What a bind may do.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum BindKind {
    /// The ESME submits.
    Transmitter,
    /// The ESME receives.
    Receiver,
    /// Both.
    Transceiver,
}

impl BindKind {
    /// The bind request of this kind.
    pub const fn command(self) -> CommandId {
        match self {
            Self::Transmitter => CommandId::BIND_TRANSMITTER,
            Self::Receiver => CommandId::BIND_RECEIVER,
            Self::Transceiver => CommandId::BIND_TRANSCEIVER,
        }
    }

    /// The kind that a bind request asks for.
    pub const fn from_command(command: CommandId) -> Option<Self> {
        match command {
            CommandId::BIND_TRANSMITTER => Some(Self::Transmitter),
            CommandId::BIND_RECEIVER => Some(Self::Receiver),
            CommandId::BIND_TRANSCEIVER => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// True when the side with `role` may send messages on such a bind.
    pub const fn may_send(self, role: Role) -> bool {
        match self {
            Self::Transceiver => true,
            Self::Transmitter => matches!(role, Role::Esme),
            Self::Receiver => matches!(role, Role::Smsc),
        }
    }
}

/// The settings of a session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// Which side we are.
    pub role: Role,
    /// The bind to ask for (ESME).
    pub bind: BindKind,
    /// Our `system_id`, at most 15 octets.
    pub system_id: String,
    /// The password (ESME), at most 64 octets; 8 by the letter of the specification.
    pub password: String,
    /// `system_type` (ESME), at most 12 octets.
    pub system_type: String,
    /// 0x34, or 0x50 for 5.0, which holds when the peer has it too. Below 0x34 no TLVs are sent.
    pub interface_version: u8,
    /// Whether the answer to a bind says so in sc_interface_version (SMSC). A peer below 3.4 is never told.
    pub announce_version: bool,
    /// `addr_ton` of the bind (ESME).
    pub addr_ton: u8,
    /// `addr_npi` of the bind (ESME).
    pub addr_npi: u8,
    /// `address_range` of the bind (ESME), at most 40 octets.
    pub address_range: String,
    /// Our requests that may wait for an answer at once.
    pub window: u16,
    /// The peer's messages and other requests (submit_multi, query_sm ..) that may wait for our answer at
    /// once; more are refused.
    pub inbound_window: u16,
    /// The status that refuses them. Default ESME_RMSGQFUL, which carriers take as temporary.
    pub inbound_full_status: u32,
    /// Largest PDU taken, in octets, of a bound peer.
    pub max_pdu: u32,
    /// How long our bind may wait for its answer (ESME).
    pub bind_timeout: Duration,
    /// How long the peer may take to bind (SMSC), or to outbind when it connected to us (ESME). The time that
    /// we take to answer its bind is ours. Before that its PDUs may have at most [`FIRST_PDU_MAX`] octets.
    pub session_init_timeout: Duration,
    /// How long a message may wait for its answer; then its outcome is unknown.
    pub response_timeout: Duration,
    /// After how long without a PDU from the peer we send enquire_link. Zero: never.
    pub enquire_link_interval: Duration,
    /// How long to wait for a sign of life after that; two misses close.
    pub enquire_link_timeout: Duration,
    /// After how long without a message or an answer, either way, the session is closed. Zero: never.
    pub inactivity_timeout: Duration,
    /// How long the rest of a PDU may take.
    pub pdu_read_timeout: Duration,
    /// How long our unbind may wait for its answer, and how long open requests may still be answered after
    /// the peer's unbind.
    pub unbind_timeout: Duration,
    /// How long open requests may still be answered before our unbind is sent.
    pub drain_timeout: Duration,
}

/// Largest PDU taken of a peer that is not bound, in octets: a bind has at most 116 by the letter.
pub const FIRST_PDU_MAX: u32 = 256;

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            role: Role::Esme,
            bind: BindKind::Transceiver,
            system_id: String::new(),
            password: String::new(),
            system_type: String::new(),
            interface_version: VERSION_3_4,
            announce_version: true,
            addr_ton: 0,
            addr_npi: 0,
            address_range: String::new(),
            window: 10,
            inbound_window: 100,
            inbound_full_status: CommandStatus::ESME_RMSGQFUL.0,
            max_pdu: MAX_PDU_DEFAULT,
            bind_timeout: Duration::from_secs(10),
            session_init_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            enquire_link_interval: Duration::from_secs(30),
            enquire_link_timeout: Duration::from_secs(10),
            inactivity_timeout: Duration::ZERO,
            pdu_read_timeout: Duration::from_secs(10),
            unbind_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl core::fmt::Debug for SessionConfig {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SessionConfig")
            .field("role", &self.role)
            .field("bind", &self.bind)
            .field("system_id", &self.system_id)
            .field("password", &"[redacted]")
            .field("interface_version", &format_args!("{:#04x}", self.interface_version))
            .field("window", &self.window)
            .field("inbound_window", &self.inbound_window)
            .finish_non_exhaustive()
    }
}
