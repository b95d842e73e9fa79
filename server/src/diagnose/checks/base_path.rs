//! `base_path`: is the pool's directory there, where pools may be, and the pool's own?

use pixelfox_proto::{Text, text};

use crate::catalog::{NodeElsewhere, Pool};
use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::pool_subject;
use crate::sessions::{PoolHealth, Trouble};

/// By what the pool's node has just found.
#[must_use]
pub(crate) fn judge(pool: &Pool, health: &PoolHealth) -> Finding {
    let (subject, path, node) = (pool_subject(pool), &pool.base_path, &pool.node);
    let said = health.problem.clone().unwrap_or_default();
    let advice = match health.trouble {
        _ if health.problem.is_none() => None,
        Some(Trouble::NoDirectory) => Some((
            text!(de "{path} auf Knoten {node} ist nicht da", en "{said}"),
            text!(
                de "Die Platte von {path} auf Knoten {node} einhängen (im Container: steht das Verzeichnis unter seinen Volumes?), \
                 oder den Basis-Pfad des Speicherpools richtigstellen",
                en "Mount the disk of {path} on node {node} (in a container: is the directory among its volumes?), or correct \
                 the pool's base_path"
            ),
        )),
        Some(Trouble::OutsideRoots) => Some((
            text!(de "{path} liegt auf Knoten {node} außerhalb von STORAGE_ROOTS ({said})", en "{said}"),
            text!(
                de "Einen Basis-Pfad unter STORAGE_ROOTS von Knoten {node} wählen, oder dessen Verzeichnis dort eintragen und ihn \
                 neu starten",
                en "Choose a base_path below STORAGE_ROOTS of node {node}, or add its directory there and restart it"
            ),
        )),
        Some(Trouble::NoMarker) => Some((
            text!(de "in {path} auf Knoten {node} liegt nicht dieser Speicherpool ({said})", en "{said}"),
            text!(
                de "Die Platte des Speicherpools bei {path} auf Knoten {node} einhängen; sind seine Daten umgezogen, den Basis-Pfad \
                 richtigstellen; ist die Platte für immer weg, auf einer leeren neu beginnen: „Datenträger ersetzen“ in der \
                 Speicherverwaltung (`server ctl pools replace-disk`)",
                en "Mount the pool's disk at {path} on node {node}; where its data has moved, correct the pool's base_path; where \
                 the disk is gone for good, begin anew on an empty one: replace its disk on Storage (`server ctl pools \
                 replace-disk`)"
            ),
        )),
        // An older node says no more than that something is wrong.
        None => Some((
            text!(de "Knoten {node} meldet: {said}", en "{said}"),
            text!(
                de "Im Log von Knoten {node} nachsehen und das in Ordnung bringen",
                en "See the log of node {node}, and put that right"
            ),
        )),
        Some(Trouble::OtherPool | Trouble::NotWritable | Trouble::Full) => None,
    };
    match advice {
        Some((problem, advice)) => Finding::failed(subject, Check::BasePath, problem, advice),
        None => Finding::ok(
            subject,
            Check::BasePath,
            text!(
                de "{path} auf Knoten {node} ist da",
                en "{path} on node {node} is there"
            ),
        ),
    }
}

/// Of a pool whose node can't be asked.
#[must_use]
pub(crate) fn not_tried(pool: &Pool, why: &Text) -> Finding {
    let advice = text!(
        de "Zuerst Knoten {} verbinden, dann noch einmal prüfen",
        en "Attach node {} first, then try again",
        pool.node
    );
    let message = text!(de "nicht geprüft: {why}", en "not tried: {why}", with why);
    Finding::warning(pool_subject(pool), Check::BasePath, message, advice)
}

/// Of a pool whose node another server has: only that one can ask it. What it said there is no news of now.
#[must_use]
pub(crate) fn elsewhere(pool: &Pool, node: &NodeElsewhere, told: Option<&PoolHealth>) -> Finding {
    let (name, server) = (&node.node, &node.server);
    let place = if node.server_url.is_empty() { server } else { &node.server_url };
    let ask_there = text!(
        de "Die Diagnose auf {place} starten, der Knoten {name} fragen kann",
        en "Start the diagnosis at {place}, which can ask node {name}"
    );
    if let Some(problem) = told.and_then(|health| health.problem.as_ref()) {
        let message = text!(
            de "Knoten {name} hat Server {server} zuletzt gemeldet: {problem}",
            en "node {name} has last told server {server}: {problem}"
        );
        return Finding::failed(pool_subject(pool), Check::BasePath, message, ask_there);
    }
    let message = text!(
        de "nicht geprüft: Knoten {name} gehört zu Server {server}, nur der kann ihn fragen",
        en "not tried: node {name} is attached to server {server}, and only that one can ask it"
    );
    Finding::warning(pool_subject(pool), Check::BasePath, message, ask_there)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, ill, pool, well};
    use crate::diagnose::checks::{same_directory, write};
    use crate::diagnose::finding::Status;

    #[test]
    fn each_trouble_turns_one_line_red() {
        // Of the three lines about a directory, exactly the one that the trouble belongs to.
        let pool = pool("img1", "s01");
        for (trouble, want) in [
            (Some(Trouble::NoDirectory), Check::BasePath),
            (Some(Trouble::OutsideRoots), Check::BasePath),
            (Some(Trouble::NoMarker), Check::BasePath),
            (None, Check::BasePath),
            (Some(Trouble::OtherPool), Check::SameDirectory),
            (Some(Trouble::NotWritable), Check::Write),
        ] {
            let health = ill(trouble);
            let lines = [judge(&pool, &health), same_directory::judge(&pool, &health), write::judge(&pool, &health)];
            let red: Vec<Check> =
                lines.iter().filter(|line| line.status == Status::Failed).map(|line| line.check).collect();
            assert_eq!(red, [want], "{trouble:?}");
            for line in &lines {
                let status = if line.check == want { Status::Failed } else { Status::Ok };
                assert_stands(line, status, &["s01"], &format!("{trouble:?}"));
            }
        }
        assert!(judge(&pool, &ill(Some(Trouble::NoMarker))).advice.to_string().contains("pools replace-disk"));
        for line in [judge(&pool, &well()), same_directory::judge(&pool, &well()), write::judge(&pool, &well())] {
            assert_stands(&line, Status::Ok, &["s01"], "all is well");
        }
    }
}
