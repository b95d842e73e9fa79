//! What the coordinator knows, as plain values: pools, nodes, images, replicas, jobs, orders, settings. Pure: no
//! database, no clock, no wire type.

mod account;
mod actor;
mod api_key;
mod brought;
mod checks;
mod control;
mod deletes;
mod found;
mod holdings;
mod image;
mod job;
mod lists;
mod node;
mod orders;
mod page;
mod plans;
mod pool;
mod pool_rules;
mod reach;
mod refusal;
mod replica;
mod settings;
mod time;
mod trash;
mod upload;

pub use account::{Account, AccountRule, AuditEntry, AuditFilter, NewSession, PasswordHash, Session};
pub use actor::{AccountName, Actor};
pub use api_key::ApiKey;
pub(crate) use api_key::MAX_KEYS;
pub use brought::Brought;
pub use checks::{CheckAsk, CheckOrder, CheckOutcome, CheckResult, CheckView, Checked, Found};
pub use control::{ChangeAsk, ChangeProgress, Changed, HeldJob, JobChange, WhichJobs};
pub use deletes::{DeleteAsk, Deleting};
pub use found::{
    Adopted, Elsewhere, Fate, FoundFile, FoundImage, FoundMark, FoundPool, Here, Namesakes, OnRecord, RebuildRule,
    Sorted, TakenIn,
};
pub use holdings::PoolHoldings;
pub use image::{File, Image, ImageFilter, ImageTotals, Span, TroubledFiles};
pub use job::{AtTarget, CopyLeft, Job, JobFilter, JobKind, JobState, JobTotals, Level, TakenBack};
pub use lists::{Bounds, ImageOrder, Listed, Place, SortKey, Total};
pub use node::{Attached, Hello, NodeElsewhere, NodeRecord, PoolReport, Pulse};
pub use orders::{
    Committed, FileDone, FileOutcome, Lane, LeaseOrder, Leased, LeasedFile, LeasedJob, Located, LostSession, MoveAsk,
    MoveBatch, MoveDone, MovedJob, PlanRule, ReturnedJob, Setback, SetbackKind, SettledJob, SourceFault,
};
pub use page::{Page, PageAsk, PageToken};
pub use plans::{PoolMoveAsk, Slice, UndoAsk};
pub use pool::{Pool, PoolDraft, PoolPatch, PoolSaved, PoolUsage, StorageTier, StorageType};
pub use pool_rules::{Finding, PoolSpec, SaveRule, Severity, auto_pool_name, origin_of, uploads_suffix};
pub use reach::{Reach, Share};
pub use refusal::{Refusal, RefusalKind};
pub use replica::{Bucket, ReplicaState};
pub use settings::{Settings, SettingsPatch};
pub use time::UnixMillis;
pub use trash::{PurgeOrder, Purging, TrashOrder, TrashOrigin, TrashOutcome, TrashResult, TrashTask, TrashView};
pub use upload::{NewUpload, Readable, UploadDecision, UploadedImage};
