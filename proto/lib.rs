//! The language of a PixelFox cluster: checked words, verified frames, faults, and the generated gRPC types.
//!
//! Pure: knows no disk, no database, no clock and no random source; `now` is an argument.
//! A number, path or id from outside becomes one of these types at the door, once.

mod attempt;
mod digest;
mod fault;
mod file_meta;
mod frame;
mod id;
mod pool_facts;
mod refusal;
mod stored_path;
mod text;
mod trace;
mod upload_token;

pub use attempt::Attempt;
pub use digest::{DigestError, PrefixHasher, Sha256};
pub use fault::{Fault, FaultKind, IN_GERMAN, RETRY_AFTER};
pub use file_meta::FileMeta;
pub use frame::{Cut, Cutter, FrameError, MAX_FRAME_BYTES, Verifier};
pub use id::{Generation, IdError, ImageId, JobId, Lease, NodeId, PoolId, SessionEpoch, ShareToken};
pub use pool_facts::PoolFacts;
pub use refusal::RefusalReason;
pub use stored_path::{PathError, PathRoot, StoredPath};
pub use text::{Language, Said, Text};
pub use trace::{Trace, TraceId};
pub use upload_token::{Claims, TokenError, Via, VisitorId};

/// The protocol of [`v1`] that this build speaks, as `Hello.protocol` says it. A hello without one counts as 1.
pub const PROTOCOL: u32 = 1;

/// The generated messages, clients and servers of `proto/pixelfox/v1`.
#[expect(
    missing_docs,
    clippy::all,
    clippy::missing_errors_doc,
    clippy::too_many_lines,
    clippy::allow_attributes_without_reason,
    rustdoc::all,
    reason = "generated code: its documentation is the comments of the .proto files"
)]
pub mod v1 {
    tonic::include_proto!("pixelfox.v1");

    /// Every message and service with its comments, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("pixelfox_descriptor");
}
