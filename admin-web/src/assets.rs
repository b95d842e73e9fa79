//! Stylesheet, script and icons, in the program. Their names carry a hash of their content, so that a browser keeps
//! them for good and never shows a page with those of another version.

use std::{collections::HashMap, sync::LazyLock};

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse as _, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use rust_embed::Embed;
use tower_http::compression::CompressionLayer;

#[derive(Embed)]
#[folder = "assets"]
struct Files;

/// Bytes of the hash in a name.
const HASH_BYTES: usize = 9;

/// File name → address.
static ADDRESSES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let address = |name: &str| {
        let hash = BASE64_URL_SAFE_NO_PAD.encode(&Files::get(name)?.metadata.sha256_hash()[..HASH_BYTES]);
        let (stem, extension) = name.rsplit_once('.')?;
        Some(format!("/assets/{stem}.{hash}.{extension}"))
    };
    Files::iter().filter_map(|name| Some((name.to_string(), address(&name)?))).collect()
});

/// What changes when any of them does: a page that is open notices a new version by it.
pub(crate) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut all: Vec<&str> = ADDRESSES.values().map(String::as_str).collect();
    all.sort_unstable();
    all.concat()
});

/// The address of the asset `name`.
pub(crate) fn address(name: &str) -> &'static str {
    ADDRESSES.get(name).map_or("/assets/missing", String::as_str)
}

pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(asset)).route("/favicon.ico", get(favicon)).layer(CompressionLayer::new())
}

/// What browsers and programs ask for unasked, also where no page has named the icon.
async fn favicon() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match Files::get("fox.svg") {
        Some(file) => (headers, file.data.into_owned()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn asset(Path(asked): Path<String>) -> Response {
    let address = format!("/assets/{asked}");
    let name = ADDRESSES.iter().find(|(_, known)| **known == address).map(|(name, _)| name);
    let Some((name, file)) = name.and_then(|name| Some((name, Files::get(name)?))) else {
        return (StatusCode::NOT_FOUND, "no asset has this name: reload the page\n").into_response();
    };
    let kind = match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, file.data.into_owned()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asset_that_a_template_names_is_there() {
        // The layout's three; a missing one would be a page without style, silently.
        for name in ["app.css", "app.js", "icons.svg"] {
            let address = address(name);
            assert!(address.starts_with("/assets/") && address != "/assets/missing", "{name}: {address}");
        }
    }
}
