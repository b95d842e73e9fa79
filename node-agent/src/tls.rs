//! Whom this node trusts when it dials `https://`. Must not know whom it dials.

use std::{path::Path, sync::Arc};

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};
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

/// The same for plain HTTP/1.1.
///
/// # Errors
/// A [`Problem`] that names the file, or that this machine has no certificates to trust.
pub fn plain_client(ca_file: Option<&Path>) -> Result<ClientConfig, Problem> {
    let problem = |message: String| Problem { variable: "TLS_CA_FILE".into(), message };
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(file) => {
            let content = read_certificates(file)?;
            let unreadable = |error: &dyn std::fmt::Display| problem(format!("{}: {error}", file.display()));
            for certificate in CertificateDer::pem_slice_iter(&content) {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| problem(error.to_string()))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}
