//! A pool as it shall be: may it be saved? Each finding names its field. Who saves is not asked again about what did not
//! change; who wants to know is told about all of it.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use pixelfox_node::whois::{Found as Who, SecretMatch, Silence};
use pixelfox_proto::{Fault, FaultKind, NodeId, Text, text};

use super::checks::public_base_url::{self, FileSeen, Tried};
use super::checks::{secret, upload_api_url};
use super::seen::{Cluster, Presence};
use super::{Check, Diagnose, Finding, Status};
use crate::catalog::{self, Pool, PoolDraft, PoolSpec, RefusalKind, Severity};
use crate::clock;
use crate::sessions::{Command, Place, Session, Trouble};

/// Lines about one URL that are told; further nodes are counted.
const MOST_LINES: usize = 3;

/// How much of a pool is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What is new: enough to save it.
    Changed,
    /// Everything.
    All,
}

/// What of a pool is to be asked about.
struct Draft<'a> {
    spec: PoolSpec,
    /// The pool that it changes.
    before: Option<&'a Pool>,
    extent: Extent,
    subject: String,
}

impl Draft<'_> {
    /// Whether a field is to be asked about: everything is, or it is new or another than before.
    fn asks(&self, field: impl Fn(&Pool) -> &str, now: &str) -> bool {
        let is_new = |before: &Pool| before.node != self.spec.node || field(before) != now;
        self.extent == Extent::All || self.before.is_none_or(is_new)
    }
}

impl Diagnose {
    /// What saving `draft` over `before`, or as a new pool, meets with: `Failed` can't be saved, `Warning` only with
    /// `save_anyway`, `Ok` is only to be known. Takes as long as the slowest question, some seconds at most.
    ///
    /// # Errors
    /// The books can't be read.
    pub async fn draft(&self, draft: &PoolDraft, before: Option<&Pool>, extent: Extent) -> Result<Vec<Finding>, Fault> {
        let (spec, rules) = PoolSpec::look_at(draft);
        let subject = format!("pool {}", spec.name);
        let mut found: Vec<Finding> =
            rules.into_iter().map(|rule| of_form(&subject, rule, RefusalKind::Invalid)).collect();
        let is_sound = |field: &str| !found.iter().any(|it| it.field == field && it.status == Status::Failed);
        let [node, path, upload, public] = ["node_id", "base_path", "upload_api_url", "public_base_url"].map(is_sound);
        if !node {
            return Ok(found);
        }
        let cluster = self.look().await?;
        let others: Vec<Pool> =
            cluster.pools.iter().filter(|pool| Some(pool.id) != before.map(|before| before.id)).cloned().collect();
        let draft = Draft { spec, before, extent, subject };
        let collisions = draft.spec.collisions(&others).into_iter();
        found.extend(collisions.map(|rule| of_form(&draft.subject, rule, RefusalKind::Exists)));
        let place = async {
            let asks = path && draft.asks(|pool| &pool.base_path, &draft.spec.base_path);
            if asks { self.place(&cluster, &draft).await } else { Ok(Vec::new()) }
        };
        let ways = async {
            let asks = upload && draft.asks(|pool| &pool.upload_api_url, &draft.spec.upload_api_url);
            if asks { self.ways(&cluster, &draft).await } else { Vec::new() }
        };
        let public = async {
            let asks = public && draft.asks(|pool| &pool.public_base_url, &draft.spec.public_base_url);
            if asks { Some(self.public(&cluster, &draft).await) } else { None }
        };
        let (place, ways, public) = tokio::join!(place, ways, public);
        found.extend(place?);
        found.extend(ways);
        found.extend(public);
        Ok(found.into_iter().map(|line| self.signed(line, cluster.now)).collect())
    }

