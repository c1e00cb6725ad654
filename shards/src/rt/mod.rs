//! The driver layer: the only part of the shards that knows which runtime runs them. One runtime
//! per shard's thread; everything here but [`Clock`] and [`Doorbell`] stays on that thread.
//!
//! Machines above this layer are synchronous; its tasks only carry octets and time. Rules that
//! every function here keeps: a read or an accept is never cancelled (a time-out closes the
//! socket, and that ends the read); no borrow lives across an await; every wait has an end.

mod blocking;
mod clock;
mod deadline;
mod doorbell;
mod facts;
pub mod http;
mod link;
mod local;
mod net;
mod runtime;
mod thread;
mod tls;
mod tls_files;

pub use blocking::blocking;
pub use clock::{Clock, ShardClock, process_cpu, thread_cpu};
pub use doorbell::{Doorbell, DrainPolicy};
pub use facts::{Facts, facts, memlock_per_ring, raise_memlock};
pub use link::{Link, LinkEnd, Outbox, Stream};
pub use local::{Notified, Notify, Receiver, Sender, Stop, Stopped, oneshot, yield_now};
pub use net::{Listener, TcpStream, connect, listen, resolve};
pub use runtime::{
    Driver, DriverKind, Runtime, RuntimeOptions, StartError, build, sleep, sleep_until, spawn,
    timeout,
};
pub use thread::thread;
pub use tls::{Identity, TlsClient, TlsError, TlsServer, TlsStream};
pub use tls_files::CarrierLink;
pub(crate) use tls_files::{carrier_links, check_tls, customer_port};
