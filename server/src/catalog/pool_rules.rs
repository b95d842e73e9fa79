//! What a pool must be to work: each finding names the field and the cure. Pure.

use std::collections::BTreeSet;

use pixelfox_proto::{NodeId, Text, text};
use url::Url;

use super::{Pool, PoolDraft, Refusal, StorageTier, StorageType};

/// Whether doubts are saved over. What can't work is refused either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SaveRule {
    /// Doubts are refused too.
    #[default]
    Checked,
    /// `save_anyway`.
    Anyway,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It can't work.
    Error,
    /// It looks wrong; may be saved over.
    Warning,
}

/// One thing about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name on the wire.
    pub field: &'static str,
    /// How bad.
    pub severity: Severity,
    /// What is wrong and what to do.
    pub message: Text,
}

impl Finding {
    /// `field: what is wrong`.
    fn sentence(&self) -> Text {
        Text::join(&[Text::verbatim(self.field), self.message.clone()], ": ")
    }
}

/// A pool that can work: checked and in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// 1 to 64 characters, no control characters, no spaces around.
    pub name: String,
    /// The node.
    pub node: NodeId,
    /// Absolute, no `.`, `..`, doubled or trailing slash.
    pub base_path: String,
    /// http or https, without user, query and fragment.
    pub upload_api_url: String,
    /// Likewise, without a slash at its end.
    pub public_base_url: String,
    /// Bytes; 0: no limit.
    pub max_size: u64,
    /// Takes uploads and moves.
    pub is_active: bool,
    /// Where uploads go when no other has room.
    pub is_default: bool,
    /// The lowest is chosen first.
    pub priority: i32,
    /// What it is made of.
    pub storage_type: StorageType,
    /// How fast it is.
    pub storage_tier: StorageTier,
    /// At most 1,000 characters.
    pub description: String,
    /// 0: its own id.
    pub legacy_pool_id: u64,
    /// An older PixelFox.
    pub legacy_node: bool,
}

impl PoolSpec {
    /// Checks each field on its own.
    ///
    /// # Errors
    /// All findings in one sentence each: errors always, warnings unless saved over.
    pub fn check(draft: &PoolDraft, rule: SaveRule) -> Result<Self, Refusal> {
        let (spec, found) = Self::look_at(draft);
        let counts = |f: &&Finding| f.severity == Severity::Error || rule == SaveRule::Checked;
        let sentences: Vec<Text> = found.iter().filter(counts).map(Finding::sentence).collect();
        if sentences.is_empty() { Ok(spec) } else { Err(Refusal::invalid(Text::join(&sentences, "; "))) }
    }

    /// The pool in normal form, and what is to be said of its fields: with an error among it, it is no pool.
    #[must_use]
    pub fn look_at(draft: &PoolDraft) -> (Self, Vec<Finding>) {
        let mut found = Findings::default();
        let spec = Self {
            name: found.name(&draft.name),
            node: found.node(&draft.node_id),
            base_path: found.base_path(&draft.base_path),
            upload_api_url: found.upload_api_url(&draft.upload_api_url),
            public_base_url: found.public_base_url(&draft.public_base_url),
            max_size: found.number("max_size", draft.max_size),
            is_active: draft.is_active,
            is_default: draft.is_default,
            priority: draft.priority,
            storage_type: found.storage_type(&draft.storage_type),
            storage_tier: found.storage_tier(&draft.storage_tier),
            description: found.description(&draft.description),
            legacy_pool_id: found.number("legacy_pool_id", draft.legacy_pool_id),
            legacy_node: draft.legacy_node,
        };
        (spec, found.0)
    }

    /// Checks it against every other pool (`others` without the one that it changes): name, directory, legacy id.
    ///
    /// # Errors
    /// The first pool that it collides with.
    pub fn fits(&self, others: &[Pool]) -> Result<(), Refusal> {
        self.collisions(others).first().map_or(Ok(()), |found| Err(Refusal::exists(found.sentence())))
    }

