//! `write`: can a file be written into the pool, made durable, read back and removed?

use pixelfox_proto::{Text, text};

use crate::catalog::Pool;
use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::pool_subject;
use crate::sessions::{PoolHealth, Trouble};

/// By what the pool's node has just tried. Its table stands in `base_path`.
#[must_use]
pub(crate) fn judge(pool: &Pool, health: &PoolHealth) -> Finding {
    let (subject, path, node) = (pool_subject(pool), &pool.base_path, &pool.node);
    match (&health.problem, health.trouble) {
        (Some(problem), Some(Trouble::NotWritable)) => {
            let said = text!(de "in {path} auf Knoten {node} lässt sich nicht schreiben ({problem})", en "{problem}");
            let advice = text!(
                de "{path} auf Knoten {node} für den Benutzer beschreibbar machen, unter dem node-agent läuft (chown -R; ein Mount \
                 ohne „ro“), und in seinem Systemlog nach Fehlern der Platte sehen",
                en "Make {path} on node {node} writable for the user that node-agent runs as (chown -R, a mount without \
                 `ro`), and look into its system log for errors of the disk"
            );
            Finding::failed(subject, Check::Write, said, advice)
        }
        (None, _) | (Some(_), Some(Trouble::Full)) => {
            let message = if health.problem.is_none() {
                text!(
                    de "Knoten {node} hat eine Datei geschrieben, gesichert, zurückgelesen und entfernt",
                    en "node {node} has written, synced, read back and removed a file"
                )
            } else {
                text!(
                    de "Knoten {node} könnte schreiben, wäre Platz da",
                    en "node {node} could write but for want of room"
                )
            };
            Finding::ok(subject, Check::Write, message)
        }
        (Some(_), _) => Finding::ok(
            subject,
            Check::Write,
            text!(
                de "auf Knoten {node} nicht geprüft: siehe die Zeile „Basis-Pfad“ oder „Eigenes Verzeichnis“",
                en "not tried on node {node}: see its line `base_path` or `same_directory`"
            ),
        ),
    }
}

/// Who keeps an answer back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// The node goes on saying that it lives: it does not come back from the disk.
    Disk,
    /// Nothing at all is heard of it.
    Process,
}

/// Of a pool whose node does not answer.
#[must_use]
pub(crate) fn hangs(pool: &Pool, culprit: Culprit, why: &Text) -> Finding {
    let (node, path) = (&pool.node, &pool.base_path);
    let (message, advice) = match culprit {
        Culprit::Disk => (
            text!(
                de "{why}, lebt aber: die Platte von {path} hängt",
                en "{why}, but lives: the disk of {path} hangs",
                with why
            ),
            text!(
                de "Im Systemlog von Knoten {node} nach Fehlern der Platte von {path} sehen; ein Netzlaufwerk kann seinen Server \
                 verloren haben",
                en "Look into the system log of node {node} for errors of the disk of {path}; a network file system may have \
                 lost its server"
            ),
        ),
        Culprit::Process => (
            text!(
                de "{why} und gibt kein Lebenszeichen",
                en "{why} and gives no sign of life",
                with why
            ),
            text!(
                de "Auf Knoten {node} nachsehen, ob node-agent steht oder die Maschine überlastet oder vom Netz ist, und ihn neu \
                 starten",
                en "Look on node {node} whether node-agent stands still or the machine is overloaded or cut off, and start it \
                 again"
            ),
        ),
    };
    Finding::failed(pool_subject(pool), Check::Write, message, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, pool};
    use crate::diagnose::finding::Status;

    #[test]
    fn a_disk_that_hangs_is_told_from_a_process_that_stands_still() {
        let why = || text!(de "Knoten s01 antwortet nicht", en "node s01 did not answer");
        for (culprit, words) in [
            (Culprit::Disk, &["the disk of /app/uploads_s01 hangs", "system log of node s01"][..]),
            (Culprit::Process, &["no sign of life", "on node s01", "start it again"]),
        ] {
            let line = hangs(&pool("img1", "s01"), culprit, &why());
            assert_stands(&line, Status::Failed, words, &format!("{culprit:?}"));
        }
    }
}
