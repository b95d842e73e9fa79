//! `POST /api/internal/upload` and `POST /api/v1/upload`: a token and a file in, the image's addresses out.
//! Source: docs/http.md, same heading. The token may follow the file; then the file is received on trust, a few at a
//! time, and refused at its end if the token is bad.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use pixelfox_proto::{Claims, Fault, PoolId, TokenError};
use serde_json::{Value, json};

use super::{
    Parts,
    body::RequestBody,
    json::Json,
    multipart::{Form, FormError, Limit, Part, hear_out},
};
use crate::{
    clock,
    intake::{Accepted, IntakeError, Upload, Uploader},
    pools::Pool,
    secret,
};

/// What a form may be larger than its file.
const FORM_BYTES: u64 = 5 << 20;

/// `HEAD`: uploads are taken here.
pub(crate) async fn present() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The route's handler.
pub(crate) async fn upload(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = RequestBody::new(body, &head.headers);
    let plane = parts.plane.clone();
    let reception = Reception { parts, body: body.clone() };
    let outcome = plane.run(Box::pin(reception.take_in(head.headers))).await;
    match outcome {
        Ok(accepted) => Json(answer(&accepted)).into_response(),
        Err(fault) => {
            body.drain().await;
            fault.into_response()
        }
    }
}

/// The answer's shape. Variants come later: so far there is the original alone.
fn answer(accepted: &Accepted) -> Value {
    let place = &accepted.place;
    json!({
        "image_uuid": place.image,
        "view_url": format!("/i/{}", place.share),
        "url": place.url,
        "duplicate": accepted.duplicate,
        "available_variants": ["original"],
        "variants": { "original": { "original": { "url": place.url } } },
    })
}

/// One request, on a data worker.
struct Reception {
    parts: Arc<Parts>,
    body: RequestBody,
}

/// What a good token says, with the pool that it names.
struct Leave {
    claims: Claims,
    pool: Arc<Pool>,
}

impl Reception {
    async fn take_in(self, headers: HeaderMap) -> Result<Accepted, Fault> {
        let mut leave = secret::bearer(&headers).map(|token| self.check(token)).transpose()?;
        if self.parts.secrets.upload_token.is_none() {
            return Err(Fault::unauthorized("direct uploads disabled"));
        }
        self.check_length(&headers, leave.as_ref())?;
        let most = self.limit(None).saturating_add(FORM_BYTES);
        let mut form = Form::new(&headers, &self.body, Limit::Whole(most))?;
        let mut received = None;
        while let Some(part) = form.next().await? {
            match part.name() {
                "file" if received.is_some() => return Err(FormError::TwoFiles.into()),
                "file" => received = Some(self.receive(part, &mut form, leave.as_ref()).await?),
                "token" if leave.is_none() => leave = Some(self.check(part.text().await?.trim())?),
                _ => drop(part.text().await?),
            }
        }
        let leave = leave.ok_or(TokenError::Missing)?;
        let Some(Received { upload, file_name }) = received else { return Err(Fault::bad_request("file missing")) };
        let uploader = Uploader { user_id: leave.claims.user_id, file_name };
        let limit = self.limit(Some(&leave));
        Ok(upload.finish(&leave.pool, limit, uploader).await?)
    }

    /// The token's claims, and its pool if that is here.
    fn check(&self, token: &str) -> Result<Leave, Fault> {
        let Some(secret) = &self.parts.secrets.upload_token else {
            return Err(Fault::unauthorized("direct uploads disabled"));
        };
        let claims = secret.check_token(token, clock::unix_seconds()).inspect_err(|error| {
            if *error == TokenError::Expired {
                tracing::info!("refused an upload: its token is genuine, but has expired");
            }
        })?;
        let pool_id = PoolId::try_from(claims.pool_id).map_err(|_| Fault::bad_request("invalid pool"))?;
        Ok(Leave { claims, pool: self.parts.pools.hosted(pool_id)? })
    }

    /// Largest file in bytes.
    fn limit(&self, leave: Option<&Leave>) -> u64 {
        let setting = match self.parts.pools.settings().upload_max_bytes {
            0 => u64::MAX,
            bytes => bytes,
        };
        leave.map_or(setting, |leave| setting.min(leave.claims.max_bytes))
    }

    /// What is announced to be too large need not be sent.
    fn check_length(&self, headers: &HeaderMap, leave: Option<&Leave>) -> Result<(), Fault> {
        let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let limit = self.limit(leave);
        match announced {
            Some(bytes) if bytes > limit.saturating_add(FORM_BYTES) => Err(IntakeError::TooLarge(limit).into()),
            _ => Ok(()),
        }
    }

    async fn receive(&self, part: Part, form: &mut Form, leave: Option<&Leave>) -> Result<Received, Fault> {
        let file_name = part.file_name().unwrap_or_default().to_owned();
        let _turn = match leave {
            Some(_) => None,
            None => Some(self.parts.intake.stranger().await?),
        };
        let (fault, part) = match self.copy(part, leave).await? {
            Copied::Whole(upload) => return Ok(Received { upload: *upload, file_name }),
            Copied::Refused(fault, part) => (fault, part),
        };
        if leave.is_some() {
            return Err(fault);
        }
        // The token may still come, and a bad one is the first thing to be said.
        let mut token = None;
        let is_whole = hear_out(form, *part, &self.body, |name, value| {
            if name == "token" {
                token.get_or_insert(value);
            }
        });
        if is_whole.await || token.is_some() {
            self.check(token.unwrap_or_default().trim())?;
        }
        Err(fault)
    }

    /// Writes all of `part` to the token's pool, else to the roomiest one.
    async fn copy(&self, mut part: Part, leave: Option<&Leave>) -> Result<Copied, FormError> {
        let pool = leave.map_or_else(|| self.parts.pools.roomiest(), |leave| Ok(Arc::clone(&leave.pool)));
        let opened = pool.and_then(|pool| Ok(self.parts.intake.open(&pool, self.limit(leave))?));
        let mut upload = match opened {
            Ok(upload) => upload,
            Err(fault) => return Ok(Copied::Refused(fault, Box::new(part))),
        };
        while let Some(chunk) = part.chunk().await? {
            if let Err(error) = upload.write(&chunk) {
                return Ok(Copied::Refused(error.into(), Box::new(part)));
            }
        }
        Ok(Copied::Whole(Box::new(upload)))
    }
}

struct Received {
    upload: Upload,
    file_name: String,
}

enum Copied {
    Whole(Box<Upload>),
    Refused(Fault, Box<Part>),
}
