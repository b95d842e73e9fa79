//! `public_base_url`: do browsers get the pool's files there? Tried from this server, which is not where browsers are.

use std::time::Duration;

use pixelfox_node::whois::{Found as Who, SecretMatch, Silence};
use pixelfox_proto::{NodeId, Text, text};
use url::Url;

use crate::catalog::{origin_of, uploads_suffix};
use crate::diagnose::finding::{Check, Finding, Status};

/// A pool's URL, and what was found there.
#[derive(Clone, Debug)]
pub(crate) struct Tried<'a> {
    /// `pool img1`.
    pub(crate) subject: String,
    /// The pool's public_base_url.
    pub(crate) url: &'a str,
    /// Its node.
    pub(crate) node: &'a NodeId,
    /// Itself as browsers see it, as that node says.
    pub(crate) domain: Option<&'a str>,
    /// What came of a file that the node had left under /uploads.
    pub(crate) file: FileSeen,
    /// Who says that he is there.
    pub(crate) who: Who,
    /// What all of it took.
    pub(crate) took: Duration,
}

/// What came back for a file that was left in the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FileSeen {
    /// None was left.
    NotTried,
    /// Its very bytes.
    Right,
    /// The way to another URL.
    LedTo(String),
    /// Something else, with this status.
    Wrong(u16),
    /// Nothing.
    NoAnswer(Silence, String),
}

/// What to say of it.
#[must_use]
pub(crate) fn judge(tried: &Tried<'_>) -> Finding {
    let (status, message, advice) = stands(tried);
    let finding = match status {
        Status::Ok => Finding::ok(&tried.subject, Check::PublicBaseUrl, message),
        Status::Warning => Finding::warning(&tried.subject, Check::PublicBaseUrl, message, advice),
        Status::Failed => Finding::failed(&tried.subject, Check::PublicBaseUrl, message, advice),
    };
    finding.after(tried.took)
}

/// What it should be.
fn right(tried: &Tried<'_>) -> Text {
    let (url, node) = (tried.url, tried.node);
    match tried.domain {
        Some(domain) if domain != url => text!(
            de "Auf {domain} setzen: so nennt sich Knoten {node} selbst (PUBLIC_DOMAIN)",
            en "Set it to {domain}, which node {node} says of itself (PUBLIC_DOMAIN)"
        ),
        _ => text!(
            de "Auf Host und Port setzen, unter denen Browser Knoten {node} erreichen, wie http://{node}.local:8082",
            en "Set it to host and port by which browsers reach node {node}, as http://{node}.local:8082"
        ),
    }
}

fn stands(tried: &Tried<'_>) -> (Status, Text, Text) {
    let (url, node) = (tried.url, tried.node);
    let right = right(tried);
    let parsed = Url::parse(url).ok();
    if let Some(suffix) = parsed.as_ref().and_then(uploads_suffix) {
        let message = text!(
            de "{url} endet auf /{suffix}, und Links bekommen /uploads von selbst: jeder ist 404",
            en "{url} ends in /{suffix}, and links get /uploads by themselves: each is 404"
        );
        let origin = origin_of(url);
        return (Status::Failed, message, text!(de "Auf {origin} setzen", en "Set it to {origin}"));
    }
    match (&tried.file, &tried.who) {
        (FileSeen::Right, _) => {
            let message = text!(
                de "{url} liefert die Dateien von Knoten {node} aus",
                en "{url} serves the files of node {node}"
            );
            (Status::Ok, message, Text::default())
        }
        (_, Who::Node { node_id, secret, .. }) if node_id != node.as_str() && *secret != SecretMatch::NotSet => {
            let message = text!(
                de "{url} führt zu Knoten {node_id}, nicht zu Knoten {node}",
                en "{url} leads to node {node_id}, not to node {node}"
            );
            (Status::Failed, message, right)
        }
        (FileSeen::LedTo(place), _) => {
            let message = text!(
                de "{url} schickt Browser weiter zu {place}",
                en "{url} sends browsers on to {place}"
            );
            (
                Status::Warning,
                message,
                text!(
                    de "Dorthin setzen, wo Browser ankommen, damit jedes Bild eine Anfrage braucht statt zwei",
                    en "Set it to where browsers end up, so that each picture takes one question"
                ),
            )
        }
        (FileSeen::Wrong(status), who) => not_served(tried, *status, who, right),
        (FileSeen::NotTried, Who::Node { secret: SecretMatch::Different | SecretMatch::NotSet, .. }) => {
            foreign(tried, &right)
        }
        (FileSeen::NotTried, Who::Node { .. }) => {
            let message = text!(de "{url} führt zu Knoten {node}", en "{url} leads to node {node}");
            (Status::Ok, message, Text::default())
        }
        (FileSeen::NotTried, Who::Older | Who::Stranger(_)) => {
            let message = text!(
                de "{url} antwortet, sagt aber nicht, dass es Knoten {node} ist",
                en "{url} answers, but does not say that it is node {node}"
            );
            (
                Status::Warning,
                message,
                text!(
                    de "{right}; ist dort ein Proxy, muss er /uploads an Knoten {node} weitergeben",
                    en "{right}; where a proxy is there, it must pass /uploads on to node {node}",
                    with right
                ),
            )
        }
        (FileSeen::NoAnswer(silence, why), _) | (FileSeen::NotTried, Who::Nobody(silence, why)) => {
            silent(url, *silence, why)
        }
    }
}

