//! The client of the Admin service, over whatever carries its calls: this process or a connection.

use http::{Request, Response};
use pixelfox_proto::v1::admin_client::AdminClient;
use tonic::{Status, body::Body};
use tower::{BoxError, Service, ServiceExt as _, util::BoxCloneSyncService};

/// Bytes of an answer at most: as many as the service sends.
const ANSWER_BYTES: usize = 8 << 20;

/// Carries calls to the service.
pub type Calls = BoxCloneSyncService<Request<Body>, Response<Body>, Status>;

/// The Admin service as the pages see it.
pub type Admin = AdminClient<Calls>;

/// A client of `service`: an `AdminServer` in this process, or a `tonic` channel.
pub fn in_process<S, B>(service: S) -> Admin
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
    AdminClient::new(BoxCloneSyncService::new(calls)).max_decoding_message_size(ANSWER_BYTES)
}
