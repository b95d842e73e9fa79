//! `upload_api_url`: does it lead from another node to the pool's node, by HTTP and by gRPC?

use pixelfox_node::whois::{Found as Who, SecretMatch, Silence};
use pixelfox_proto::{NodeId, Text, text};

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::Cluster;
use crate::sessions::TargetFound;

/// A pool's URL, and what is known of its node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// The pool's upload_api_url.
    pub(crate) url: &'a str,
    /// The node that should be there.
    pub(crate) node: &'a NodeId,
    /// Whether that node is attached, so that it is up.
    pub(crate) is_attached: bool,
    /// Itself as other nodes see it, as it says.
    pub(crate) node_url: Option<&'a str>,
    /// The operator has said that an older PixelFox is there.
    pub(crate) is_older: bool,
}

impl<'a> Target<'a> {
    /// The URL of a pool of `node`.
    #[must_use]
    pub(crate) fn of(cluster: &'a Cluster, node: &'a NodeId, url: &'a str, is_older: bool) -> Self {
        let node_url = cluster.node(node).and_then(|seen| Some(seen.about()?.node_url.as_str()));
        Self { url, node, is_attached: cluster.is_attached(node), node_url, is_older }
    }

    /// Whether the URL is the one by which its node says it is reached.
    fn is_its_own(&self) -> bool {
        self.node_url
            .is_some_and(|own| self.url.strip_suffix("/api/internal/upload") == Some(own.trim_end_matches('/')))
    }

    /// Whether a node answers there that says it is another one.
    #[must_use]
    pub(crate) fn is_another_node(&self, found: &TargetFound) -> bool {
        let Who::Node { node_id, secret, .. } = &found.who else { return false };
        *secret != SecretMatch::NotSet && node_id != self.node.as_str()
    }
}

/// What it should be.
fn right(target: &Target<'_>) -> Text {
    let to = target.node;
    match target.node_url {
        Some(_) if target.is_its_own() => text!(
            de "Knoten {to} nennt sich selbst so (NODE_URL): es dort berichtigen, den Knoten neu starten und es dann auch hier setzen",
            en "Node {to} calls itself by it (NODE_URL): correct it there, restart the node, and set it here too"
        ),
        Some(own) => text!(
            de "Auf {}/api/internal/upload setzen: so nennt Knoten {to} sich für andere Knoten (NODE_URL)",
            en "Set it to {}/api/internal/upload, by which node {to} says it is reached (NODE_URL)",
            own.trim_end_matches('/')
        ),
        None => text!(
            de "Auf die Adresse setzen, unter der andere Knoten Knoten {to} erreichen, wie http://app_{to}:4000/api/internal/upload",
            en "Set it to the address by which other nodes reach node {to}, as http://app_{to}:4000/api/internal/upload"
        ),
    }
}

