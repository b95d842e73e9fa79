//! CommitUpload and Locate on the wire.

use pixelfox_proto::v1::{self, commit_upload_response::Decision};
use pixelfox_proto::{Fault, FileMeta, ImageId, NodeId, PoolId, Sha256, StoredPath, VisitorId};

use crate::catalog::{NewUpload, UploadDecision, UploadedImage};

/// What `node` has stored and wants a record for.
///
/// # Errors
/// The field that can't be right.
pub(crate) fn new_upload(node: NodeId, request: v1::CommitUploadRequest) -> Result<NewUpload, Fault> {
    let field = |name: &str, why: &dyn std::fmt::Display| Fault::bad_request(format!("{name}: {why}"));
    if request.size == 0 {
        return Err(Fault::bad_request("size: an empty file is no image"));
    }
    Ok(NewUpload {
        id: ImageId::try_from(request.upload_id.as_str()).map_err(|e| field("upload_id", &e))?,
        node,
        pool: PoolId::try_from(request.pool_id).map_err(|e| field("pool_id", &e))?,
        path: StoredPath::try_from(request.stored_path.as_str()).map_err(|e| field("stored_path", &e))?,
        size: request.size,
        sha256: Sha256::try_from(request.sha256.as_slice()).map_err(|e| field("sha256", &e))?,
        meta: request.meta.map(FileMeta::from).unwrap_or_default(),
        visitor: VisitorId::new(request.visitor),
    })
}

/// The answer to the node.
pub(crate) fn decided(decision: UploadDecision) -> v1::CommitUploadResponse {
    let with = |decision: Decision, image: UploadedImage| v1::CommitUploadResponse {
        decision: decision.into(),
        image_uuid: image.id.to_string(),
        share_token: image.share.to_string(),
        url: image.url,
    };
    match decision {
        UploadDecision::Keep(image) => with(Decision::Keep, image),
        UploadDecision::DropDuplicate(image) => with(Decision::DropDuplicate, image),
        UploadDecision::DropRefused(_) => {
            v1::CommitUploadResponse { decision: Decision::DropRefused.into(), ..v1::CommitUploadResponse::default() }
        }
    }
}

/// Where a path is served from now.
pub(crate) fn located(url: Option<String>) -> v1::LocateResponse {
    v1::LocateResponse { found: url.is_some(), url: url.unwrap_or_default() }
}
