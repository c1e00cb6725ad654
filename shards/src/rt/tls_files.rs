//! Certificates and keys from the files that the configuration names, read once at the start. Runs
//! on the starting thread; what it makes is shared by all shards.

use std::path::Path;

use anyhow::{Context, Result};
use postrider_core::config::{CarrierConfig, Config, SmppTls};

use super::tls::{Identity, TlsClient, TlsServer};

/// TLS towards one carrier.
#[derive(Clone, Debug)]
pub struct CarrierLink {
    /// Whom we trust and who we are.
    pub client: TlsClient,
    /// The name that its certificate must prove.
    pub name: String,
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// TLS towards each carrier, in the configuration's order; `None` for the plain ones.
///
/// # Errors
/// A file that cannot be read or used, with the carrier's name.
pub(crate) fn carrier_links(
    carriers: &[CarrierConfig],
    before: &[Option<CarrierLink>],
) -> Result<Vec<Option<CarrierLink>>> {
    let link = |(at, carrier): (usize, &CarrierConfig)| match before.get(at) {
        // The files of one that was removed may be gone.
        Some(known) if carrier.retired => Ok(known.clone()),
        _ => carrier_link(carrier).with_context(|| format!("TLS of the carrier {}", carrier.name)),
    };
    carriers.iter().enumerate().map(link).collect()
}

fn carrier_link(carrier: &CarrierConfig) -> Result<Option<CarrierLink>> {
    let Some(tls) = &carrier.profile.tls else { return Ok(None) };
    let authorities = tls.ca_file.as_deref().map(read).transpose()?;
    let chain = tls.client_cert_file.as_deref().map(read).transpose()?;
    let key = tls.client_key_file.as_deref().map(read).transpose()?;
    let identity = chain.as_deref().zip(key.as_deref());
    let identity = identity.map(|(chain, key)| Identity { chain, key });
    let client = TlsClient::new(authorities.as_deref(), identity)?;
    let host = carrier.address.rsplit_once(':').map_or(carrier.address.as_str(), |(host, _)| host);
    let name = tls.server_name.clone().unwrap_or_else(|| host.to_owned());
    Ok(Some(CarrierLink { client, name }))
}
/// Reads every file of certificates and keys that `config` names.
///
/// # Errors
/// The first that cannot be read or used, with where it is named.
pub(crate) fn check_tls(config: &Config) -> Result<()> {
    carrier_links(&config.carriers, &[])?;
    if let Some(tls) = &config.smpp.tls {
        customer_port(tls).context("TLS of the SMPP server")?;
    }
    Ok(())
}

/// The TLS port for customers.
///
/// # Errors
/// A file that cannot be read or used.
pub(crate) fn customer_port(tls: &SmppTls) -> Result<TlsServer> {
    let (chain, key) = (read(&tls.cert_file)?, read(&tls.key_file)?);
    let authorities = tls.client_ca_file.as_deref().map(read).transpose()?;
    let identity = Identity { chain: &chain, key: &key };
    Ok(TlsServer::new(identity, authorities.as_deref())?)
}
