//! A layer: notes who a request comes from, with a trusted proxy's word taken into account. Decides nothing.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::Extensions;

use crate::{
    peer::Peer,
    proxies::{Client, Proxies},
};

/// Puts [`Client`] into the request's extensions.
pub(crate) async fn note(State(proxies): State<Proxies>, mut request: Request, next: Next) -> Response {
    if let Some(Peer(peer)) = request.extensions().get::<Peer>().copied() {
        let client = proxies.client(peer.ip(), request.headers());
        request.extensions_mut().insert(client);
    }
    next.run(request).await
}

/// Who sent the request with these extensions. A call inside the process comes from here.
#[must_use]
pub fn client_of(extensions: &Extensions) -> Client {
    let here = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), secure: false };
    extensions.get::<Client>().copied().unwrap_or(here)
}
