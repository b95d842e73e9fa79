//! `POST /api/internal/upload` and `POST /api/v1/upload`: a token and a file in, the image's addresses out.
//! Source: docs/http.md, same heading. The token may follow the file; then the file is received on trust, a few at a
//! time, and refused at its end if the token is bad.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, StatusCode, header};
use pixelfox_proto::{Claims, Fault, ImageId, PoolId, ShareToken, TokenError, Via};
use serde_json::{Value, json};

use super::{
    Parts,
    body::RequestBody,
    client::client_of,
    json::Json,
    multipart::{Form, FormError, Limit, Part, file_missing, hear_out},
    trace::sent_trace,
};
use crate::{
    clock,
    intake::{Accepted, IntakeError, STRANGER_RATE, Seat, Upload, Uploader},
    metrics::{Door, Taken},
    pools::Pool,
    rate::{Payer, RateLimits},
    secret,
};

/// What a form may be larger than its file, in bytes.
pub const FORM_BYTES: u64 = 5 << 20;

/// `HEAD`: uploads are taken here.
pub(crate) async fn present() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The route's handler.
pub(crate) async fn upload(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = RequestBody::new(body, &head.headers);
    let plane = parts.plane.clone();
    let address = client_of(&head.extensions).address;
    let counts = parts.uploads.clone();
    let reception = Reception { parts, address, body: body.clone() };
    let outcome = plane.run(Box::pin(reception.take_in(head.headers))).await;
    counts.ended(Door::Node, Taken::of(outcome.as_ref().map(|accepted| accepted.duplicate)));
    match outcome {
        Ok(Accepted { place, duplicate }) => {
            let duplicate = if duplicate { Duplicate::Yes } else { Duplicate::No };
            Json(answer(place.image, &place.share, &place.url, duplicate)).into_response()
        }
        Err(fault) => {
            body.drain().await;
            fault.into_response()
        }
    }
}

/// Whether the image was there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicate {
    /// It is the earlier one of the same user or visit.
    Yes,
    /// It is new, or was asked for by its name.
    No,
}

/// The answer's shape, by every way in. Variants come later: so far there is the original alone.
#[must_use]
pub fn answer(image: ImageId, share: &ShareToken, url: &str, duplicate: Duplicate) -> Value {
    json!({
        "image_uuid": image,
        "view_url": format!("/i/{share}"),
        "url": url,
        "duplicate": duplicate == Duplicate::Yes,
        "available_variants": ["original"],
        "variants": { "original": { "original": { "url": url } } },
    })
}

/// One request, on a data worker.
struct Reception {
    parts: Arc<Parts>,
    address: IpAddr,
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
        // What this node would refuse anyway it refuses before a byte is sent, so that another pool can be asked.
        let mut opened = leave.as_ref().map(|leave| self.open(leave)).transpose()?;
        let most = self.limit(None).saturating_add(FORM_BYTES);
        let mut form = Form::new(&headers, &self.body, Limit::Whole(most))?;
        let (mut received, mut instead) = (None, None);
        while let Some(part) = form.next().await? {
            match part.name() {
                "file" if received.is_some() => return Err(FormError::TwoFiles.into()),
                "file" => received = Some(self.receive(part, &mut form, leave.as_ref(), opened.take()).await?),
                "token" if leave.is_none() => {
                    leave = Some(self.check(part.text().await?.trim())?);
                    received = received.map(|received| self.no_stranger(received));
                }
                "token" => drop(part.text().await?),
                _ => instead = part.pass_over().await?.or(instead),
            }
        }
        let leave = leave.ok_or(TokenError::Missing)?;
        let Some(Received { upload, file_name, .. }) = received else { return Err(file_missing(instead.as_deref())) };
        let Claims { user_id, visitor, .. } = leave.claims;
        let uploader = Uploader { user_id, visitor, file_name, trace: sent_trace(&headers) };
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
        self.check_switches(&claims)?;
        let pool_id = PoolId::try_from(claims.pool_id).map_err(|_| Fault::bad_request("invalid pool"))?;
        let pool = self.parts.pools.hosted(pool_id)?;
        self.count(&claims)?;
        Ok(Leave { claims, pool })
    }

    /// What the upload page was given is worth nothing any more once the operator has switched it off. Tokens of programs
    /// are not bound to what holds for browsers.
    fn check_switches(&self, claims: &Claims) -> Result<(), Fault> {
        let settings = self.parts.pools.settings();
        // A token may come sooner than the settings that it was made under.
        if claims.settings.is_none_or(|made_under| made_under > settings.revision) {
            return Ok(());
        }
        let off = match (settings.direct_upload, settings.public_uploads || claims.user_id != 0) {
            (true, true) => return Ok(()),
            (false, _) => "direct_upload_enabled",
            (true, false) => "public_uploads",
        };
        let hint = format!("{off} was switched off after the page was given this token");
        Err(Fault::from(TokenError::Invalid).with_hint(hint))
    }

    /// Counts the upload, but for one that the app has counted.
    fn count(&self, claims: &Claims) -> Result<(), Fault> {
        if claims.via == Some(Via::App) {
            return Ok(());
        }
        let settings = self.parts.pools.settings();
        let limits = RateLimits { per_ip: settings.rate_limit_per_ip, per_user: settings.rate_limit_per_user };
        Ok(self.parts.limiter.count(Payer::of(claims.user_id, self.address), limits)?)
    }

    fn open(&self, leave: &Leave) -> Result<Upload, Fault> {
        Ok(self.parts.intake.open(&leave.pool, self.limit(Some(leave)))?)
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

    async fn receive(
        &self,
        part: Part,
        form: &mut Form,
        leave: Option<&Leave>,
        opened: Option<Upload>,
    ) -> Result<Received, Fault> {
        let file_name = part.file_name().unwrap_or_default().to_owned();
        let seat = match leave {
            Some(_) => None,
            None => Some(self.parts.intake.stranger(self.address).await?),
        };
        if seat.is_some() {
            self.body.hurry(STRANGER_RATE);
        }
        let (fault, part) = match self.copy(part, leave, opened).await? {
            Copied::Whole(upload) => return Ok(Received { upload: *upload, file_name, seat }),
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

    /// The sender of what was received has shown its token.
    fn no_stranger(&self, mut received: Received) -> Received {
        self.body.at_ease();
        drop(received.seat.take());
        received
    }

    /// Writes all of `part` to the token's pool, else to the roomiest one.
    async fn copy(&self, mut part: Part, leave: Option<&Leave>, opened: Option<Upload>) -> Result<Copied, FormError> {
        let roomiest = || Ok(self.parts.intake.open(&self.parts.pools.roomiest()?, self.limit(None))?);
        let upload = match (opened, leave) {
            (Some(upload), _) => Ok(upload),
            (None, Some(leave)) => self.open(leave),
            (None, None) => roomiest(),
        };
        let mut upload = match upload {
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
    /// Of a sender whose token is still to come.
    seat: Option<Seat>,
}

enum Copied {
    Whole(Box<Upload>),
    Refused(Fault, Box<Part>),
}