/// What `from` has found there.
#[must_use]
pub(crate) fn judge(from: &NodeId, target: &Target<'_>, found: &TargetFound) -> Finding {
    let (subject, to, url) = (format!("{from} -> {}", target.node), target.node, target.url);
    let right = right(target);
    let failed = |message: Text, advice: Text| Finding::failed(&subject, Check::UploadApiUrl, message, advice);
    let finding = match &found.who {
        Who::Node { node_id, .. } if target.is_another_node(found) => {
            let message = text!(
                de "{url} führt zu Knoten {node_id}, nicht zu Knoten {to}",
                en "{url} leads to node {node_id}, not to node {to}"
            );
            failed(message, right)
        }
        Who::Node { .. } if target.is_older => {
            let message = text!(
                de "{url} führt zu einem Knoten dieses PixelFox, der Speicherpool ist aber als der eines älteren vermerkt",
                en "{url} leads to a node of this PixelFox, but the pool is marked as an older one's"
            );
            let advice = text!(de "„Älterer PixelFox-Knoten“ zurücknehmen", en "Take legacy_node back");
            Finding::warning(&subject, Check::UploadApiUrl, message, advice).about("legacy_node")
        }
        Who::Node { .. } => match &found.without_grpc {
            None => Finding::ok(
                &subject,
                Check::UploadApiUrl,
                text!(de "{url} führt zu Knoten {to}", en "{url} leads to node {to}"),
            ),
            Some(why) => failed(
                text!(
                    de "{url} führt zu Knoten {to}, aber gRPC kommt nicht durch: {why}",
                    en "{url} leads to node {to}, but gRPC does not get through: {why}"
                ),
                text!(
                    de "Zwischen Knoten muss HTTP/2 durchkommen: den Knoten selbst nennen, keinen Proxy, der HTTP/1.1 weitergibt",
                    en "Between nodes HTTP/2 must get through: name the node itself, not a proxy that passes on HTTP/1.1"
                ),
            ),
        },
        Who::Older if target.is_older => Finding::ok(
            &subject,
            Check::UploadApiUrl,
            text!(
                de "{url} führt zu einem älteren PixelFox, wie es vom Speicherpool vermerkt ist",
                en "{url} leads to an older PixelFox, as is said of the pool"
            ),
        ),
        Who::Older => {
            let message = text!(de "{url} führt zu einem älteren PixelFox", en "{url} leads to an older PixelFox");
            let advice = text!(
                de "Knoten {to} aktualisieren; oder bestätigen, dass er einer ist („Älterer PixelFox-Knoten“)",
                en "Update node {to}; or confirm that it is one (legacy_node)"
            );
            Finding::warning(&subject, Check::UploadApiUrl, message, advice).about("legacy_node")
        }
        Who::Stranger(what) => {
            let message = text!(
                de "unter {url} ist kein Knoten von PixelFox: {what}",
                en "at {url} is no node of PixelFox: {what}"
            );
            failed(message, right)
        }
        Who::Nobody(silence, why) => nobody(from, target, *silence, why),
    };
    finding.after(found.took)
}

/// Nobody answers `from` there.
fn nobody(from: &NodeId, target: &Target<'_>, silence: Silence, why: &str) -> Finding {
    let (subject, to, url) = (format!("{from} -> {}", target.node), target.node, target.url);
    let right = right(target);

    let message = text!(
        de "Knoten {from} erreicht {url} nicht: {why}",
        en "node {from} can't reach {url}: {why}"
    );
    if !target.is_attached {
        let advice = text!(
            de "Zuerst Knoten {to} starten, dann noch einmal prüfen",
            en "Start node {to} first, then try again"
        );
        Finding::warning(subject, Check::UploadApiUrl, message, advice)
    } else if target.is_its_own() {
        Finding::failed(subject, Check::UploadApiUrl, message, unanswered(from, to, silence))
    } else if silence == Silence::NoSuchName {
        Finding::failed(
            subject,
            Check::UploadApiUrl,
            message,
            text!(
                de "{right}; der Hostname muss auf Knoten {from} bekannt sein",
                en "{right}; its host name must be known on node {from}",
                with right
            ),
        )
    } else {
        Finding::failed(
            subject,
            Check::UploadApiUrl,
            message,
            text!(
                de "{right}; zwischen Knoten {from} und ihm darf keine Firewall stehen",
                en "{right}; no firewall may stand between node {from} and it",
                with right
            ),
        )
    }
}

/// Nobody answers at the URL that the node itself names: it is not the URL.
fn unanswered(from: &NodeId, to: &NodeId, silence: Silence) -> Text {
    match silence {
        Silence::NoSuchName => text!(
            de "Die Adresse ist die, die Knoten {to} nennt (NODE_URL); ihr Hostname muss auf Knoten {from} bekannt sein",
            en "The address is the one that node {to} names (NODE_URL); its host name must be known on node {from}"
        ),
        _ => text!(
            de "Die Adresse ist die, die Knoten {to} nennt (NODE_URL): Hängt er (sein Log ansehen, ihn neu starten), oder steht \
                zwischen Knoten {from} und ihm eine Firewall?",
            en "The address is the one that node {to} names (NODE_URL): does it hang (see its log, restart it), or does a firewall \
                stand between node {from} and it?"
        ),
    }
}

