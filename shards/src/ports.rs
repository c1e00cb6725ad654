//! What a shard listens on: HTTP and SMPP for customers, outbinds of carriers. Every shard opens
//! its own sockets on the same ports, and the kernel spreads connections over them.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result};
use postrider_core::config::Config;
use postrider_core::limits;
use postrider_core::route::CarrierIx;

use crate::edge::Edge;
use crate::node::Node;
use crate::rt::http::{HttpLimits, serve_connection};
use crate::rt::{self, Listener, Stop, TlsServer};
use crate::stats::{Counter, Gauge, Stats};

/// The ports of a gateway, the same for every shard.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) http: SocketAddr,
    pub(crate) smpp: Option<SocketAddr>,
    pub(crate) smpp_tls: Option<(SocketAddr, TlsServer)>,
}

/// Ports that the system chose, held until every shard listens on them.
pub(crate) type Held = Vec<Listener>;

impl Ports {
    /// The ports of a configuration; a port 0 becomes one that is free.
    ///
    /// # Errors
    /// A port that cannot be had, a certificate that cannot be used.
    pub(crate) fn reserve(config: &Config) -> Result<(Ports, Held)> {
        let mut held = Held::new();
        let mut reserve = |address: SocketAddr| -> Result<SocketAddr> {
            if address.port() != 0 {
                return Ok(address);
            }
            let listener = listen(address)?;
            let chosen = listener.local_addr()?;
            held.push(listener);
            Ok(chosen)
        };
        let http = reserve(config.server.listen)?;
        let smpp = config.smpp.listen.map(&mut reserve).transpose()?;
        let smpp_tls = match &config.smpp.tls {
            Some(tls) => Some((reserve(tls.listen)?, rt::customer_port(tls)?)),
            None => None,
        };
        Ok((Ports { http, smpp, smpp_tls }, held))
    }

    /// Opens this shard's sockets.
    ///
    /// # Errors
    /// The system's refusal.
    pub(crate) fn open(self, node: &Node) -> Result<OpenPorts> {
        let outbinds = node.outbind_listeners().into_iter();
        Ok(OpenPorts {
            http: listen(self.http)?,
            smpp: self.smpp.map(listen).transpose()?,
            smpp_tls: match self.smpp_tls {
                Some((address, tls)) => Some((listen(address)?, tls)),
                None => None,
            },
            outbinds: outbinds
                .map(|(carrier, address)| Ok((carrier, address, listen(address)?)))
                .collect::<Result<_>>()?,
        })
    }
}

fn listen(address: SocketAddr) -> Result<Listener> {
    rt::listen(address, true).with_context(|| format!("cannot listen on {address}"))
}

/// One shard's sockets.
pub(crate) struct OpenPorts {
    http: Listener,
    smpp: Option<Listener>,
    smpp_tls: Option<(Listener, TlsServer)>,
    outbinds: Vec<(CarrierIx, SocketAddr, Listener)>,
}

/// Where one shard listens for carriers that connect to us: each until it is given up.
#[derive(Default)]
pub(crate) struct OutbindPorts {
    open: RefCell<Vec<(CarrierIx, SocketAddr, Stop)>>,
    closed: Cell<bool>,
}

impl OutbindPorts {
    /// Opens the ports that the node's configuration says, and gives up the others.
    pub(crate) fn fit(&self, node: &Rc<Node>) {
        let wanted = node.outbind_listeners();
        let is_wanted = |carrier, address| wanted.contains(&(carrier, address));
        self.open.borrow_mut().retain(|(carrier, address, stop)| {
            let stays = is_wanted(*carrier, *address);
            if !stays {
                stop.stop();
            }
            stays
        });
        for (carrier, address) in wanted {
            let is_this =
                |(own, at, _): &(CarrierIx, SocketAddr, Stop)| (*own, *at) == (carrier, address);
            if self.closed.get() || self.open.borrow().iter().any(is_this) {
                continue;
            }
            match listen(address) {
                Ok(listener) => self.serve(node, (carrier, address, listener)),
                Err(error) => tracing::error!("outbinds of a carrier: {error:#}"),
            }
        }
    }

    fn serve(
        &self,
        node: &Rc<Node>,
        (carrier, address, listener): (CarrierIx, SocketAddr, Listener),
    ) {
        let stop = Stop::new();
        self.open.borrow_mut().push((carrier, address, stop.clone()));
        rt::spawn(serve_outbinds(listener, carrier, Rc::clone(node), stop));
    }

    /// Gives up every port for good.
    fn close(&self) {
        self.closed.set(true);
        for (_, _, stop) in self.open.take() {
            stop.stop();
        }
    }
}

