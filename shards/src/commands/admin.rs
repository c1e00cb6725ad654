//! One request to a running gateway's admin port, for the commands that ask it for something. On the
//! main thread.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use super::config_file::load;

/// How long the gateway may take for one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Octets of an answer.
const ANSWER_MAX: u64 = 16 << 20;

/// Which gateway.
#[derive(Debug, clap::Args)]
pub(super) struct Gateway {
    /// The configuration file of the gateway that runs on this machine
    #[arg(long, value_name = "FILE", required_unless_present = "admin")]
    config: Option<PathBuf>,
    /// Its admin port instead
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
}

impl Gateway {
    /// The one at this admin port.
    pub(super) fn at(address: SocketAddr) -> Self {
        Gateway { config: None, admin: Some(address) }
    }

    fn address(&self) -> Result<SocketAddr> {
        match (self.admin, &self.config) {
            (Some(address), _) => Ok(address),
            (None, Some(file)) => Ok(load(file)?.server.admin_listen),
            (None, None) => bail!("give --config or --admin"),
        }
    }

    /// Asks, and gives the answer's status and document.
    ///
    /// # Errors
    /// When there is no answer, or none in JSON.
    pub(super) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value)> {
        let address = self.address()?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
            .with_context(|| format!("no gateway answers on {address}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.take(ANSWER_MAX).read_to_string(&mut answer)?;
        let (head, document) =
            answer.split_once("\r\n\r\n").ok_or_else(|| anyhow!("{address} does not answer"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| anyhow!("{address} does not speak HTTP"))?;
        let document = serde_json::from_str(document)
            .with_context(|| format!("{address} answers {status}, and not in JSON"))?;
        Ok((status, document))
    }

    /// The same, when nothing but a success will do.
    ///
    /// # Errors
    /// As [`Gateway::ask`], and what the gateway says when it refuses.
    pub(super) fn demand(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let (status, document) = self.ask(method, path, body)?;
        if (200..300).contains(&status) {
            return Ok(document);
        }
        let why = document.get("error").and_then(Value::as_str).unwrap_or("it does not say why");
        bail!("the gateway refuses ({status}): {why}")
    }
}
