//! The values of fields, typed: kinds of numbers and addresses, esm_class, registered_delivery, times. Every
//! type holds any octet of the wire; what the specifications do not name has no name. Pure, lives nowhere.

mod congestion;
mod esm_class;
mod names;
mod registered_delivery;
mod time;

pub use congestion::{Congestion, Load};
pub use esm_class::{EsmClass, MessageMode, MessageType};
pub use names::{MessageState, Names, Npi, Ton};
pub use registered_delivery::{ReceiptRequest, RegisteredDelivery, SmeAcknowledgement};
pub use time::{AbsoluteTime, RelativeTime, SmppTime};
pub(crate) use time::{TIME_LEN, days_in};
