//! Images on the wire.

use pixelfox_proto::{Fault, ImageId, PoolId, v1};

use super::timestamp;
use crate::catalog::{CheckAsk, File, Image, ImageFilter, Page, PageAsk};

/// The longest search in bytes: no name is longer, and SQLite refuses long patterns.
const QUERY_BYTES: usize = 1024;

/// Which images, and which page of them.
///
/// # Errors
/// A search for what no name can have.
pub(crate) fn ask(request: v1::ListImagesRequest) -> Result<(ImageFilter, PageAsk), Fault> {
    if request.query.len() > QUERY_BYTES || request.query.chars().any(char::is_control) {
        return Err(Fault::bad_request(format!("query: must be text on one line of at most {QUERY_BYTES} bytes")));
    }
    let filter = ImageFilter { pool: PoolId::try_from(request.pool_id).ok(), query: request.query };
    Ok((filter, PageAsk { size: request.page_size, token: request.page_token }))
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
        ([], Err(_)) => Err(Fault::bad_request("uuids: name at least one image (ListImages has them), or a pool_id")),
        ([], Ok(pool)) => Ok(CheckAsk::Doubted(pool)),
        (_, Ok(_)) => Err(Fault::bad_request("uuids, pool_id: name images or a pool, not both")),
        (uuids, Err(_)) if uuids.len() > CheckAsk::MAX_IMAGES => Err(Fault::bad_request(format!(
            "uuids: {} images in one request, at most {} go; send several",
            uuids.len(),
            CheckAsk::MAX_IMAGES
        ))),
        (uuids, Err(_)) => Ok(CheckAsk::Images(uuids.iter().map(|uuid| id(uuid)).collect::<Result<_, _>>()?)),
    }
}

/// A page of images.
pub(crate) fn page(page: Page<Image>) -> v1::ListImagesResponse {
    v1::ListImagesResponse {
        images: page.items.into_iter().map(image).collect(),
        next_page_token: page.next_page_token,
        total: page.total,
    }
}

/// An image with its files.
pub(crate) fn image(image: Image) -> v1::Image {
    v1::Image {
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
    }
}
