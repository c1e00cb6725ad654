//! Command statuses (3.4 section 5.1.3, 5.0 section 4.7.6), their classes, and the one place that decides
//! what to do with each. Pure data, lives nowhere.

/// A command status as it stands on the wire; any value is representable.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CommandStatus(pub u32);

impl CommandStatus {
    /// The status itself, or ESME_RINVCMDID for ESME_ROK: a success that answers another command is none.
    pub(crate) const fn or_invalid_command(self) -> Self {
        match self {
            Self::ESME_ROK => Self::ESME_RINVCMDID,
            _ => self,
        }
    }
}

impl core::fmt::Display for CommandStatus {
    /// The name and the number, as operators look it up.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (0x{:08X})", self.name().unwrap_or("unknown status"), self.0)
    }
}

/// What kind of refusal a status is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum StatusClass {
    /// Accepted.
    Ok,
    /// Rate too high: the message returns to the head of its queue and the bind pauses.
    Throttled,
    /// The carrier's queue is full.
    QueueFull,
    /// Temporary trouble with this message at this carrier.
    Temporary,
    /// This carrier refuses this message; another may take it. Also every unknown value.
    OtherCarrier,
    /// Wrong everywhere.
    Permanent,
    /// Our profile of this carrier is wrong.
    Config,
    /// A protocol error, theirs or ours.
    Bug,
    /// Not in the right session state.
    Session,
    /// An answer to a bind.
    Bind,
    /// Concerns query, cancel, replace, lists or broadcast, not the message.
    Operation,
}

/// What a [`Verdict::RetryLater`] pauses.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Pause {
    /// The whole bind pauses, at least 1 s, and its rate is lowered. No attempt of the message.
    BindThrottled,
    /// All binds with the carrier pause, 2 s and doubling up to 60 s. No attempt of the message.
    CarrierFull,
    /// This message alone waits.
    Message {
        /// How often at most it is tried again at this carrier; then [`Verdict::TryOther`] holds.
        retries: u8,
    },
}

/// What to do with a message after its submission was answered.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The carrier has taken it.
    Done,
    /// Try the same carrier, and the same bind, again after a pause.
    RetryLater {
        /// What has to pause.
        pause: Pause,
    },
    /// Put it back to the head of its queue and bind anew: the peer does not take us for bound.
    Rebind,
    /// Try the next carrier.
    TryOther {
        /// An operator has to know: our profile of the carrier is wrong, or one side breaks the protocol.
        alarm: bool,
    },
    /// Final failure.
    Reject,
}

/// Tries again at the same carrier after [`StatusClass::Temporary`].
const TEMPORARY_RETRIES: u8 = 3;

impl StatusClass {
    /// What to do with a message that was answered with a status of this class, for carriers whose statuses
    /// mean something else than the specifications say.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Ok => Verdict::Done,
            Self::Throttled => Verdict::RetryLater { pause: Pause::BindThrottled },
            Self::QueueFull => Verdict::RetryLater { pause: Pause::CarrierFull },
            Self::Temporary => {
                Verdict::RetryLater { pause: Pause::Message { retries: TEMPORARY_RETRIES } }
            }
            Self::Session => Verdict::Rebind,
            Self::Config | Self::Bug => Verdict::TryOther { alarm: true },
            Self::OtherCarrier | Self::Bind | Self::Operation => Verdict::TryOther { alarm: false },
            Self::Permanent => Verdict::Reject,
        }
    }
}

macro_rules! statuses {
    ($($name:ident = $value:literal, $class:ident;)*) => {
        impl CommandStatus {
            $(
                #[doc = concat!("`", stringify!($name), "`, ", stringify!($value), ".")]
                pub const $name: CommandStatus = CommandStatus($value);
            )*

            /// Every status of the specifications, ascending.
            pub const ALL: &'static [CommandStatus] = &[$(CommandStatus::$name),*];

            /// The name in 3.4 (in 5.0 for what only 5.0 has), or `None` for an unknown value.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// The class; an unknown or vendor value is [`StatusClass::OtherCarrier`].
            pub const fn class(self) -> StatusClass {
                match self.0 {
                    $($value => StatusClass::$class,)*
                    _ => StatusClass::OtherCarrier,
                }
            }
        }
    };
}

