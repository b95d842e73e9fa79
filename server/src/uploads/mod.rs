//! Uploads that come to the server: whose they are, how many there may be, which pool takes them, and the way there.
//! Streamed on as they come, so that memory does not grow with a file and nothing is copied to this server's disk.
//! Must not know routes or pages.

mod connect;
mod forward;
mod places;
mod silent;
mod through;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use http::HeaderMap;
use pixelfox_node::{
    http::{RequestBody, trace_of},
    metrics::{self, Taken},
    node::Door,
    rate::{Payer, RateLimits},
    secret::SecretPair,
};
use pixelfox_proto::{Claims, Fault, FaultKind, NodeId, VisitorId};
use serde_json::Value;

use crate::{
    access,
    catalog::{AccountName, ApiKey, Settings},
    clock,
    sessions::Sessions,
    store::Store,
};

use connect::Dialer;
use silent::Silent;
use through::Reception;

/// How long the token of a session is valid. Source: docs/http.md, "The upload token".
const TOKEN_SECONDS: i64 = 30 * 60;

/// What the room works with.
pub struct Parts {
    /// The books.
    pub store: Store,
    /// Which pools are there, and how they are.
    pub sessions: Arc<Sessions>,
    /// The node in this process.
    pub node_id: NodeId,
    /// Its way in.
    pub door: Door,
    /// `UPLOAD_TOKEN_SECRET`; `None`: only the pools of this process take uploads, and there are no sessions.
    pub secret: Option<SecretPair>,
    /// `TLS_CA_FILE`.
    pub tls_ca_file: Option<PathBuf>,
}

/// The ways in for uploads. Cheap to clone.
#[derive(Clone)]
pub struct Uploads {
    parts: Arc<Parts>,
    dialer: Arc<Dialer>,
    silent: Arc<Silent>,
}

/// Whose an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A user's: of a key or an account.
    User(u64),
    /// Nobody's, of a cookie session where there is one.
    Visitor(Option<VisitorId>),
}

/// Who asks for leave to upload straight to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// The upload page: its leave ends where the settings take it back.
    Page,
    /// A program with a key.
    Program,
}

/// Leave to upload straight to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where to.
    pub upload_url: String,
    /// With which token. Never log it.
    pub token: String,
    /// Into which pool.
    pub pool_id: u64,
    /// Last Unix second of the token.
    pub expires_at: i64,
    /// Largest file in bytes.
    pub max_bytes: u64,
}

impl Owner {
    const fn user_id(self) -> u64 {
        match self {
            Self::User(id) => id,
            Self::Visitor(_) => 0,
        }
    }

    const fn visitor(self) -> Option<VisitorId> {
        match self {
            Self::User(_) => None,
            Self::Visitor(visitor) => visitor,
        }
    }

    /// The claims of a token of this owner, without its pool and its limits.
    const fn claims(self) -> Claims {
        Claims {
            user_id: self.user_id(),
            pool_id: 0,
            max_bytes: 0,
            exp: 0,
            via: None,
            visitor: self.visitor(),
            settings: None,
        }
    }
}

