//! Images on the wire.

use pixelfox_proto::{Fault, ImageId, NodeId, PoolId, text, v1};
use prost_types::Timestamp;

use super::{timestamp, word};
use crate::catalog::{CheckAsk, File, Image, ImageFilter, ImageOrder, Listed, PageAsk, ReplicaState, Span};

/// The longest search in bytes: no name is longer, and SQLite refuses long patterns.
const QUERY_BYTES: usize = 1024;
/// States of copies that images are looked for by.
const FAULTY: &[ReplicaState] = &[ReplicaState::Lost, ReplicaState::Suspect];

/// Which images, and which page of them.
///
/// # Errors
/// A search for what no name can have; a node, a state, an order, a time that there can't be.
pub(crate) fn ask(request: v1::ListImagesRequest) -> Result<(ImageFilter, PageAsk), Fault> {
    if request.query.len() > QUERY_BYTES || request.query.chars().any(char::is_control) {
        return Err(Fault::bad_request(text!(
            de "query: muss Text in einer Zeile sein, höchstens {QUERY_BYTES} Bytes",
            en "query: must be text on one line of at most {QUERY_BYTES} bytes"
        )));
    }
    let bytes = |size: u64| (size > 0).then(|| i64::try_from(size).unwrap_or(i64::MAX));
    let filter = ImageFilter {
        pool: PoolId::try_from(request.pool_id).ok(),
        node: if request.node_id.is_empty() { None } else { Some(NodeId::try_from(request.node_id)?) },
        query: request.query,
        size: Span { from: bytes(request.size_from), to: bytes(request.size_to) },
        created: Span {
            from: request.created_from.map(|at| millis(at, "created_from")).transpose()?,
            to: request.created_before.map(|at| millis(at, "created_before")).transpose()?.map(|at| at - 1),
        },
        state: word(&request.state, "state", ReplicaState::parse, FAULTY, ReplicaState::as_str)?,
        order: word(&request.order, "order", ImageOrder::parse, ImageOrder::ALL, ImageOrder::as_str)?
            .unwrap_or_default(),
    };
    Ok((filter, PageAsk { size: request.page_size, token: request.page_token }))
}

/// Years 1 to 9999, as Unix milliseconds.
fn millis(at: Timestamp, field: &str) -> Result<i64, Fault> {
    if !(-62_135_596_800..=253_402_300_799).contains(&at.seconds) || !(0..1_000_000_000).contains(&at.nanos) {
        return Err(Fault::bad_request(text!(
            de "{field}: muss ein Zeitpunkt aus den Jahren 1 bis 9999 sein",
            en "{field}: must be a time from the year 1 to 9999"
        )));
    }
    Ok(at.seconds * 1000 + i64::from(at.nanos / 1_000_000))
}

/// A UUID from a request.
///
/// # Errors
/// A word that is none.
pub(crate) fn id(uuid: &str) -> Result<ImageId, Fault> {
    Ok(ImageId::try_from(uuid)?)
}

/// Copies to be read.
///
/// # Errors
/// Neither images nor a pool, both, a word that is no UUID.
pub(crate) fn check_ask(request: &v1::VerifyImagesRequest) -> Result<CheckAsk, Fault> {
    match (request.uuids.as_slice(), PoolId::try_from(request.pool_id)) {
        ([], Err(_)) => Err(Fault::bad_request(text!(
            de "uuids: mindestens ein Bild nennen, oder eine pool_id",
            en "uuids: name at least one image (ListImages has them), or a pool_id"
        ))),
        ([], Ok(pool)) => Ok(CheckAsk::Doubted(pool)),
        (_, Ok(_)) => Err(Fault::bad_request(text!(
            de "uuids, pool_id: entweder Bilder nennen oder einen Speicherpool, nicht beides",
            en "uuids, pool_id: name images or a pool, not both"
        ))),
        (uuids, Err(_)) if uuids.len() > CheckAsk::MAX_IMAGES => Err(Fault::bad_request(text!(
            de "uuids: {} Bilder in einer Anfrage, höchstens {} gehen; mehrere schicken",
            en "uuids: {} images in one request, at most {} go; send several",
            uuids.len(),
            CheckAsk::MAX_IMAGES
        ))),
        (uuids, Err(_)) => Ok(CheckAsk::Images(uuids.iter().map(|uuid| id(uuid)).collect::<Result<_, _>>()?)),
    }
}

/// A page of images.
pub(crate) fn page(page: Listed<Image>, domain: &str) -> v1::ListImagesResponse {
    v1::ListImagesResponse {
        images: page.items.into_iter().map(|it| image(it, domain)).collect(),
        next_page_token: page.next_page_token,
        total: page.total.count(),
        total_is_at_least: page.total.is_at_least(),
    }
}

/// An image with its files. `domain`: PUBLIC_DOMAIN.
pub(crate) fn image(image: Image, domain: &str) -> v1::Image {
    v1::Image {
        share_url: format!("{domain}/i/{}", image.share),
        url: image.url(),
        uuid: image.id.to_string(),
        share_token: image.share.to_string(),
        original_name: image.original_name,
        content_type: image.content_type,
        size: image.size,
        width: image.width,
        height: image.height,
        sha256: image.sha256.as_bytes().to_vec(),
        created: Some(timestamp(image.created)),
        pool_id: image.pool.get(),
        files: image.files.into_iter().map(file).collect(),
    }
}

fn file(file: File) -> v1::ImageFile {
    v1::ImageFile {
        url: file.url(),
        stored_path: file.path.to_string(),
        kind: file.kind,
        size: file.size,
        sha256: file.sha256.as_bytes().to_vec(),
        pool_id: file.pool.get(),
        state: file.state.as_str().to_owned(),
        generation: file.generation.0,
        trash_pool_id: file.kept_in.map_or(0, pixelfox_proto::PoolId::get),
    }
}