statuses! {
    ESME_ROK = 0x0, Ok;
    ESME_RINVMSGLEN = 0x1, Bug;
    ESME_RINVCMDLEN = 0x2, Bug;
    ESME_RINVCMDID = 0x3, Bug;
    ESME_RINVBNDSTS = 0x4, Session;
    ESME_RALYBND = 0x5, Bind;
    ESME_RINVPRTFLG = 0x6, Config;
    ESME_RINVREGDLVFLG = 0x7, Config;
    ESME_RSYSERR = 0x8, Temporary;
    ESME_RINVSRCADR = 0xA, OtherCarrier;
    ESME_RINVDSTADR = 0xB, OtherCarrier;
    ESME_RINVMSGID = 0xC, Operation;
    ESME_RBINDFAIL = 0xD, Bind;
    ESME_RINVPASWD = 0xE, Bind;
    ESME_RINVSYSID = 0xF, Bind;
    ESME_RCANCELFAIL = 0x11, Operation;
    ESME_RREPLACEFAIL = 0x13, Operation;
    ESME_RMSGQFUL = 0x14, QueueFull;
    ESME_RINVSERTYP = 0x15, Config;
    ESME_RINVNUMDESTS = 0x33, Bug;
    ESME_RINVDLNAME = 0x34, Config;
    ESME_RINVDESTFLAG = 0x40, Bug;
    ESME_RINVSUBREP = 0x42, Config;
    ESME_RINVESMCLASS = 0x43, Config;
    ESME_RCNTSUBDL = 0x44, Operation;
    ESME_RSUBMITFAIL = 0x45, OtherCarrier;
    ESME_RINVSRCTON = 0x48, Config;
    ESME_RINVSRCNPI = 0x49, Config;
    ESME_RINVDSTTON = 0x50, Config;
    ESME_RINVDSTNPI = 0x51, Config;
    ESME_RINVSYSTYP = 0x53, Bind;
    ESME_RINVREPFLAG = 0x54, Config;
    ESME_RINVNUMMSGS = 0x55, Config;
    ESME_RTHROTTLED = 0x58, Throttled;
    ESME_RINVSCHED = 0x61, Config;
    ESME_RINVEXPIRY = 0x62, Config;
    ESME_RINVDFTMSGID = 0x63, Config;
    ESME_RX_T_APPN = 0x64, Temporary;
    ESME_RX_P_APPN = 0x65, OtherCarrier;
    ESME_RX_R_APPN = 0x66, OtherCarrier;
    ESME_RQUERYFAIL = 0x67, Operation;
    ESME_RINVOPTPARSTREAM = 0xC0, Bug;
    ESME_ROPTPARNOTALLWD = 0xC1, Config;
    ESME_RINVPARLEN = 0xC2, Bug;
    ESME_RMISSINGOPTPARAM = 0xC3, Config;
    ESME_RINVOPTPARAMVAL = 0xC4, Config;
    ESME_RDELIVERYFAILURE = 0xFE, Permanent;
    ESME_RUNKNOWNERR = 0xFF, Temporary;
    ESME_RSERTYPUNAUTH = 0x100, Config;
    ESME_RPROHIBITED = 0x101, OtherCarrier;
    ESME_RSERTYPUNAVAIL = 0x102, Temporary;
    ESME_RSERTYPDENIED = 0x103, OtherCarrier;
    ESME_RINVDCS = 0x104, Config;
    ESME_RINVSRCADDRSUBUNIT = 0x105, Config;
    ESME_RINVDSTADDRSUBUNIT = 0x106, Config;
    ESME_RINVBCASTFREQINT = 0x107, Operation;
    ESME_RINVBCASTALIAS_NAME = 0x108, Operation;
    ESME_RINVBCASTAREAFMT = 0x109, Operation;
    ESME_RINVNUMBCAST_AREAS = 0x10A, Operation;
    ESME_RINVBCASTCNTTYPE = 0x10B, Operation;
    ESME_RINVBCASTMSGCLASS = 0x10C, Operation;
    ESME_RBCASTFAIL = 0x10D, Operation;
    ESME_RBCASTQUERYFAIL = 0x10E, Operation;
    ESME_RBCASTCANCELFAIL = 0x10F, Operation;
    ESME_RINVBCAST_REP = 0x110, Operation;
    ESME_RINVBCASTSRVGRP = 0x111, Operation;
    ESME_RINVBCASTCHANIND = 0x112, Operation;
}

impl CommandStatus {
    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|status| status.name() == Some(name)).copied()
    }
}

/// What to do with a message that was answered with `status`: what its class says, but for two catch-alls
/// that are worth fewer tries.
///
/// Statuses that make no sense as the answer to a submission (of a bind, of a query) are taken as
/// a refusal by this carrier alone.
pub const fn verdict(status: CommandStatus) -> Verdict {
    match status {
        // Some carriers say so when the window is exceeded.
        CommandStatus::ESME_RSUBMITFAIL => {
            Verdict::RetryLater { pause: Pause::Message { retries: 1 } }
        }
        CommandStatus::ESME_RUNKNOWNERR => {
            Verdict::RetryLater { pause: Pause::Message { retries: 2 } }
        }
        _ => status.class().verdict(),
    }
}