impl Uploads {
    /// With these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let dialer = Arc::new(Dialer::new(parts.tls_ca_file.clone()));
        Self { parts: Arc::new(parts), dialer, silent: Arc::default() }
    }

    /// An upload through the app has ended.
    pub fn count(&self, taken: Taken) {
        self.parts.door.uploads.ended(metrics::Door::App, taken);
    }

    /// The key that a request must have.
    ///
    /// # Errors
    /// 401 without one, and for one that is unknown or was revoked.
    pub async fn key(&self, headers: &HeaderMap) -> Result<ApiKey, Fault> {
        self.offered_key(headers).await?.ok_or_else(|| Fault::unauthorized("Missing API key"))
    }

    /// Whose an upload with these headers is: the key's user, else that of the account that is signed in, else a visitor
    /// where visitors may upload.
    ///
    /// # Errors
    /// 401 for a bad key, or without key and account where visitors may not upload.
    pub async fn owner(&self, headers: &HeaderMap, signed_in: Option<AccountName>) -> Result<Owner, Fault> {
        if let Some(key) = self.offered_key(headers).await? {
            return Ok(Owner::User(key.user_id));
        }
        match signed_in {
            Some(account) => Ok(Owner::User(self.parts.store.user_of(account).await?)),
            None if self.settings().await?.public_uploads => Ok(Owner::Visitor(access::visitor_of(headers))),
            None => Err(Fault::unauthorized("uploads need an API key or a login here").with_hint(
                "send it as X-API-Key; the operator makes keys, and can allow uploads without one by the setting \
                 public_uploads",
            )),
        }
    }

    /// The settings as they are now.
    ///
    /// # Errors
    /// The books can't be read.
    pub async fn settings(&self) -> Result<Settings, Fault> {
        Ok(self.parts.store.settings().await?)
    }

    /// Leave for `owner` to upload a file of `size` bytes straight to the best pool's node. A larger file than
    /// allowed gets leave for the most that is allowed.
    ///
    /// # Errors
    /// 503 where no pool has room, or no token can be made.
    pub async fn offer(&self, owner: Owner, asker: Asker, size: u64) -> Result<Offer, Fault> {
        let no_secret = || {
            Fault::unavailable("upload sessions are closed: no UPLOAD_TOKEN_SECRET is set")
                .with_hint("set the same UPLOAD_TOKEN_SECRET on the server and on every node")
        };
        let secret = self.parts.secret.as_ref().ok_or_else(no_secret)?;
        let settings = self.settings().await?;
        let max_bytes = settings.upload_max_bytes;
        let places = places::best_first(&self.parts, &settings, size.min(max_bytes)).await.map_err(not_now)?;
        let place = places.first().ok_or_else(|| Fault::unavailable("no pool has room for this file"))?;
        let expires_at = pixelfox_node::clock::unix_seconds().saturating_add(TOKEN_SECONDS);
        let of_page = (asker == Asker::Page).then_some(settings.revision);
        let claims =
            Claims { pool_id: place.pool.get(), max_bytes, exp: expires_at, settings: of_page, ..owner.claims() };
        Ok(Offer {
            upload_url: format!("{}/api/v1/upload", place.public_base_url),
            token: claims.mint(secret.reveal().as_bytes()),
            pool_id: claims.pool_id,
            expires_at,
            max_bytes,
        })
    }

    /// Takes the form in `body` in for `owner`: counted, checked, streamed on to the best pool that takes it.
    /// What comes back is the answer's JSON. After an error the body is to be drained.
    ///
    /// # Errors
    /// Every refusal of the contract; nothing is stored then.
    pub async fn through(
        &self,
        owner: Owner,
        headers: &HeaderMap,
        address: IpAddr,
        body: &RequestBody,
    ) -> Result<Value, Fault> {
        let settings = self.settings().await?;
        let limits =
            RateLimits { per_ip: settings.upload_rate_limit_per_ip, per_user: settings.upload_rate_limit_per_user };
        let door = &self.parts.door;
        door.limiter.count(Payer::of(owner.user_id(), address), limits)?;
        let (parts, dialer) = (Arc::clone(&self.parts), Arc::clone(&self.dialer));
        let silent = Arc::clone(&self.silent);
        let (body, trace) = (body.clone(), trace_of(headers));
        let reception = Reception { parts, dialer, silent, owner, settings, body, trace };
        door.plane.run(Box::pin(reception.take_in(headers.clone()))).await
    }

    /// Whether a request with these headers comes by a key, which no browser adds by itself.
    #[must_use]
    pub fn is_by_key(headers: &HeaderMap) -> bool {
        access::key_in(headers).is_some()
    }

    async fn offered_key(&self, headers: &HeaderMap) -> Result<Option<ApiKey>, Fault> {
        let Some(word) = access::key_in(headers) else { return Ok(None) };
        let store = &self.parts.store;
        let key = store.api_key(word.digest()).await?.ok_or_else(|| Fault::unauthorized("Invalid API key"))?;
        let now = clock::now();
        if key.is_news(now) {
            store.api_key_used(key.id, now).await?;
        }
        Ok(Some(key))
    }
}

/// A session that finds no room can be asked for again, as one that finds no pool; the contract has one answer to both.
fn not_now(fault: Fault) -> Fault {
    match fault.kind() {
        FaultKind::InsufficientStorage => Fault::unavailable(fault.message()).retry_after(through::AGAIN_SECONDS),
        _ => fault,
    }
}
