//! `PUT /api/internal/replicate`, the way in for older nodes and for scripts. Source: docs/http.md, same heading, with
//! the order of its checks. Streams to disk and decides nothing about what is stored: that is `receive`'s.

mod fields;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::HeaderMap;
use pixelfox_proto::{Fault, FileMeta, PathError, PoolId, TraceId};
use serde_json::json;

use self::fields::{Checksum, FieldError, Fields, FileSeen, Moment, Order};
use super::{
    Parts, auth,
    body::RequestBody,
    json::Json,
    multipart::{Form, FormError, Limit, Part, hear_out},
    trace_of,
};
use crate::{
    peer::Sender,
    pools::Pool,
    receive::{Landing, LandingError, Origin, Publish, Receipt, log},
};

/// The route's handler.
pub(crate) async fn replicate(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let from = Sender::of(request.extensions());
    let (head, body) = request.into_parts();
    let body = RequestBody::new(body, &head.headers);
    if let Err(fault) = auth::replicator(parts.secrets.replication.as_ref(), &head.headers) {
        log::unauthorized(&from);
        body.drain().await;
        return fault.into_response();
    }
    let plane = parts.plane.clone();
    let trace = trace_of(&head.headers).id();
    let replication = Replication { parts, from, body: body.clone(), trace };
    let outcome = plane.run(Box::pin(replication.take_in(head.headers))).await;
    match outcome {
        Ok(receipt) if receipt.skipped => {
            Json(json!({ "status": "ok", "skipped": true, "reason": "exists" })).into_response()
        }
        Ok(_) => Json(json!({ "status": "ok" })).into_response(),
        Err(refused) => {
            body.drain().await;
            Fault::from(refused).into_response()
        }
    }
}

/// Why a file was not taken.
enum Refused {
    Form(FormError),
    Fields(FieldError),
    /// This node does not host the pool, or does not know yet.
    Pool(Fault),
    Landing(LandingError),
}

impl From<FormError> for Refused {
    fn from(error: FormError) -> Self {
        Self::Form(error)
    }
}

impl From<FieldError> for Refused {
    fn from(error: FieldError) -> Self {
        Self::Fields(error)
    }
}

impl From<LandingError> for Refused {
    fn from(error: LandingError) -> Self {
        Self::Landing(error)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Form(error) => error.into(),
            Refused::Fields(error) => error.into(),
            Refused::Pool(fault) => fault,
            Refused::Landing(error) => error.into(),
        }
    }
}

/// One request behind its secret, on a data worker.
struct Replication {
    parts: Arc<Parts>,
    from: Sender,
    body: RequestBody,
    trace: TraceId,
}

impl Replication {
    async fn take_in(self, headers: HeaderMap) -> Result<Receipt, Refused> {
        let mut form = Form::new(&headers, &self.body, Limit::None)?;
        let mut fields = Fields::default();
        let mut landing = None;
        while let Some(part) = form.next().await? {
            if part.name() != "file" {
                let name = part.name().to_owned();
                fields.take(&name, part.text().await?);
                continue;
            }
            if landing.is_some() {
                return Err(FormError::TwoFiles.into());
            }
            landing = Some(self.receive(part, &mut form, &mut fields).await?);
        }
        self.settle(&fields, landing).await
    }

    fn checksum(&self) -> Checksum {
        if self.parts.pools.settings().require_checksum { Checksum::Required } else { Checksum::Optional }
    }

    /// Takes the file to the pool that was named already, else to the roomiest one.
    async fn receive(&self, mut part: Part, form: &mut Form, fields: &mut Fields) -> Result<Landing, Refused> {
        let refused = match self.open(fields) {
            Ok((mut landing, announced)) => match copy(&mut part, &mut landing, announced).await? {
                Ok(()) => return Ok(landing),
                Err(refused) => refused.into(),
            },
            Err(refused) => refused,
        };
        // Fields behind the file may bring a refusal that comes first in the contract's order.
        let is_whole = hear_out(form, part, &self.body, |name, value| fields.take(name, value)).await;
        Err(if is_whole { self.first_refusal(fields, refused) } else { self.noted(fields, refused) })
    }