impl OpenPorts {
    /// Accepts connections until `quit`; those that are open go on.
    ///
    /// # Errors
    /// When HTTP cannot be served.
    pub(crate) async fn serve(
        self,
        node: Rc<Node>,
        edge: Rc<Edge>,
        stats: Arc<Stats>,
        quit: Stop,
    ) -> Result<()> {
        if let Some(listener) = self.smpp {
            rt::spawn(serve_smpp(listener, Rc::clone(&node), quit.clone()));
        }
        if let Some((listener, tls)) = self.smpp_tls {
            rt::spawn(serve_smpp_tls(listener, tls, Rc::clone(&node), quit.clone()));
        }
        for opened in self.outbinds {
            node.outbind_ports().serve(&node, opened);
        }
        let served = serve_http(self.http, edge, stats, quit).await;
        node.outbind_ports().close();
        served
    }
}

/// Accepts customers' SMPP connections until `quit`.
async fn serve_smpp(listener: Listener, node: Rc<Node>, quit: Stop) {
    let on_accept = move |stream: rt::TcpStream, peer| {
        rt::spawn(Rc::clone(&node).serve_customer(stream.into(), peer));
    };
    note(listener.accept_loop(on_accept, &quit).await, "customers over SMPP");
}

/// As `serve_smpp`, through TLS. Handshakes are bounded in number and time.
async fn serve_smpp_tls(listener: Listener, tls: TlsServer, node: Rc<Node>, quit: Stop) {
    let shaking = Rc::new(Cell::new(0usize));
    let on_accept = move |stream, peer| {
        if shaking.get() >= limits::TLS_HANDSHAKES_PER_SHARD {
            return;
        }
        shaking.set(shaking.get() + 1);
        let (tls, node, shaking) = (tls.clone(), Rc::clone(&node), Rc::clone(&shaking));
        rt::spawn(async move {
            let opened = tls.accept(stream, limits::TLS_HANDSHAKE_LIMIT).await;
            shaking.set(shaking.get() - 1);
            match opened {
                Ok(stream) => node.serve_customer(stream.into(), peer).await,
                Err(error) => tracing::debug!(%error, "a TLS handshake over SMPP failed"),
            }
        });
    };
    note(listener.accept_loop(on_accept, &quit).await, "customers over SMPP with TLS");
}

/// Accepts a carrier's connections until `quit`.
async fn serve_outbinds(listener: Listener, carrier: CarrierIx, node: Rc<Node>, quit: Stop) {
    let on_accept = move |stream, _| rt::spawn(Rc::clone(&node).serve_outbind(carrier, stream));
    note(listener.accept_loop(on_accept, &quit).await, "a carrier's outbinds");
}

fn note(served: std::io::Result<()>, whom: &str) {
    if let Err(error) = served {
        tracing::error!(%error, "cannot accept {whom}");
    }
}

/// Accepts connections until `quit`.
async fn serve_http(
    listener: Listener,
    edge: Rc<Edge>,
    stats: Arc<Stats>,
    quit: Stop,
) -> Result<()> {
    let limits = Rc::new(http_limits());
    let handler = Rc::new(move |request| {
        let edge = Rc::clone(&edge);
        async move { edge.answer(request).await }
    });
    let open = Rc::new(Cell::new(0usize));
    let shutdown = quit.clone();
    let on_accept = move |stream, _peer| {
        if open.get() >= limits::HTTP_CONNECTIONS_PER_SHARD {
            stats.inc(Counter::HttpConnectionsRefused);
            return;
        }
        stats.inc(Counter::HttpConnections);
        open.set(open.get() + 1);
        stats.set(Gauge::HttpConnectionsOpen, u64::try_from(open.get()).unwrap_or(u64::MAX));
        let (limits, handler) = (Rc::clone(&limits), Rc::clone(&handler));
        let (open, shutdown) = (Rc::clone(&open), shutdown.clone());
        let stats = Arc::clone(&stats);
        rt::spawn(async move {
            let end = serve_connection(stream, &limits, handler, &shutdown).await;
            tracing::trace!(?end, "connection ended");
            open.set(open.get() - 1);
            stats.set(Gauge::HttpConnectionsOpen, u64::try_from(open.get()).unwrap_or(u64::MAX));
        });
    };
    listener.accept_loop(on_accept, &quit).await?;
    Ok(())
}

fn http_limits() -> HttpLimits {
    HttpLimits {
        max_body: limits::MAX_BODY_BYTES,
        max_headers: limits::MAX_HEADERS,
        header_deadline: limits::HTTP_HEAD_TIMEOUT,
        body_deadline: limits::HTTP_BODY_TIMEOUT,
        keep_alive: limits::HTTP_IDLE_TIMEOUT,
        ..HttpLimits::default()
    }
}
