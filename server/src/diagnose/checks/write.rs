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

/// Of a pool whose node does not come back from its disk.
#[must_use]
pub(crate) fn hangs(pool: &Pool, why: Text) -> Finding {
    let advice = text!(
        de "Im Systemlog von Knoten {} nach Fehlern der Platte von {} sehen; ein Netzlaufwerk kann seinen Server verloren haben",
        en "Look into the system log of node {} for errors of the disk of {}; a network file system may have lost its server",
        pool.node,
        pool.base_path
    );
    Finding::failed(pool_subject(pool), Check::Write, why, advice)
}
