//! The questions: to a pool's node, to a URL from another node, to a URL as a browser would ask it. What was answered goes
//! to `checks`.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use pixelfox_node::whois::{Answer, AskError, Found as Who, Silence};
use pixelfox_proto::{FaultKind, NodeId, text};
use tokio::time::Instant;
use url::Url;

use super::checks::{base_path, public_base_url, same_directory, secret, space, upload_api_url, write};
use super::seen::{Cluster, pool_subject};
use super::{Diagnose, Finding};
use crate::catalog::{Pool, Settings};
use crate::clock;
use crate::sessions::{LeftFile, PoolHealth, Seat, TargetFound, above_reserve};

/// A probe file is left for so long at most; it is taken away as soon as its URL was tried.
const LEAVE_SECONDS: u32 = 30;

impl Diagnose {
    /// About one pool: its directory, its room, its public URL.
    pub(super) async fn ask_about(&self, cluster: &Cluster, pool: &Pool, settings: &Settings) -> Vec<Finding> {
        let session = match self.sessions.seat(&pool.node) {
            None => {
                let why = text!(de "Knoten {} ist nicht verbunden", en "node {} is not attached", pool.node);
                return vec![base_path::not_tried(pool, &why)];
            }
            Some(Seat::Elsewhere(node)) => {
                // Nobody here can ask it. What browsers get is the same from here.
                let told = Seat::Elsewhere(Arc::clone(&node)).pool(pool.id);
                let public = self.ask_public(pool, None, None).await;
                return vec![base_path::elsewhere(pool, &node, told.as_ref()), public];
            }
            Some(Seat::Here(session)) => session,
        };
        let begin = Instant::now();
        let (health, left) = match self.sessions.probe_and_leave(&session, pool.id, LEAVE_SECONDS).await {
            Ok(found) => found,
            Err(fault) if matches!(fault.kind(), FaultKind::TimedOut | FaultKind::Unavailable) => {
                let lives = fault.kind() == FaultKind::TimedOut && session.was_heard_since(begin);
                let culprit = if lives { write::Culprit::Disk } else { write::Culprit::Process };
                return vec![write::hangs(pool, culprit, &fault.text())];
            }
            Err(fault) => return vec![base_path::not_tried(pool, &fault.text())],
        };
        let seen = of_disk(pool, &health, settings, begin.elapsed()).into_iter();
        let mut found: Vec<Finding> =
            seen.map(|line| line.measured(format!("node {}", pool.node), clock::now())).collect();
        let domain = cluster.node(&pool.node).and_then(|seen| Some(seen.about()?.public_domain.as_str()));
        found.push(self.ask_public(pool, domain, left.as_ref().map(|left| &left.file)).await);
        if let Some(left) = left {
            self.sessions.take_away(&session, &left);
        }
        found
    }

    /// From one node to another's pool.
    pub(super) async fn ask_way(&self, cluster: &Cluster, from: &NodeId, pool: &Pool) -> Vec<Finding> {
        let (to, url) = (&pool.node, &pool.upload_api_url);
        let target = upload_api_url::Target::of(cluster, to, url, pool.legacy_node);
        match self.ask_target(from, to, url).await {
            Ok(found) => {
                let mut lines = vec![upload_api_url::judge(from, &target, &found)];
                lines.extend(secret::between(from, to, &found));
                let measured = |line: Finding| line.measured(format!("node {from}"), clock::now()).of_pool(pool.id);
                lines.into_iter().map(measured).collect()
            }
            Err(not_tried) => vec![not_tried.of_pool(pool.id)],
        }
    }

    /// Who `from` finds at `url`, where `to` should be; else a line on why it was not tried.
    pub(super) async fn ask_target(&self, from: &NodeId, to: &NodeId, url: &str) -> Result<TargetFound, Finding> {
        let Some(session) = self.sessions.of(from) else {
            let why = text!(de "Knoten {from} ist weg", en "node {from} has gone");
            return Err(upload_api_url::not_tried(from, to, &why));
        };
        let asked = self.sessions.probe_target(&session, url.to_owned(), to.clone()).await;
        asked.map_err(|fault| upload_api_url::not_tried(from, to, &fault.text()))
    }

    /// A pool's public URL, by a file that its node has left there, and by who says that he is there.
    async fn ask_public(&self, pool: &Pool, domain: Option<&str>, left: Option<&LeftFile>) -> Finding {
        let begin = Instant::now();
        let (subject, url, node) = (pool_subject(pool), pool.public_base_url.as_str(), &pool.node);
        let file = match left {
            Some(left) => self.fetch(url, left).await,
            None => public_base_url::FileSeen::NotTried,
        };
        let who = match &file {
            public_base_url::FileSeen::Right => Who::Stranger(String::new()), // nobody has to say it
            public_base_url::FileSeen::NoAnswer(silence, why) => Who::Nobody(*silence, why.clone()),
            _ => self.whois.at(url).await,
        };
        let took = begin.elapsed();
        public_base_url::judge(&public_base_url::Tried { subject, url, node, domain, file, who, took })
    }

    async fn fetch(&self, base: &str, left: &LeftFile) -> public_base_url::FileSeen {
        let url = format!("{}/uploads/{}", base.trim_end_matches('/'), left.path);
        let asked = match Url::parse(&url) {
            Ok(url) => self.whois.asker().ask(Method::GET, &url).await,
            Err(_) => Err(AskError::Url(url)),
        };
        match asked {
            Ok(Answer { status: StatusCode::OK, body, .. }) if body == left.content => public_base_url::FileSeen::Right,
            Ok(Answer { status, location: Some(place), .. }) if status.is_redirection() => {
                public_base_url::FileSeen::LedTo(place)
            }
            Ok(Answer { status, .. }) => public_base_url::FileSeen::Wrong(status.as_u16()),
            Err(error) => {
                let is_name = matches!(error, AskError::Name(..));
                let silence = if is_name { Silence::NoSuchName } else { Silence::NoAnswer };
                public_base_url::FileSeen::NoAnswer(silence, error.in_full())
            }
        }
    }
}

fn of_disk(pool: &Pool, health: &PoolHealth, settings: &Settings, took: Duration) -> Vec<Finding> {
    vec![
        base_path::judge(pool, health).after(took),
        same_directory::judge(pool, health),
        write::judge(pool, health).after(took),
        space::judge(pool, health, above_reserve(health, settings)),
    ]
}
