//! Whom this node trusts when it dials `https://`. Must not know whom it dials.

use std::path::Path;

use tonic::transport::{Certificate, ClientTlsConfig};

use crate::config::{Problem, read_certificates};

/// The certificates of `ca_file` (`TLS_CA_FILE`), else those of the system.
///
/// # Errors
/// A [`Problem`] that names the file.
pub fn client(ca_file: Option<&Path>) -> Result<ClientTlsConfig, Problem> {
    let tls = ClientTlsConfig::new();
    Ok(match ca_file {
        Some(file) => tls.ca_certificate(Certificate::from_pem(read_certificates(file)?)),
        None => tls.with_native_roots(),
    })
}