    /// As [`PoolSpec::fits`], each collision.
    #[must_use]
    pub fn collisions(&self, others: &[Pool]) -> Vec<Finding> {
        let mut found = Findings::default();
        for other in others {
            let (name, id) = (&other.name, other.id);
            if self.name == *name {
                let node = &other.node;
                found.error(
                    "name",
                    text!(
                        de "Speicherpool {id} auf Knoten {node} heißt schon {name}; einen anderen Namen wählen",
                        en "pool {id} on node {node} is called {name} already; choose another"
                    ),
                );
            }
            if self.legacy_pool_id != 0 && self.legacy_pool_id == other.legacy_pool_id {
                let legacy = self.legacy_pool_id;
                let message = text!(
                    de "Speicherpool {name} ({id}) hat schon {legacy}",
                    en "pool {name} ({id}) has {legacy} already"
                );
                found.error("legacy_pool_id", message);
            }
            if self.node == other.node && overlap(&self.base_path, &other.base_path) {
                let message = text!(
                    de "{} und {} von Speicherpool {name} ({id}) sind dasselbe Verzeichnis oder eines im anderen; \
                     jedem Speicherpool ein eigenes Verzeichnis geben",
                    en "{} and {} of pool {name} ({id}) are the same directory or one in the other; \
                     give each pool a directory of its own",
                    self.base_path,
                    other.base_path
                );
                found.error("base_path", message);
            }
        }
        found.0
    }
}

