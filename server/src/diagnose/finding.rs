//! What a check has to say. Pure.

use std::time::Duration;

use pixelfox_proto::{PoolId, Text};

use crate::catalog::{RefusalKind, UnixMillis};

/// One line of the diagnosis: what was looked at, what was seen, what to change.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// `node s01`, `pool img1`, `local -> s01`.
    pub subject: String,
    /// Which check.
    pub check: Check,
    /// How it stands.
    pub status: Status,
    /// What was seen.
    pub message: Text,
    /// What to change, where; empty where nothing is.
    pub advice: Text,
    /// What the asking took; zero where nothing was asked.
    pub took: Duration,
    /// The pool's field that it is about, by its name on the wire; empty where it is about none.
    pub field: &'static str,
    /// What sort of no it is to a pool's form.
    pub refusal: RefusalKind,
    /// The pool that it is about, where a way is tried for one.
    pub pool: Option<PoolId>,
    /// Who saw it: `node s01`, `server local`; empty: not said yet.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// As it should be, or only to be known.
    Ok,
    /// It looks wrong, or could not be tried.
    Warning,
    /// It does not work.
    Failed,
}

/// What is checked. Source: admin.proto, `Finding.check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The node has a session.
    Attached,
    /// NODE_IDs are what pools and nodes say, and each is one process's.
    NodeId,
    /// Secrets are equal.
    Secret,
    /// Variables that deserve a word.
    Environment,
    /// Clocks agree.
    Clock,
    /// Programs are of one version.
    Version,
    /// The pool's directory is there and allowed.
    BasePath,
    /// No other pool or process has it.
    SameDirectory,
    /// It takes files.
    Write,
    /// It has room.
    Space,
    /// Browsers get the pool's files there.
    PublicBaseUrl,
    /// Other nodes reach the pool's node there.
    UploadApiUrl,
    /// A field of a pool's form that no node has to be asked about.
    Form,
}

impl Check {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::NodeId => "node_id",
            Self::Secret => "secret",
            Self::Environment => "environment",
            Self::Clock => "clock",
            Self::Version => "version",
            Self::BasePath => "base_path",
            Self::SameDirectory => "same_directory",
            Self::Write => "write",
            Self::Space => "space",
            Self::PublicBaseUrl => "public_base_url",
            Self::UploadApiUrl => "upload_api_url",
            Self::Form => "form",
        }
    }

    /// The pool's field that it looks at.
    const fn field(self) -> &'static str {
        match self {
            Self::BasePath | Self::SameDirectory | Self::Write => "base_path",
            Self::PublicBaseUrl => "public_base_url",
            Self::UploadApiUrl => "upload_api_url",
            _ => "",
        }
    }
}

impl Finding {
    /// As it should be.
    pub fn ok(subject: impl Into<String>, check: Check, message: Text) -> Self {
        Self::new(subject, check, Status::Ok, message, Text::default())
    }

    /// It looks wrong, or could not be tried.
    pub fn warning(subject: impl Into<String>, check: Check, message: Text, advice: Text) -> Self {
        Self::new(subject, check, Status::Warning, message, advice)
    }

    /// It does not work.
    pub fn failed(subject: impl Into<String>, check: Check, message: Text, advice: Text) -> Self {
        Self::new(subject, check, Status::Failed, message, advice)
    }

    fn new(subject: impl Into<String>, check: Check, status: Status, message: Text, advice: Text) -> Self {
        Self {
            subject: subject.into(),
            check,
            status,
            message,
            advice,
            took: Duration::ZERO,
            field: check.field(),
            refusal: RefusalKind::Precondition,
            pool: None,
            by: String::new(),
            at: UnixMillis(0),
        }
    }

    /// With who saw it, and when.
    #[must_use]
    pub fn measured(self, by: String, at: UnixMillis) -> Self {
        Self { by, at, ..self }
    }

    /// About this pool.
    #[must_use]
    pub fn of_pool(self, pool: PoolId) -> Self {
        Self { pool: Some(pool), ..self }
    }

    /// With what the asking took.
    #[must_use]
    pub fn after(self, took: Duration) -> Self {
        Self { took, ..self }
    }

    /// About another field than the check's own.
    #[must_use]
    pub fn about(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// With what sort of no it is.
    #[must_use]
    pub fn as_refusal(self, refusal: RefusalKind) -> Self {
        Self { refusal, ..self }
    }
}
