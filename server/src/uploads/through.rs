//! One upload through this server: its form is read piece by piece, and each piece goes on to the pool at once. The
//! end of the file is told to the pool only when the whole form has been read, so that half a form stores nothing.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, header};
use pixelfox_node::{
    http::{Duplicate, FORM_BYTES, Form, FormError, Limit, Part, RequestBody, answer, file_missing},
    intake::{Accepted, IntakeError, Upload, Uploader, plain_name},
    pools::Pool,
};
use pixelfox_proto::{Claims, Fault, FaultKind, Trace, Via};
use serde_json::Value;

use super::{
    Owner, Parts, TOKEN_SECONDS,
    connect::Dialer,
    forward::{Forward, Target},
    places::{self, Place},
    silent::Silent,
};
use crate::catalog::Settings;

/// What a client is told to wait before it tries again.
pub(super) const AGAIN_SECONDS: u32 = 5;

/// One request, on a data worker.
pub(super) struct Reception {
    pub(super) parts: Arc<Parts>,
    pub(super) dialer: Arc<Dialer>,
    pub(super) silent: Arc<Silent>,
    pub(super) owner: Owner,
    pub(super) settings: Settings,
    pub(super) body: RequestBody,
    pub(super) trace: Trace,
}

/// Where the pieces go.
enum Sink {
    /// To a pool of this process.
    Here { upload: Box<Upload>, pool: Arc<Pool>, uploader: Uploader },
    /// To another node.
    There(Box<Forward>),
}

impl Reception {
    /// Reads the form to its end and gives back the answer of whoever stored the file.
    pub(super) async fn take_in(self, headers: HeaderMap) -> Result<Value, Fault> {
        let announced = announced(&headers);
        let limit = self.settings.upload_max_bytes;
        let whole = limit.saturating_add(FORM_BYTES);
        if announced.is_some_and(|bytes| bytes > whole) {
            return Err(IntakeError::TooLarge(limit).into());
        }
        let mut form = Form::new(&headers, &self.body, Limit::Whole(whole))?;
        let (mut sink, mut instead) = (None, None);
        while let Some(part) = form.next().await? {
            match part.name() {
                "file" if sink.is_some() => return Err(FormError::TwoFiles.into()),
                "file" => sink = Some(self.receive(part, announced.unwrap_or(0)).await?),
                _ => instead = part.pass_over().await?.or(instead),
            }
        }
        let sink = sink.ok_or_else(|| file_missing(instead.as_deref()))?;
        sink.finish(limit).await
    }

    async fn receive(&self, mut part: Part, announced: u64) -> Result<Sink, Fault> {
        let sent_name = part.file_name().unwrap_or_default().to_owned();
        let first = next_piece(&mut part).await?;
        if first.is_none() && sent_name.is_empty() {
            return Err(Fault::bad_request("file missing")); // a form that was sent without a choice
        }
        let mut sink = self.open(&plain_name(&sent_name), announced).await?;
        let mut next = first;
        while let Some(piece) = next {
            sink.write(piece, self.settings.upload_max_bytes).await?;
            next = next_piece(&mut part).await?;
        }
        Ok(sink)
    }

    /// The best pool that takes it: the next one where one refuses before it was sent anything.
    async fn open(&self, name: &str, announced: u64) -> Result<Sink, Fault> {
        let mut last = None;
        let places = places::best_first(&self.parts, &self.settings, announced).await?;
        for place in self.silent.last(places) {
            match self.open_at(&place, name, announced).await {
                Ok(sink) => {
                    self.silent.forget(place.pool);
                    return Ok(sink);
                }
                Err(fault) if is_the_places_own(&fault) => {
                    let (pool, id, node) = (&place.name, place.pool, &place.node);
                    let trace = self.trace.id();
                    tracing::warn!(pool_id = %id, %node, trace_id = %trace, "[Upload] Pool {pool} ({id}) on {node} took none: {fault}");
                    if fault.kind() == FaultKind::Unavailable {
                        self.silent.note(&place);
                    }
                    last = Some(fault);
                }
                Err(fault) => return Err(fault),
            }
        }
        Err(match last {
            Some(fault) if fault.kind() == FaultKind::InsufficientStorage => fault,
            _ => Fault::unavailable("no pool could be reached").retry_after(AGAIN_SECONDS),
        })
    }

    async fn open_at(&self, place: &Place, name: &str, announced: u64) -> Result<Sink, Fault> {
        let door = &self.parts.door;
        if place.node == self.parts.node_id {
            let pool = door.pools.hosted(place.pool)?;
            let upload = Box::new(door.intake.open(&pool, self.settings.upload_max_bytes)?);
            let (user_id, visitor) = (self.owner.user_id(), self.owner.visitor());
            let uploader = Uploader { user_id, visitor, file_name: name.to_owned(), trace: Some(self.trace) };
            return Ok(Sink::Here { upload, pool, uploader });
        }
        let no_secret = || Fault::unavailable("no UPLOAD_TOKEN_SECRET is set");
        let secret = self.parts.secret.as_ref().ok_or_else(no_secret)?;
        let claims = Claims {
            pool_id: place.pool.get(),
            max_bytes: self.settings.upload_max_bytes,
            exp: pixelfox_node::clock::unix_seconds().saturating_add(TOKEN_SECONDS),
            via: Some(Via::App),
            ..self.owner.claims()
        };
        let token = claims.mint(secret.reveal().as_bytes());
        let trace = self.trace.child("forward");
        let target = Target { url: &place.upload_api_url, node: &place.node, token: &token, file_name: name, trace };
        tracing::debug!(pool_id = %place.pool, announced, trace_id = %trace.id(), "an upload goes on to {}", place.node);
        Ok(Sink::There(Box::new(Forward::open(&self.dialer, target).await?)))
    }
}

impl Sink {
    async fn write(&mut self, piece: Bytes, limit: u64) -> Result<(), Fault> {
        match self {
            Self::Here { upload, .. } => Ok(upload.write(&piece)?),
            Self::There(forward) if forward.sent() + piece.len() as u64 > limit => {
                Err(IntakeError::TooLarge(limit).into())
            }
            Self::There(forward) => forward.write(piece).await,
        }
    }

    async fn finish(self, limit: u64) -> Result<Value, Fault> {
        match self {
            Self::Here { upload, pool, uploader } => {
                let Accepted { place, duplicate } = upload.finish(&pool, limit, uploader).await?;
                let duplicate = if duplicate { Duplicate::Yes } else { Duplicate::No };
                Ok(answer(place.image, &place.share, &place.url, duplicate))
            }
            Self::There(forward) => forward.finish().await,
        }
    }
}

/// The next bytes of a part; `None` at its end.
async fn next_piece(part: &mut Part) -> Result<Option<Bytes>, FormError> {
    loop {
        let piece = part.chunk().await?;
        if piece.as_ref().is_none_or(|piece| !piece.is_empty()) {
            return Ok(piece);
        }
    }
}

/// Whether a refusal says something of the pool and not of the upload.
const fn is_the_places_own(fault: &Fault) -> bool {
    use FaultKind as Kind;
    !matches!(fault.kind(), Kind::BadRequest | Kind::PayloadTooLarge | Kind::UnsupportedMediaType)
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