/// Of a node that could not be asked.
#[must_use]
pub(crate) fn not_tried(from: &NodeId, to: &NodeId, why: &Text) -> Finding {
    let advice = text!(
        de "Die Zeilen von Knoten {from} ansehen, dann noch einmal prüfen",
        en "See the lines of node {from}, then try again"
    );
    let message = text!(de "nicht geprüft: {why}", en "not tried: {why}", with why);
    Finding::warning(format!("{from} -> {to}"), Check::UploadApiUrl, message, advice)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, id};
    use crate::diagnose::finding::Status;

    fn node(name: &str, secret: SecretMatch) -> Who {
        Who::Node { node_id: name.into(), version: "1".into(), secret }
    }

    /// What s01 says of the URL of s02's pool, where it has found `who`.
    fn line(who: Who, without_grpc: Option<&str>, change: impl FnOnce(&mut Target<'_>)) -> Finding {
        let (to, url) = (id("s02"), "http://app_s02:4000/api/internal/upload");
        let mut target =
            Target { url, node: &to, is_attached: true, node_url: Some("http://own:4000"), is_older: false };
        change(&mut target);
        let found = TargetFound { who, without_grpc: without_grpc.map(str::to_owned), took: Duration::from_millis(2) };
        let line = judge(&id("s01"), &target, &found);
        assert_eq!((line.subject.as_str(), line.took), ("s01 -> s02", found.took));
        line
    }

    #[test]
    fn who_is_at_the_url() {
        use SecretMatch::{Different, Equal, NotSet};
        let right = "http://own:4000/api/internal/upload";
        for (why, who, grpc, status, words) in [
            ("the right one", node("s02", Equal), None, Status::Ok, &["leads to node s02"][..]),
            ("its secret is another line's matter", node("s02", Different), None, Status::Ok, &[]),
            ("it has none", node("", NotSet), None, Status::Ok, &[]),
            ("another node", node("s03", Equal), None, Status::Failed, &["leads to node s03", right]),
            ("HTTP/1.1 alone", node("s02", Equal), Some("h2 error"), Status::Failed, &["gRPC", "h2 error"]),
            ("a web page", Who::Stranger("it answers 200 OK".into()), None, Status::Failed, &["no node", "200 OK"]),
            ("an older one that nobody has confirmed", Who::Older, None, Status::Warning, &["legacy_node"]),
        ] {
            assert_stands(&line(who, grpc, |_| ()), status, words, why);
        }
        assert_stands(&line(Who::Older, None, |it| it.is_older = true), Status::Ok, &["older"], "confirmed");
        let updated = line(node("s02", Equal), None, |it| it.is_older = true);
        assert_stands(&updated, Status::Warning, &["legacy_node"], "updated since");
    }

    #[test]
    fn nobody_is_there() {
        // Of a node that is attached the URL is wrong; of one that is not, it may only be down.
        for (why, silence, is_attached, status, words) in [
            ("an unknown name", Silence::NoSuchName, true, Status::Failed, &["host name", "node s01"][..]),
            ("a closed port", Silence::NoAnswer, true, Status::Failed, &["could not connect", "firewall"]),
            ("a node that is down", Silence::NoAnswer, false, Status::Warning, &["Start node s02"]),
        ] {
            let who = Who::Nobody(silence, "could not connect".into());
            assert_stands(&line(who, None, |it| it.is_attached = is_attached), status, words, why);
        }
        // Nobody is told to set what is set: the node is asked for.
        for (silence, words) in
            [(Silence::NoAnswer, ["does it hang", "firewall"]), (Silence::NoSuchName, ["NODE_URL", "host name"])]
        {
            let who = Who::Nobody(silence, "could not connect".into());
            let line = line(who, None, |it| it.node_url = Some("http://app_s02:4000/"));
            assert_stands(&line, Status::Failed, &words, "at its own address");
            assert!(!line.advice.to_string().contains("Set it to"), "{}", line.advice);
        }
    }
}