/// Whether one of two normal paths is the other or lies in it.
fn overlap(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    a == b || inside(a, b) || inside(b, a)
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, field: &'static str, message: Text) {
        self.0.push(Finding { field, severity: Severity::Error, message });
    }

    fn warning(&mut self, field: &'static str, message: Text) {
        self.0.push(Finding { field, severity: Severity::Warning, message });
    }

    fn name(&mut self, raw: &str) -> String {
        let name = raw.trim();
        if name.is_empty() || name.chars().count() > 64 || name.chars().any(char::is_control) {
            self.error(
                "name",
                text!(
                    de "braucht 1 bis 64 Zeichen in einer Zeile",
                    en "needs 1 to 64 characters on one line"
                ),
            );
        }
        name.to_owned()
    }

    fn node(&mut self, raw: &str) -> NodeId {
        raw.trim().parse().unwrap_or_else(|error: pixelfox_proto::IdError| {
            self.error("node_id", error.text());
            "invalid".parse().expect("a word of letters is a NODE_ID")
        })
    }

    fn base_path(&mut self, raw: &str) -> String {
        let path = raw.trim();
        if !path.starts_with('/') || path.len() > 4096 || path.chars().any(char::is_control) {
            self.error(
                "base_path",
                text!(
                    de "muss ein absoluter Pfad auf dem Knoten sein, wie /app/uploads_s01",
                    en "must be an absolute path on the node, as /app/uploads_s01"
                ),
            );
            return String::new();
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            self.error(
                "base_path",
                text!(
                    de "darf kein „..“ enthalten; den Pfad so schreiben, wie er ist",
                    en "must not contain `..`; write the path as it is"
                ),
            );
        } else if parts.is_empty() {
            self.error(
                "base_path",
                text!(
                    de "darf nicht das Wurzelverzeichnis sein; dem Speicherpool ein eigenes Verzeichnis geben",
                    en "must not be the root directory; give the pool a directory of its own"
                ),
            );
        }
        format!("/{}", parts.join("/"))
    }

    fn url(&mut self, field: &'static str, raw: &str, like: &str) -> Option<Url> {
        let Ok(url) = Url::parse(raw.trim()) else {
            self.error(field, text!(de "muss eine URL sein wie {like}", en "must be a URL like {like}"));
            return None;
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            self.error(
                field,
                text!(
                    de "muss mit http:// oder https:// und einem Host beginnen, wie {like}",
                    en "must begin with http:// or https:// and a host, like {like}"
                ),
            );
        } else if !url.username().is_empty() || url.password().is_some() {
            self.error(
                field,
                text!(
                    de "darf weder Benutzer noch Passwort enthalten; Knoten benutzen REPLICATION_SECRET",
                    en "must not contain a user or password; nodes use REPLICATION_SECRET"
                ),
            );
        } else if url.query().is_some() || url.fragment().is_some() {
            self.error(
                field,
                text!(
                    de "darf kein „?“ oder „#“ enthalten; weglassen",
                    en "must not contain `?` or `#`; leave them out"
                ),
            );
        }
        Some(url)
    }

    fn upload_api_url(&mut self, raw: &str) -> String {
        let field = "upload_api_url";
        let Some(url) = self.url(field, raw, "http://app_s01:4000/api/internal/upload") else { return String::new() };
        if !matches!(url.path(), "/api/internal/upload" | "/api/v1/upload") {
            self.warning(
                field,
                text!(
                    de "sollte auf /api/internal/upload enden: dort nehmen Knoten Uploads an",
                    en "should end in /api/internal/upload, where nodes take uploads"
                ),
            );
        }
        url.into()
    }

    fn public_base_url(&mut self, raw: &str) -> String {
        let field = "public_base_url";
        let Some(url) = self.url(field, raw, "http://s01.local:8082") else { return String::new() };
        let path = url.path().trim_end_matches('/');
        if uploads_suffix(&url).is_some() {
            self.error(
                field,
                text!(
                    de "darf nur Host und Port sein; {path} weglassen, Links bekommen /uploads von selbst",
                    en "must be host and port only; leave out {path}, links get /uploads by themselves"
                ),
            );
        } else if !path.is_empty() {
            self.warning(
                field,
                text!(
                    de "sollte nur Host und Port sein; Knoten liefern unter {path} nichts aus",
                    en "should be host and port only; nodes serve nothing under {path}"
                ),
            );
        }
        url.as_str().trim_end_matches('/').to_owned()
    }

    fn number(&mut self, field: &'static str, raw: u64) -> u64 {
        if i64::try_from(raw).is_err() {
            self.error(field, text!(de "ist zu groß; 0 steht für keine Grenze", en "is too large; 0 stands for none"));
        }
        raw
    }

    fn storage_type(&mut self, raw: &str) -> StorageType {
        match raw {
            "" | "local" => StorageType::Local,
            "nfs" => StorageType::Nfs,
            "s3" => {
                self.error(
                    "storage_type",
                    text!(
                        de "s3 ist noch nicht gebaut; local oder nfs nehmen",
                        en "s3 is not built yet; use local or nfs"
                    ),
                );
                StorageType::Local
            }
            _ => {
                self.error("storage_type", text!(de "muss local oder nfs sein", en "must be local or nfs"));
                StorageType::Local
            }
        }
    }

    fn storage_tier(&mut self, raw: &str) -> StorageTier {
        if raw.is_empty() {
            return StorageTier::default();
        }
        StorageTier::parse(raw).unwrap_or_else(|| {
            self.error(
                "storage_tier",
                text!(
                    de "muss hot, warm, cold oder archive sein",
                    en "must be hot, warm, cold or archive"
                ),
            );
            StorageTier::default()
        })
    }

    fn description(&mut self, raw: &str) -> String {
        if raw.chars().count() > 1000 || raw.contains('\0') {
            self.error(
                "description",
                text!(
                    de "darf höchstens 1.000 Zeichen Text haben",
                    en "must be text of at most 1,000 characters"
                ),
            );
        }
        raw.trim().to_owned()
    }
}

/// `uploads` or `uploads_s01` at the end of a URL's path, where it has one of them.
#[must_use]
pub fn uploads_suffix(url: &Url) -> Option<&str> {
    let last = url.path().trim_end_matches('/').rsplit('/').next()?;
    (last == "uploads" || last.starts_with("uploads_")).then_some(last)
}

/// Scheme, host and port of a URL that [`PoolSpec::check`] has passed.
#[must_use]
pub fn origin_of(url: &str) -> String {
    Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// The name of the pool that AUTO_POOLS makes for a node: `img` and the digits at the end of its NODE_ID, else the
/// next free number. Source: docs/configuration.md, "server".
#[must_use]
pub fn auto_pool_name(node: &NodeId, taken: &BTreeSet<String>) -> String {
    let word = node.as_str();
    let digits = &word[word.trim_end_matches(|c: char| c.is_ascii_digit()).len()..];
    let own = digits.parse::<u64>().ok().map(|number| format!("img{number}"));
    let mut free = (1_u64..).map(|number| format!("img{number}"));
    match own {
        Some(name) if !taken.contains(&name) => name,
        _ => free.find(|name| !taken.contains(name)).expect("there are more numbers than pools"),
    }
}

#[cfg(test)]
mod tests;
