//! A connection to another node's upload API: HTTP/1.1, over TLS where its URL says so. One for each upload; it ends with
//! its upload.

use std::{error::Error, path::PathBuf, sync::Arc};

use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::{body::Frame, client::conn::http1};
use hyper_util::rt::TokioIo;
use pixelfox_node::{config::Problem, tls};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OnceCell,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

/// A request's body, as its pieces come.
pub(super) type Outgoing = StreamBody<ReceiverStream<std::io::Result<Frame<Bytes>>>>;
/// Sends one request; the task moves its bytes, and ends with its handle.
pub(super) type Connection = (http1::SendRequest<Outgoing>, AbortOnDropHandle<()>);

type Failure = Box<dyn Error + Send + Sync>;

/// Connects to nodes. The certificates to trust are read when the first `https://` asks for them.
#[derive(Debug, Default)]
pub(super) struct Dialer {
    tls_ca_file: Option<PathBuf>,
    tls: OnceCell<Arc<tokio_rustls::rustls::ClientConfig>>,
}

impl Dialer {
    pub(super) fn new(tls_ca_file: Option<PathBuf>) -> Self {
        Self { tls_ca_file, tls: OnceCell::new() }
    }

    /// Connects to the node at `url`. The caller limits the time.
    ///
    /// # Errors
    /// Nobody listens there, its certificate is not trusted, or it speaks no HTTP.
    pub(super) async fn dial(&self, url: &Url) -> Result<Connection, Failure> {
        let host = url.host_str().ok_or("its upload URL has no host")?;
        let port = url.port_or_known_default().ok_or("its upload URL has no port")?;
        let stream = TcpStream::connect(format!("{host}:{port}")).await?;
        stream.set_nodelay(true)?;
        if url.scheme() != "https" {
            return shake(stream).await;
        }
        let config = self.tls.get_or_try_init(async || Ok::<_, Problem>(Arc::new(self.trusted()?))).await;
        let config = config.map_err(|problem| problem.to_string())?;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())?;
        shake(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?).await
    }

    fn trusted(&self) -> Result<tokio_rustls::rustls::ClientConfig, Problem> {
        tls::plain_client(self.tls_ca_file.as_deref())
    }
}

async fn shake(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection, Failure> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    Ok((sender, AbortOnDropHandle::new(spawn(async move { drop(connection.await) }))))
}

/// A task whose owner keeps the handle.
#[expect(clippy::disallowed_methods, reason = "the caller keeps the handle and aborts it with the upload")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
    };

    #[tokio::test]
    async fn an_https_node_is_dialed_where_tls_ca_file_vouches_for_it() {
        // A node whose certificate vouches for itself: once with it in the file, once with another one of that name.
        let made = || rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let (mine, other) = (made(), made());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(mine.signing_key.serialize_der().into());
        let acceptor =
            TlsAcceptor::from(Arc::new(config.with_single_cert(vec![mine.cert.der().clone()], key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url: Url = format!("https://localhost:{port}/api/internal/upload").parse().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (name, certificate, trusted) in [("mine", mine.cert.pem(), true), ("other", other.cert.pem(), false)] {
            let file = folder.path().join(name);
            std::fs::write(&file, certificate).unwrap();
            let dialer = Dialer::new(Some(file));
            let node = async {
                let (stream, _) = listener.accept().await.unwrap();
                acceptor.accept(stream).await.is_ok()
            };
            let (dialed, shaken) = tokio::join!(dialer.dial(&url), node);
            assert_eq!((dialed.is_ok(), shaken), (trusted, trusted), "{name}: {:?}", dialed.err());
        }
    }
}
