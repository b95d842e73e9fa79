//! One question to an HTTP server and its answer: HTTP/1.1, no redirects followed, limits on time and size. It sends
//! nothing that is secret.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use url::{Host, Url};

use crate::{config::Problem, tls};

/// From the name to the end of the answer.
const WITHIN: Duration = Duration::from_secs(5);
/// For the name: a name service that does not answer does not know it.
const NAME_WITHIN: Duration = Duration::from_secs(3);
/// Of an answer; no question here has a longer one.
const MOST_BYTES: usize = 64 << 10;
const USER_AGENT: &str = concat!("PixelFox/", env!("CARGO_PKG_VERSION"));

/// Asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Asker {
    tls_ca_file: Option<PathBuf>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it worked.
    pub status: StatusCode,
    /// Where it sends a browser instead.
    pub location: Option<String>,
    /// All of it.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No server can be there.
    #[error("`{0}` is no URL of a server")]
    Url(String),
    /// The name service of this machine does not have the host.
    #[error("the name {0} is not known here")]
    Name(String, #[source] io::Error),
    /// Nobody listens.
    #[error("could not connect to {0}")]
    Connect(String, #[source] io::Error),
    /// No connection with a certificate that is trusted here.
    #[error("could not make a TLS connection to {0}")]
    Tls(String, #[source] io::Error),
    /// The certificates to trust can't be read.
    #[error("{0}")]
    Certificates(Problem),
    /// What came back is not HTTP, or too much, or broke off.
    #[error("{0} gives no answer that is HTTP")]
    Http(String, #[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("{0} does not answer within {seconds} s", seconds = WITHIN.as_secs())]
    Slow(String),
}

impl AskError {
    /// The sentence with its causes.
    #[must_use]
    pub fn in_full(&self) -> String {
        super::chain(self)
    }
}

impl Asker {
    /// `tls_ca_file`: certificates for `https` instead of the system's.
    #[must_use]
    pub fn new(tls_ca_file: Option<PathBuf>) -> Self {
        Self { tls_ca_file }
    }

    /// Sends `method` to `url`, without a body.
    ///
    /// # Errors
    /// [`AskError`], after five seconds at the latest.
    pub async fn ask(&self, method: Method, url: &Url) -> Result<Answer, AskError> {
        let place = place(url)?;
        timeout(WITHIN, self.dial(method, url, &place)).await.unwrap_or(Err(AskError::Slow(place)))
    }

    async fn dial(&self, method: Method, url: &Url, place: &str) -> Result<Answer, AskError> {
        let stream = connect(url, place).await?;
        if url.scheme() != "https" {
            return exchange(stream, method, url, place).await;
        }
        let failed = |cause| AskError::Tls(place.to_owned(), cause);
        let config = tls::plain_client(self.tls_ca_file.as_deref()).map_err(AskError::Certificates)?;
        let name = ServerName::try_from(url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
        exchange(stream, method, url, place).await
    }
}

/// Host and port, for sentences.
fn place(url: &Url) -> Result<String, AskError> {
    let is_web = matches!(url.scheme(), "http" | "https");
    let parts = (url.host_str(), url.port_or_known_default());
    let (true, (Some(host), Some(port))) = (is_web, parts) else { return Err(AskError::Url(url.to_string())) };
    Ok(format!("{host}:{port}"))
}

/// To the first address that takes it.
async fn connect(url: &Url, place: &str) -> Result<TcpStream, AskError> {
    let unknown = |cause| AskError::Name(place.to_owned(), cause);
    let port = url.port_or_known_default().unwrap_or(80);
    let addresses: Vec<_> = match url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        Some(Host::Domain(name)) => match timeout(NAME_WITHIN, lookup_host((name, port))).await {
            Ok(found) => found.map_err(unknown)?.collect(),
            Err(_) => return Err(unknown(io::ErrorKind::TimedOut.into())),
        },
        None => return Err(AskError::Url(url.to_string())),
    };
    TcpStream::connect(addresses.as_slice()).await.map_err(|cause| AskError::Connect(place.to_owned(), cause))
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    method: Method,
    url: &Url,
    place: &str,
) -> Result<Answer, AskError> {
    let failed = |cause: Box<dyn std::error::Error + Send + Sync>| AskError::Http(place.to_owned(), cause);
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(error.into()))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(e.into()))?;
    let talk = async {
        let (head, body) = sender.send_request(request).await.map_err(|e| failed(e.into()))?.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await.map_err(failed)?.to_bytes();
        let location = head.headers.get(header::LOCATION).and_then(|place| place.to_str().ok()).map(str::to_owned);
        Ok(Answer { status: head.status, location, body })
    };
    // The connection works while the talk waits; how it ends, the talk hears.
    let carry = async {
        drop(connection.await);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = talk => answer,
        () = carry => unreachable!("it waits for ever"),
    }
}