    /// The node is known, and the directory is one that it allows and that is nobody else's; of a pool that has data, one
    /// where this data is. What can't be asked, or may come true later, is a warning: then the pool is offline until it
    /// is so.
    async fn place(&self, cluster: &Cluster, draft: &Draft<'_>) -> Result<Vec<Finding>, Fault> {
        let (spec, node, path) = (&draft.spec, &draft.spec.node, &draft.spec.base_path);
        let Some(session) = self.sessions.of(node) else {
            return Ok(vec![cannot_ask(cluster, draft)]);
        };
        if let Some(finding) = outside(&session, draft) {
            return Ok(vec![finding]);
        }
        let place = Place {
            pool: draft.before.map(|pool| pool.id),
            name: spec.name.clone(),
            base_path: path.clone(),
            identity: draft.before.map(|pool| pool.identity.clone()).unwrap_or_default(),
            initialize: draft.before.is_none_or(|pool| pool.initialize),
            retired: self.store.retired_identities().await?,
        };
        let anyway = if place.initialize {
            text!(
                de "Das in Ordnung bringen, oder trotzdem speichern: bis dahin ist der Speicherpool offline",
                en "Put that right, or save anyway (save_anyway): the pool is offline until then"
            )
        } else {
            text!(
                de "Das in Ordnung bringen, oder trotzdem speichern: der Speicherpool ist offline, bis seine Daten da sind",
                en "Put that right, or save anyway (save_anyway): the pool is offline until its data is there"
            )
        };
        let health = match self.sessions.probe(&session, Command::ProbePlace(Box::new(place))).await {
            Ok(health) => health,
            // One that is too old to know the question finds out when it opens the pool.
            Err(fault) if fault.kind() == FaultKind::FailedPrecondition => return Ok(Vec::new()),
            Err(fault) => {
                let advice = text!(
                    de "Noch einmal versuchen, oder trotzdem speichern: der Speicherpool ist offline, bis sein Knoten ihn hat",
                    en "Try again, or save anyway (save_anyway): the pool is offline until its node has it"
                );
                return Ok(vec![Finding::warning(&draft.subject, Check::BasePath, fault.text(), advice)]);
            }
        };
        Ok(match health.problem {
            None if !health.would_make.is_empty() => vec![to_be_made(draft, &health.would_make)],
            None => vec![Finding::ok(
                &draft.subject,
                Check::BasePath,
                text!(
                    de "{path} auf Knoten {node} taugt dafür",
                    en "{path} on node {node} can serve"
                ),
            )],
            Some(problem) if health.impossible => {
                let problem = text!(
                    de "{path} auf Knoten {node} gehört schon einem anderen Speicherpool ({problem})",
                    en "{problem}"
                );
                let advice = text!(
                    de "Ein anderes Verzeichnis auf Knoten {node} wählen",
                    en "Choose another directory on node {node}"
                );
                let finding = Finding::failed(&draft.subject, Check::SameDirectory, problem, advice);
                vec![finding.as_refusal(RefusalKind::Exists)]
            }
            Some(problem) => {
                let problem = not_yet(path, node, problem, health.trouble);
                vec![Finding::warning(&draft.subject, Check::BasePath, problem, anyway)]
            }
        })
    }

    /// From each other node that is attached here. Another node at the URL is an error; all else may come right.
    async fn ways(&self, cluster: &Cluster, draft: &Draft<'_>) -> Vec<Finding> {
        let (node, url) = (&draft.spec.node, draft.spec.upload_api_url.as_str());
        let others = cluster.nodes.iter().filter(|seen| seen.about().is_some() && seen.node != *node);
        let from: Vec<NodeId> = others.map(|seen| seen.node.clone()).collect();
        let target = upload_api_url::Target::of(cluster, node, url, draft.spec.legacy_node);
        let one = |from: NodeId| async move {
            match self.ask_target(&from, node, url).await {
                Ok(found) => {
                    let line = upload_api_url::judge(&from, &target, &found);
                    let line = line.measured(format!("node {from}"), clock::now());
                    // One that does not know our secret may be another cluster's of the same name.
                    let is_foreign =
                        matches!(found.who, Who::Node { secret: SecretMatch::Different | SecretMatch::NotSet, .. });
                    match secret::between(&from, node, &found).filter(|_| is_foreign && line.status == Status::Ok) {
                        Some(Finding { message, advice, .. }) => {
                            Finding { message, advice, status: Status::Warning, ..line }
                        }
                        None if target.is_another_node(&found) => line,
                        None => at_most_a_doubt(line),
                    }
                }
                Err(not_tried) => not_tried,
            }
        };
        // One question to each node: none has to wait for another's answer.
        let lines = join_all(from.into_iter().map(one)).await;
        let (well, mut ill): (Vec<Finding>, Vec<Finding>) =
            lines.into_iter().partition(|line| line.status == Status::Ok);
        ill.dedup_by(|line, before| line.message == before.message);
        let more = ill.len().saturating_sub(MOST_LINES);
        let mut told: Vec<Finding> = ill.into_iter().take(MOST_LINES).collect();
        if let (Some(last), 1..) = (told.last_mut(), more) {
            let message = &last.message;
            last.message = text!(
                de "{message} (und {more} weitere Knoten sagen Ähnliches)",
                en "{message} (and {more} more nodes say the like)",
                with message
            );
        }
        if let (true, Some(first)) = (told.is_empty(), well.into_iter().next()) {
            told.push(first);
        }
        told
    }

    /// A name that this server does not know may be one for browsers alone: only to be known.
    async fn public(&self, cluster: &Cluster, draft: &Draft<'_>) -> Finding {
        let domain = cluster.node(&draft.spec.node).and_then(|seen| Some(seen.about()?.public_domain.as_str()));
        let (url, node) = (draft.spec.public_base_url.as_str(), &draft.spec.node);
        let who = self.whois.at(url).await;
        let is_unknown_name = matches!(who, Who::Nobody(Silence::NoSuchName, _));
        let (subject, file, took) = (draft.subject.clone(), FileSeen::NotTried, Duration::ZERO);
        let finding = public_base_url::judge(&Tried { subject, url, node, domain, file, who, took });
        if is_unknown_name { Finding { status: Status::Ok, ..finding } } else { finding }
    }
}

/// A rule of the form that is broken.
fn of_form(subject: &str, rule: catalog::Finding, refusal: RefusalKind) -> Finding {
    let finding = match rule.severity {
        Severity::Error => Finding::failed(subject, Check::Form, rule.message, Text::default()),
        Severity::Warning => Finding::warning(subject, Check::Form, rule.message, Text::default()),
    };
    finding.about(rule.field).as_refusal(refusal)
}

