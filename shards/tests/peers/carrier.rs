//! npm's smpp as a carrier (`programs/node_carrier.js`): a child that answers binds and submits,
//! sends receipts, and tells what it reads.
//!
//! It tells `listening` {port}; `bind` {command, system_id, system_type, interface_version, refused};
//! `submit` {id, from, to: [ton, npi, address], esm_class, registered_delivery, data_coding, udh,
//! text, sar, in_payload, ..}; `receipt_answered` {id, status}; `enquired` {status} for each receipt;
//! the name of any other request that it got; `closed`. The order {do: command, fields} sends a
//! request on a bind that may receive; its answer is told as `answered` {command, status}. The order
//! {do: outbind, port, fields} connects to a port and asks to be bound to.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::{Peer, script};
use crate::common::local;

/// The runtime that the script needs.
pub(crate) const NODE: &str = "node-smpp";

/// Starts one with {password, interface_version, refuse: the status for a wrong password}.
pub(crate) fn node_carrier(folder: &Path, settings: &Value) -> (Peer, SocketAddr) {
    let mut command = script(NODE, "node_carrier.js");
    command.arg(settings.to_string());
    let mut carrier = Peer::start("carrier", folder, command);
    let port = carrier.next("listening")["port"].as_u64().unwrap();
    (carrier, local(u16::try_from(port).unwrap()))
}
