//! `GET /`: the upload page; and what a form without a script comes back with.

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, HeaderValue, header, request::Parts as Head};
use pixelfox_admin_web::public::{self, Refused, UploadPage};
use pixelfox_node::http::client_of;
use pixelfox_proto::Fault;

use super::Parts;
use crate::access;

/// The route's handler. A visit begins here, where visitors may upload: else there is nothing to know them again for.
pub(super) async fn home(State(parts): State<Parts>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let mut response = page(&parts, &head, None).await;
    if access::visitor_of(&head.headers).is_none()
        && parts.uploads.settings().await.is_ok_and(|settings| settings.public_uploads)
        && let Some(cookie) = new_visit(client_of(&head.extensions).secure)
    {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The upload page, with what was refused where something was.
pub(super) async fn page(parts: &Parts, head: &Head, refused: Option<Fault>) -> Response {
    let asked = async {
        let settings = parts.uploads.settings().await?;
        let pools = if settings.direct_upload_enabled { parts.store.list_pools().await? } else { Vec::new() };
        let open = settings.public_uploads || parts.signed_in(&head.headers).await?.is_some();
        Ok::<_, Fault>((settings, pools, open))
    };
    let Ok((settings, pools, open)) = asked.await else { return public::not_now(head) };
    let refused = refused.map(|fault| (refusal(&fault), fault.into_response()));
    let (refused, said) = refused.unzip();
    let page = UploadPage {
        open,
        max_bytes: settings.upload_max_bytes,
        per_minute: settings.upload_rate_limit_per_ip,
        direct: settings.direct_upload_enabled,
        pools: pools.into_iter().map(|pool| pool.public_base_url).collect(),
        refused,
    };
    let mut answer = page.answer(head);
    if let Some(said) = said {
        pixelfox_admin_web::keep_said(said.headers(), answer.headers_mut());
    }
    answer
}

fn refusal(fault: &Fault) -> Refused {
    Refused {
        status: fault.kind().row().1,
        again_seconds: fault.retry_after_seconds(),
        message: fault.message().to_owned(),
    }
}

/// Whether a person reads the answer, in a browser.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.any(|line| line.contains("text/html"))
}

fn new_visit(secure: bool) -> Option<HeaderValue> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).ok()?;
    HeaderValue::from_str(&access::visit_cookie(random, secure)).ok()
}