fn at_most_a_doubt(finding: Finding) -> Finding {
    Finding { status: finding.status.min(Status::Warning), ..finding }
}

/// The directory is not there and is made with the pool: where others above it are missing too, its path may be misspelt.
fn to_be_made(draft: &Draft<'_>, would_make: &str) -> Finding {
    let (node, path) = (&draft.spec.node, &draft.spec.base_path);
    if Path::new(would_make).file_name() == Path::new(path).file_name() {
        let message = text!(
            de "{path} gibt es auf Knoten {node} noch nicht: das Verzeichnis wird mit dem Speicherpool angelegt",
            en "{path} is not there on node {node} yet: the directory is made with the pool"
        );
        return Finding::ok(&draft.subject, Check::BasePath, message);
    }
    let message = text!(
        de "{path} gibt es auf Knoten {node} nicht, und {would_make} darüber auch nicht",
        en "{path} is not there on node {node}, nor is {would_make} above it"
    );
    let advice = text!(
        de "Die Schreibweise ansehen, oder trotzdem speichern: dann werden sie angelegt",
        en "Look at how it is spelt, or save anyway (save_anyway): then they are made"
    );
    Finding::warning(&draft.subject, Check::BasePath, message, advice)
}

/// Nobody can look at the directory.
fn cannot_ask(cluster: &Cluster, draft: &Draft<'_>) -> Finding {
    let (node, path) = (&draft.spec.node, &draft.spec.base_path);
    let presence = cluster.node(node).map_or(&Presence::Never, |seen| &seen.presence);
    let doubt = |message: Text, advice: Text| {
        Finding::warning(&draft.subject, Check::Attached, message, advice).about("node_id")
    };
    match (draft.before.filter(|pool| !pool.initialize), presence) {
        (_, Presence::Elsewhere { server, url, .. }) => doubt(
            text!(
                de "Knoten {node} ist mit einem anderen Server verbunden, {server}: nur der kann ihn fragen",
                en "node {node} is attached to another server, {server}: only that one can ask it"
            ),
            text!(
                de "Auf {} dasselbe tun, oder trotzdem speichern",
                en "Ask {} the same, or save anyway (save_anyway)",
                if url.is_empty() { server } else { url }
            ),
        ),
        (Some(pool), _) => doubt(
            text!(
                de "Knoten {node} ist nicht verbunden: niemand kann sehen, ob Speicherpool {} in {path} liegt",
                en "node {node} is not attached, so nobody can see whether pool {} is in {path}",
                pool.name
            ),
            text!(
                de "Ihn starten, oder trotzdem speichern: der Speicherpool ist offline, bis seine Daten da sind",
                en "Start it, or save anyway (save_anyway): the pool is offline until its data is there"
            ),
        ),
        (None, Presence::Never) => doubt(
            text!(de "ein Knoten {node} war noch nie verbunden", en "no node {node} has ever attached"),
            text!(
                de "Ihn mit NODE_ID={node} starten, oder trotzdem speichern und ihn später starten",
                en "Start it with NODE_ID={node}, or save anyway (save_anyway) and start it later"
            ),
        ),
        (None, _) => doubt(
            text!(
                de "Knoten {node} ist nicht verbunden: niemand kann sehen, ob {path} taugt",
                en "node {node} is not attached, so nobody can see whether {path} can serve"
            ),
            text!(
                de "Ihn starten, oder trotzdem speichern: bis dahin ist der Speicherpool offline",
                en "Start it, or save anyway (save_anyway): the pool is offline until then"
            ),
        ),
    }
}

/// The text of the path only: links are resolved by the node, which opens no pool outside.
fn outside(session: &Session, draft: &Draft<'_>) -> Option<Finding> {
    let (node, path, roots) = (session.node(), &draft.spec.base_path, &session.hello().storage_roots);
    if roots.is_empty() || roots.iter().any(|root| Path::new(path).starts_with(root)) {
        return None;
    }
    let message = text!(
        de "{path} liegt unter keinem Speicherverzeichnis von Knoten {node} ({})",
        en "{path} is not under a storage root of node {node} ({})",
        roots.join(":")
    );
    let advice = text!(
        de "Ein Verzeichnis unter einem davon wählen, oder es in STORAGE_ROOTS von Knoten {node} eintragen",
        en "Choose a directory below one of them, or add it to STORAGE_ROOTS of node {node}"
    );
    let finding = Finding::failed(&draft.subject, Check::BasePath, message, advice);
    Some(finding.as_refusal(RefusalKind::Invalid))
}

/// What is in the way of a place, though it may come right.
fn not_yet(path: &str, node: &NodeId, problem: String, trouble: Option<Trouble>) -> Text {
    let missing = "das Verzeichnis ist nicht da; ist seine Platte eingehängt?";
    let why = if trouble == Some(Trouble::NoDirectory) { missing } else { problem.as_str() };
    let german = format!("{path} auf Knoten {node} taugt noch nicht: {why}");
    Text::new(german, problem)
}
