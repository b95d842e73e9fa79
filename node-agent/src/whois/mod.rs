//! Who is at a URL: asked by `GET /api/internal/identity`, by which a node proves its secret without sending it. Sends no
//! secret of this node's. Must not know what depends on the answer.

mod ask;
mod judge;

use std::{path::PathBuf, time::Duration};

use http::{Method, StatusCode};
use tokio::time::Instant;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use url::Url;

pub use self::ask::{Answer, AskError, Asker};
use crate::{secret::SecretPair, tls};

/// For gRPC to answer, where HTTP did.
const GRPC_WITHIN: Duration = Duration::from_secs(5);

/// Asks for one node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Whois {
    asker: Asker,
    secret: Option<SecretPair>,
    tls_ca_file: Option<PathBuf>,
}

/// Who is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A node.
    Node {
        /// Its NODE_ID, as it says.
        node_id: String,
        /// Its program's version, as it says.
        version: String,
        /// How its secret stands to ours. Its NODE_ID is proven where they are equal.
        secret: SecretMatch,
    },
    /// A PixelFox from before there were nodes that say who they are.
    Older,
    /// Something else that speaks HTTP: what it answered.
    Stranger(String),
    /// Nobody: why.
    Nobody(Silence, String),
}

/// Why nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The host's name is not known here. It may be to others.
    NoSuchName,
    /// No connection, no answer in time, or none that is HTTP.
    NoAnswer,
}

/// How another node's REPLICATION_SECRET stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMatch {
    /// The same.
    Equal,
    /// Another one, but it knows ours as its previous one: it takes what we send.
    AcceptedAsPrevious,
    /// The one that is our previous one: it refuses what we send.
    NotChangedYet,
    /// Another one, or we have none.
    Different,
    /// It has none.
    NotSet,
}

impl Whois {
    /// Compares with `secret`. `tls_ca_file`: certificates for `https` instead of the system's.
    #[must_use]
    pub fn new(secret: Option<SecretPair>, tls_ca_file: Option<PathBuf>) -> Self {
        Self { asker: Asker::new(tls_ca_file.clone()), secret, tls_ca_file }
    }

    /// For other questions to the same places.
    #[must_use]
    pub const fn asker(&self) -> &Asker {
        &self.asker
    }

    /// Who answers at the origin of `url`, within seconds.
    pub async fn at(&self, url: &str) -> Found {
        let Ok(url) = Url::parse(url) else { return judge::nobody(&AskError::Url(url.to_owned())) };
        let mut random = [0; 16];
        if let Err(error) = getrandom::fill(&mut random) {
            return Found::Nobody(Silence::NoAnswer, format!("the system gives no random bytes: {error}"));
        }
        let nonce: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut question = url.clone();
        question.set_path("/api/internal/identity");
        question.set_query(Some(&format!("nonce={nonce}")));
        match self.asker.ask(Method::GET, &question).await {
            Err(error) => judge::nobody(&error),
            Ok(answer) if answer.status == StatusCode::NOT_FOUND && self.is_older(&url).await => Found::Older,
            Ok(answer) => judge::identity(&answer, &nonce, self.secret.as_ref()),
        }
    }

    /// Source: docs/http.md, "GET /api/internal/identity".
    async fn is_older(&self, upload_api_url: &Url) -> bool {
        let present = self.asker.ask(Method::HEAD, upload_api_url).await;
        if !present.is_ok_and(|answer| answer.status == StatusCode::NO_CONTENT) {
            return false;
        }
        let mut ping = upload_api_url.clone();
        ping.set_path("/api/v1/ping");
        self.asker.ask(Method::GET, &ping).await.is_ok_and(|answer| judge::is_pong(&answer))
    }

    /// Whether gRPC gets through to the origin of `url`; else why not. Needs no secret.
    ///
    /// # Errors
    /// A sentence.
    pub async fn speaks_grpc(&self, url: &str) -> Result<(), String> {
        let origin = Url::parse(url).map_err(|error| error.to_string())?.origin().ascii_serialization();
        let mut endpoint = Endpoint::from_shared(origin.clone()).map_err(|error| error.to_string())?;
        endpoint = endpoint.connect_timeout(GRPC_WITHIN).timeout(GRPC_WITHIN);
        if origin.starts_with("https:") {
            let tls = tls::client(self.tls_ca_file.as_deref()).map_err(|problem| problem.to_string())?;
            endpoint = endpoint.tls_config(tls).map_err(|error| error.to_string())?;
        }
        let deadline = Instant::now() + 2 * GRPC_WITHIN;
        let check = async {
            let channel = endpoint.connect().await.map_err(|error| chain(&error))?;
            let checked = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
            checked.map(drop).map_err(|status| crate::coordinator::chain(&status))
        };
        tokio::time::timeout_at(deadline, check).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

/// An error's sentence with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