    fn open(&self, fields: &Fields) -> Result<(Landing, Option<u64>), Refused> {
        let order = fields.order(Moment::File, self.checksum())?;
        let pool = match order.pool_id {
            Some(id) => self.parts.pools.hosted_any(id),
            None => self.parts.pools.roomiest(),
        };
        let landing = self.parts.receiver.open(&pool.map_err(Refused::Pool)?, order.size)?;
        Ok((landing, order.size))
    }

    /// With all fields there: theirs, then the pool's, then what was met already.
    fn first_refusal(&self, fields: &Fields, met: Refused) -> Refused {
        let first = match fields.order(Moment::End { file: FileSeen::Yes }, self.checksum()) {
            Err(error) => error.into(),
            Ok(order) => match self.parts.pools.hosted_any(order.pool_id.unwrap_or_default()) {
                Err(fault) => Refused::Pool(fault),
                Ok(_) => met,
            },
        };
        self.noted(fields, first)
    }

    async fn settle(&self, fields: &Fields, landing: Option<Landing>) -> Result<Receipt, Refused> {
        let file = if landing.is_some() { FileSeen::Yes } else { FileSeen::No };
        let order = fields.order(Moment::End { file }, self.checksum());
        let order = order.map_err(|error| self.noted(fields, error.into()))?;
        let (Order { pool_id: Some(pool_id), path: Some(path), size, sha256 }, Some(landing)) = (order, landing) else {
            return Err(FieldError::NoFile.into()); // not reached: `order` refuses what is incomplete
        };
        let pool = self.parts.pools.hosted_any(pool_id).map_err(Refused::Pool)?;
        let received = landing.received();
        let publish = Publish { path: path.clone(), size, sha256, origin: Origin::Hand, meta: FileMeta::default() };
        let outcome = self.publish(&pool, landing, publish).await;
        self.parts.receiver.landed(pool.id(), &path, received, &self.from, self.trace, outcome.as_ref());
        if outcome.as_ref().is_ok_and(|receipt| receipt.size == 0) {
            tracing::warn!(pool_id = %pool.id(), %path, "stored a variant without a byte: {path}");
        }
        Ok(outcome?)
    }

    async fn publish(&self, pool: &Arc<Pool>, landing: Landing, publish: Publish) -> Result<Receipt, LandingError> {
        let is_there = landing.pool().id() == pool.id();
        let landing = if is_there { landing } else { self.parts.receiver.rehome(landing, pool).await? };
        landing.publish(publish).await
    }

    /// Writes the contract's log line about a refusal before the end, and hands it on.
    fn noted(&self, fields: &Fields, refused: Refused) -> Refused {
        let named = fields.order(Moment::File, Checksum::Optional).unwrap_or_default();
        let pool = named.pool_id.and_then(|id| self.parts.pools.hosted_any(id).ok()).map(|pool| pool.id());
        let pool = pool.or_else(|| PoolId::try_from(named.pool_id?).ok());
        match (&refused, pool, named.path) {
            (Refused::Fields(FieldError::Path(PathError::Invalid | PathError::Root)), ..) => {
                log::rejected_path(&fields.raw_path().unwrap_or_default(), &self.from);
            }
            (Refused::Fields(FieldError::NoDigest), Some(pool), Some(path)) => {
                let (size, trace) = (named.size.unwrap_or_default(), self.trace);
                log::missing_checksum(log::File { pool_id: pool, path: &path, size, trace }, &self.from);
            }
            (Refused::Landing(error), Some(pool), Some(path)) => {
                let size = named.size.unwrap_or_default();
                self.parts.receiver.landed(pool, &path, size, &self.from, self.trace, Err(error));
            }
            _ => {}
        }
        refused
    }
}

/// Writes all of `part`. A file that is longer than announced is not read to its end.
async fn copy(
    part: &mut Part,
    landing: &mut Landing,
    announced: Option<u64>,
) -> Result<Result<(), LandingError>, FormError> {
    while let Some(chunk) = part.chunk().await? {
        let received = landing.received() + chunk.len() as u64;
        if let Some(announced) = announced.filter(|announced| received > *announced) {
            return Ok(Err(LandingError::Size { announced, received }));
        }
        if let Err(error) = landing.write(&chunk) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}
