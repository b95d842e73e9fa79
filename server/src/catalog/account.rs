//! Accounts of the pages, their sessions, and what the audit keeps. Pure.

use std::fmt;

use pixelfox_proto::Sha256;

use super::{AccountName, UnixMillis};

/// A password as the books have it: an argon2id hash in PHC form. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Somebody who may sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: AccountName,
    /// What the password is checked against.
    pub password: PasswordHash,
}

/// A session as the books know it: by the digest of its secret, so that a copy of the books opens none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Whose it is.
    pub account: AccountName,
    /// The hash that the password was checked against: where it is another by now, there is no session.
    pub password: PasswordHash,
    /// Of the secret that only the browser has.
    pub digest: Sha256,
    /// When it is over.
    pub expires: UnixMillis,
    /// Where it was begun from, for the audit.
    pub from: String,
}

/// A session that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose it is.
    pub account: AccountName,
    /// When it is over.
    pub expires: UnixMillis,
}

/// Whether a new password may make a new account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountRule {
    /// It must be there.
    Existing,
    /// It must not be.
    New,
}

/// Who changed what, as the audit has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Rises with each.
    pub id: u64,
    /// When.
    pub at: UnixMillis,
    /// Who: an account's name, or the word for one who has none.
    pub actor: String,
    /// What was done, as the Admin method is called, in snake case.
    pub action: String,
    /// To what: an id, or the name of what there is once.
    pub subject: String,
    /// In words, where there is something to say.
    pub detail: String,
    /// The fields that were changed, before: a JSON object, or empty.
    pub was: String,
    /// And after.
    pub became: String,
}

/// Which rows of the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of this actor; empty: any.
    pub actor: String,
    /// This action; empty: any.
    pub action: String,
    /// About this; empty: anything.
    pub subject: String,
    /// Not older than this.
    pub from: Option<UnixMillis>,
    /// Older than this.
    pub until: Option<UnixMillis>,
}
