//! The client of the Admin service, over whatever carries its calls: this process or a connection.

use http::{HeaderValue, Request, Response, header::ACCEPT_LANGUAGE};
use pixelfox_proto::{Language, v1::admin_client::AdminClient};
use tonic::{Status, body::Body};
use tower::{BoxError, Service, ServiceExt as _, util::BoxCloneSyncService};

/// Bytes of an answer at most: as many as the service sends.
const ANSWER_BYTES: usize = 8 << 20;

/// Carries calls to the service.
pub type Calls = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// The Admin service as the pages see it.
pub type Admin = AdminClient<Calls>;

/// Metadata of each call by which the pages say who is signed in. Only a service in the same process believes it.
pub const ACCOUNT: &str = "x-pixelfox-account";

/// The way to `service`: an `AdminServer` in this process, or a `tonic` channel.
pub fn in_process<S, B>(service: S) -> Calls
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let calls = service
        .map_response(|response: Response<B>| response.map(Body::new))
        .map_err(|cause| Status::from_error(cause.into()));
    BoxCloneSyncService::new(calls)
}

/// A client in the name of `account`, to whom the service speaks in `language`.
pub(crate) fn client(calls: &Calls, account: Option<&str>, language: Language) -> Admin {
    let account = account.and_then(|name| HeaderValue::from_str(name).ok());
    let calls = calls.clone().map_request(move |mut request: Request<Body>| {
        request.headers_mut().insert(ACCEPT_LANGUAGE, HeaderValue::from_static(language.tag()));
        if let Some(account) = &account {
            request.headers_mut().insert(ACCOUNT, account.clone());
        }
        request
    });
    AdminClient::new(BoxCloneSyncService::new(calls)).max_decoding_message_size(ANSWER_BYTES)
}
