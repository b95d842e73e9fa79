//! `GET|HEAD /uploads/<stored_path>`: from whichever pool of this node has it, else the way to the node that has.
//! Source: docs/http.md, "GET and HEAD /uploads/…". Must not decide what is in a pool, nor trust a name.

mod content;

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use pixelfox_proto::{Fault, FaultKind, StoredPath, Trace};

use self::content::Lane;
use super::{Parts, lost, trace_of};
use crate::{
    disk::Stored,
    images::Format,
    plane::Plane,
    ranges::{self, Answer, Validators},
};

/// Where files are served.
pub(crate) const PREFIX: &str = "/uploads/";
const FOR_A_YEAR: &str = "public, max-age=31536000, immutable";
const NO_STORE: &str = "no-store";
const SANDBOX: &str = "default-src 'none'; sandbox";
/// A coordinator that restarts is back by then.
const ASK_AGAIN_SECONDS: u32 = 5;

/// The route's handler.
pub(crate) async fn serve(State(parts): State<Arc<Parts>>, request: Request) -> Response {
    let Some(path) = stored_path(request.uri().path()) else {
        return lost::answer(request.uri().path(), request.headers());
    };
    let (head, _body) = request.into_parts();
    let asked = Arc::new(Asked { method: head.method, headers: head.headers });
    found(&parts, &path, &asked).await.unwrap_or_else(Fault::into_response)
}

async fn found(parts: &Arc<Parts>, path: &StoredPath, asked: &Arc<Asked>) -> Result<Response, Fault> {
    if let Some(content) = parts.pools.left_at(path) {
        return Ok(probe_file(content));
    }
    if let Some(response) = here(parts, path, asked).await? {
        return Ok(response);
    }
    let trace = trace_of(&asked.headers);
    if let Some(response) = elsewhere(parts, path, &trace).await? {
        return Ok(response);
    }
    // On record here. It may have come by a move since the first look.
    if let Some(response) = here(parts, path, asked).await? {
        parts.coordinator.forget(path).await;
        return Ok(response);
    }
    if let Some(pool) = unseen(parts).await {
        let message = format!("{path} is on record here, but pool {pool} can't be read");
        tracing::warn!(%path, trace_id = %trace.id(), "{message}");
        return Err(Fault::unavailable(message).retry_after(ASK_AGAIN_SECONDS));
    }
    tracing::warn!(%path, trace_id = %trace.id(), "{path} is on record here, but no pool of this node has it");
    if let Err(error) = parts.coordinator.tell_missing(path, &trace).await {
        tracing::debug!(%path, trace_id = %trace.id(), "could not tell that {path} is missing: {error}");
    }
    Err(no_such_file(path.as_str()))
}

/// A pool of this node in which nothing that is missing can be believed to be: its disk is not there.
async fn unseen(parts: &Arc<Parts>) -> Option<String> {
    let pools = Arc::clone(&parts.pools);
    parts.plane.run(async move { pools.unseen() }).await.map(|pool| pool.name())
}

/// What a probe has left, for whoever tries whether a URL leads here.
fn probe_file(content: Vec<u8>) -> Response {
    let headers = [
        (header::CACHE_CONTROL, NO_STORE),
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, SANDBOX),
    ];
    (headers, content).into_response()
}

/// From a pool of this node; `None` where none has it.
async fn here(parts: &Arc<Parts>, path: &StoredPath, asked: &Arc<Asked>) -> Result<Option<Response>, Fault> {
    let lane = if Plane::is_worker() { Lane::Worker } else { Lane::Elsewhere(parts.plane.clone()) };
    let (of, path, asked) = (Arc::clone(parts), path.clone(), Arc::clone(asked));
    parts.plane.run(async move { from_a_pool(&of, &path, &asked, lane) }).await
}

struct Asked {
    method: Method,
    headers: HeaderMap,
}

/// The path behind the prefix, percent-decoded once. What is no stored path names no file.
fn stored_path(uri_path: &str) -> Option<StoredPath> {
    let raw = uri_path.strip_prefix(PREFIX)?;
    percent_decode_str(raw).decode_utf8().ok()?.parse().ok()
}

fn no_such_file(path: &str) -> Fault {
    Fault::not_found(format!("no file at {}", path.chars().take(StoredPath::MAX_BYTES).collect::<String>()))
}

fn from_a_pool(parts: &Parts, path: &StoredPath, asked: &Asked, lane: Lane) -> Result<Option<Response>, Fault> {
    let found = parts.pools.find(path).map_err(|cause| Fault::internal(&format!("could not open {path}"), &cause))?;
    let Some(found) = found else { return Ok(None) };
    let file = found.file;
    let mark = file.mark();
    // Nobody shall keep a suspect copy, and its mark's digest is not its.
    let is_suspect = file.is_suspect();
    let validators = match mark {
        Some(mark) if !is_suspect => Validators::strong(&mark.sha256, file.modified()),
        _ => Validators::weak(file.size(), file.modified()),
    };
    let method = if asked.method == Method::HEAD { ranges::Method::Head } else { ranges::Method::Get };
    let answer = ranges::answer(method, &asked.headers, &validators, file.size());
    let mut response = answered(file, method, &answer, lane)
        .map_err(|cause| Fault::internal(&format!("could not read {path}"), &cause))?;
    let headers = response.headers_mut();
    let etag = HeaderValue::from_str(validators.etag()).expect("a tag is hex digits in quotes");
    let modified = HeaderValue::from_str(&validators.last_modified()).expect("a date is plain text");
    let is_lasting = !is_suspect && answer != Answer::Unsatisfiable;
    let cache = HeaderValue::from_static(if is_lasting { FOR_A_YEAR } else { NO_STORE });
    headers.insert(header::ETAG, etag);
    headers.insert(header::LAST_MODIFIED, modified);
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    Ok(Some(response))
}

