//! HTTP/1.1 on a shard: hyper over this layer's sockets, a server edge and a webhook client.
//! Connections live on the shard that accepted or opened them.

mod client;
mod guard;
mod io;
mod server;
mod tls;

pub use client::{Answer, ClientLimits, HttpClient};
pub use server::{
    BodyError, ConnectionEnd, HttpLimits, HttpRequest, HttpResponse, serve_connection,
};