/// A node that is perhaps another cluster's.
fn foreign(tried: &Tried<'_>, right: &Text) -> (Status, Text, Text) {
    let (url, node) = (tried.url, tried.node);
    let message = text!(
        de "unter {url} antwortet ein Knoten, der das REPLICATION_SECRET dieses Clusters nicht kennt",
        en "the node that answers at {url} does not know this cluster's REPLICATION_SECRET"
    );
    let advice = text!(
        de "{right}, wenn das der Knoten eines anderen Clusters ist; sonst auf Knoten {node} dasselbe Secret setzen",
        en "{right}, if that is another cluster's node; else set the same secret on node {node}",
        with right
    );
    (Status::Warning, message, advice)
}

/// Something else than the file comes back.
fn not_served(tried: &Tried<'_>, status: u16, who: &Who, right: Text) -> (Status, Text, Text) {
    let (url, node) = (tried.url, tried.node);
    match who {
        Who::Node { .. } => {
            let message = text!(
                de "{url} führt zu Knoten {node}, aber eine Datei unter /uploads antwortet mit {status}",
                en "{url} leads to node {node}, but a file under /uploads answers {status}"
            );
            (Status::Failed, message, right)
        }
        _ => {
            let message = text!(
                de "{url} liefert die Dateien von Knoten {node} nicht aus: eine davon antwortet mit {status}",
                en "{url} does not serve the files of node {node}: one of them answers {status}"
            );
            (
                Status::Failed,
                message,
                text!(
                    de "{right}; ein Proxy dort muss /uploads an Knoten {node} weitergeben",
                    en "{right}; a proxy there must pass /uploads on to node {node}",
                    with right
                ),
            )
        }
    }
}

/// Nobody answers this server there.
fn silent(url: &str, silence: Silence, why: &str) -> (Status, Text, Text) {
    let message = text!(
        de "dieser Server kann es nicht sagen: {why}",
        en "this server can't tell: {why}"
    );
    let more = match silence {
        Silence::NoSuchName => text!(
            de "geht das, ist nichts zu tun: dieser Server muss den Namen nicht kennen",
            en "where it works there is nothing to do: this server need not know the name"
        ),
        Silence::NoAnswer => text!(
            de "geht das auch nicht, die URL richtigstellen oder den Weg zum Knoten öffnen",
            en "where it does not work either, correct the URL or open the way to the node"
        ),
    };
    let advice = text!(
        de "{url}/healthz in einem Browser öffnen: {more}",
        en "Open {url}/healthz in a browser: {more}",
        with more
    );
    (Status::Warning, message, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, id};

    fn node(name: &str) -> Who {
        Who::Node { node_id: name.into(), version: "1".into(), secret: SecretMatch::Equal }
    }

    fn stranger() -> Who {
        Who::Stranger("it answers 404".into())
    }

    fn nobody(silence: Silence) -> Who {
        Who::Nobody(silence, "could not connect".into())
    }

    fn silent(silence: Silence) -> FileSeen {
        FileSeen::NoAnswer(silence, "the name is not known".into())
    }

    type Row = (&'static str, &'static str, FileSeen, Who, Status, &'static [&'static str]);

    fn check(rows: Vec<Row>) {
        for (why, url, file, who, status, words) in rows {
            let (node, domain) = (id("s01"), Some("http://own.local"));
            let (subject, took) = ("pool img1".into(), Duration::ZERO);
            assert_stands(&judge(&Tried { subject, url, node: &node, domain, file, who, took }), status, words, why);
        }
    }

    /// It says that it is s01.
    fn foreign(secret: SecretMatch) -> Who {
        Who::Node { node_id: "s01".into(), version: "0.1.0".into(), secret }
    }

    const HERE: &str = "http://s01.local";

    #[test]
    fn where_a_file_that_was_left_is_found() {
        use FileSeen::{LedTo, Right, Wrong};
        use Status::{Failed, Ok, Warning};
        let (suffix, directory) = ("http://s01.local/uploads/", "http://s01.local/uploads_s01");
        let https = || LedTo("https://s01.local/uploads/x".into());
        check(vec![
            ("the file came back", HERE, Right, stranger(), Ok, &[]),
            (
                "/uploads at its end",
                suffix,
                Wrong(404),
                node("s01"),
                Failed,
                &["themselves", "Set it to http://s01.local"],
            ),
            ("a directory at its end", directory, Wrong(404), node("s01"), Failed, &["ends in /uploads_s01"]),
            ("another node", HERE, Wrong(404), node("s02"), Failed, &["leads to node s02, not to", "http://own.local"]),
            ("a path that is not there", "http://s01.local/x", Wrong(404), node("s01"), Failed, &["answers 404"]),
            ("a proxy without /uploads", HERE, Wrong(502), stranger(), Failed, &["502", "proxy"]),
            ("to https", HERE, https(), stranger(), Warning, &["https://s01.local"]),
        ]);
    }

    #[test]
    fn where_nothing_was_left_or_nobody_answers() {
        use FileSeen::NotTried;
        use Status::{Failed, Ok, Warning};
        let (name, closed) = (Silence::NoSuchName, Silence::NoAnswer);
        check(vec![
            ("a name for browsers alone", HERE, silent(name), nobody(name), Warning, &["need not know the name"]),
            ("a closed port", HERE, silent(closed), nobody(closed), Warning, &["/healthz"]),
            ("the node says that it is it", HERE, NotTried, node("s01"), Ok, &[]),
            ("another node says so", HERE, NotTried, node("s02"), Failed, &["node s02"]),
            ("one of another cluster", HERE, NotTried, foreign(SecretMatch::Different), Warning, &["does not know"]),
            ("one without a secret", HERE, NotTried, foreign(SecretMatch::NotSet), Warning, &["does not know"]),
            ("in the middle of a change", HERE, NotTried, foreign(SecretMatch::AcceptedAsPrevious), Ok, &[]),
            ("somebody", HERE, NotTried, stranger(), Warning, &["does not say"]),
            ("nobody", HERE, NotTried, nobody(name), Warning, &["need not know"]),
        ]);
    }
}