/// Status, body and what describes it.
fn answered(file: Stored, method: ranges::Method, answer: &Answer, lane: Lane) -> std::io::Result<Response> {
    let size = file.size();
    let part = match answer {
        Answer::NotModified => return Ok(status(StatusCode::NOT_MODIFIED)),
        Answer::Unsatisfiable => {
            let message = format!("the range begins behind the end: this file has {size} bytes");
            let mut response = Fault::new(FaultKind::RangeNotSatisfiable, message).into_response();
            response.headers_mut().insert(header::CONTENT_RANGE, text(&format!("bytes */{size}")));
            return Ok(response);
        }
        Answer::Whole => 0..size,
        Answer::Part(part) => part.clone(),
    };
    let content_type = content_type(&file)?;
    let length = part.end - part.start;
    let body = match method {
        ranges::Method::Head => Body::empty(),
        ranges::Method::Get => content::body(file, part.clone(), lane)?,
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, length.into());
    if matches!(answer, Answer::Part(_)) {
        headers.insert(header::CONTENT_RANGE, text(&format!("bytes {}-{}/{size}", part.start, part.end - 1)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

fn status(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

fn text(value: &str) -> HeaderValue {
    HeaderValue::from_str(value).expect("numbers and ASCII words")
}

/// What the bytes were found to be when they came in, else what they are found to be now. Anything else than a picture
/// of ours is only good for saving.
fn content_type(file: &Stored) -> std::io::Result<&'static str> {
    let noted = file.mark().and_then(|mark| Format::from_content_type(&mark.meta.content_type));
    let format = match noted {
        Some(format) => Some(format),
        None => {
            let mut head = [0; Format::HEAD_BYTES];
            let length = file.read_at(&mut head, 0)?;
            Format::of(&head[..length])
        }
    };
    Ok(format.map_or("application/octet-stream", Format::content_type))
}

/// Not here: the way to where the coordinator says that it is; `None` where it says here.
async fn elsewhere(parts: &Parts, path: &StoredPath, trace: &Trace) -> Result<Option<Response>, Fault> {
    let asked = parts.coordinator.locate(path, trace).await;
    let url = asked.map_err(|error| {
        tracing::debug!(trace_id = %trace.id(), "could not ask where {path} is: {error}");
        Fault::unavailable(format!("{path} is not on this node, and the coordinator can't be asked where it is"))
            .retry_after(ASK_AGAIN_SECONDS)
    })?;
    let Some(url) = url else { return Err(no_such_file(path.as_str())) };
    if is_here(parts, path, &url) {
        return Ok(None);
    }
    let location = HeaderValue::from_str(&url).map_err(|_| no_such_file(path.as_str()))?;
    let mut response = status(StatusCode::TEMPORARY_REDIRECT);
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static(NO_STORE)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    response.headers_mut().extend(headers);
    Ok(Some(response))
}

/// Whether `url` leads back to this node: a redirect there would go round in circles.
fn is_here(parts: &Parts, path: &StoredPath, url: &str) -> bool {
    let rest = format!("{PREFIX}{path}");
    let Some(base) = url.strip_suffix(rest.as_str()) else { return false };
    let same = |own: &str| own.trim_end_matches('/').eq_ignore_ascii_case(base);
    same(&parts.public_domain) || parts.pools.all().iter().any(|pool| same(&pool.public_base_url()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_file() {
        for (uri, want) in [
            ("/uploads/original/2026/a.jpg", Some("original/2026/a.jpg")),
            ("/uploads/variants/webp/a.webp", Some("variants/webp/a.webp")),
            ("/uploads/original%2Fa.jpg", Some("original/a.jpg")),
            ("/uploads/original/%61.jpg", Some("original/a.jpg")),
            ("/uploads/original/../../etc/passwd", None),
            ("/uploads/original/%2e%2e/a", None),
            ("/uploads/original/%252e%252e/a", None),
            ("/uploads/..%2fa", None),
            ("/uploads//original/a", None),
            ("/uploads/original/a%00.jpg", None),
            ("/uploads/original%5ca.jpg", None),
            ("/uploads/original/%ff.jpg", None),
            ("/uploads/.pixelfox/pool.json", None),
            ("/uploads/original/.hidden", None),
            ("/uploads/original/", None),
            ("/uploads/other/a.jpg", None),
            ("/uploads/", None),
        ] {
            assert_eq!(stored_path(uri).as_ref().map(StoredPath::as_str), want, "{uri}");
        }
    }
}
