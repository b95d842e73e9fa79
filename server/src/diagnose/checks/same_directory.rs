//! `same_directory`: has no other pool, by whatever name, link or mount, and no other process this pool's directory?

use pixelfox_node::pools::EARLIER_DISK;
use pixelfox_proto::{Text, text};

use crate::catalog::Pool;
use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::pool_subject;
use crate::sessions::{PoolHealth, Trouble};

/// By what the pool's node has just found. Its table stands in `base_path`.
#[must_use]
pub(crate) fn judge(pool: &Pool, health: &PoolHealth) -> Finding {
    let (subject, node) = (pool_subject(pool), &pool.node);
    match &health.problem {
        Some(problem) if health.trouble == Some(Trouble::OtherPool) => {
            let (said, advice) = told(pool, problem);
            Finding::failed(subject, Check::SameDirectory, said, advice)
        }
        _ => Finding::ok(
            subject,
            Check::SameDirectory,
            text!(
                de "kein anderer Speicherpool hat es, weder auf Knoten {node} noch auf einem anderen",
                en "no other pool of node {node} or of another has it"
            ),
        ),
    }
}

/// What the node said, and the cure: a marker that is not this pool's is another database's where this one knows nothing of
/// the pool, else an earlier disk's or another pool's.
fn told(pool: &Pool, problem: &str) -> (Text, Text) {
    let (node, path, name) = (&pool.node, &pool.base_path, &pool.name);
    let (is_earlier, is_marker) = (problem.contains(EARLIER_DISK), problem.contains("marker"));
    let said = match is_earlier {
        true => text!(
            de "in {path} auf Knoten {node} liegt die Kennung eines früheren Datenträgers von {name}, einer Kopie davon oder eines \
                Speicherpools aus einer anderen Datenbank",
            en "{problem}"
        ),
        false => text!(
            de "das Verzeichnis auf Knoten {node} gehört schon einem anderen Speicherpool ({problem})",
            en "{problem}"
        ),
    };
    let advice = match () {
        () if is_marker && pool.usage.images == 0 && pool.usage.used_files == 0 => text!(
            de "Die Datenbank kennt kein Bild davon. Liegen Bilder in {path} auf Knoten {node}, so gehört das Verzeichnis zu einer \
                anderen Datenbank: Stimmt DATABASE_URL des Servers? Ist die Datenbank verloren, macht `server rebuild` sie aus den \
                Speicherpools neu. Ist der Speicherpool neu, ihm ein eigenes Verzeichnis geben",
            en "The database knows no image of it. Where images lie in {path} on node {node}, the directory belongs to another \
                database: is DATABASE_URL of the server right? If that database is lost, `server rebuild` makes it again from the \
                pools. If the pool is new, give it a directory of its own"
        ),
        () if is_earlier => text!(
            de "Auf Knoten {node} den Datenträger einhängen, der jetzt zu {name} gehört. Ist es ein früherer und soll es wieder sein: \
                noch einmal „Datenträger ersetzen“ in der Speicherverwaltung (`server ctl pools replace-disk`). Sonst {name} ein \
                eigenes Verzeichnis geben",
            en "Mount the disk on node {node} that is {name}'s now. If it is an earlier one and shall be it again, replace the disk \
                once more on Storage (`server ctl pools replace-disk`). Else give {name} a directory of its own"
        ),
        () => text!(
            de "Jedem Speicherpool ein eigenes Verzeichnis geben, auch {name} auf Knoten {node}, jedes auf einer Platte oder einem \
                Volume, das kein anderer Knoten einhängt",
            en "Give each pool a directory of its own, {name} on node {node} too, each with a disk or volume that no other node \
                mounts"
        ),
    };
    (said, advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, ill, pool};
    use crate::diagnose::finding::Status;

    #[test]
    fn a_marker_that_is_not_ours_names_the_cure_of_its_cause() {
        // A database that knows nothing of the pool, an earlier disk, another pool's directory, a second process.
        let earlier = format!("/p {EARLIER_DISK} pool img1 (2), of a copy of one, or of another cluster's pool");
        let other = "/p belongs to another pool than img1 (2): its marker .pixelfox/pool.json names pool x (1)";
        for (why, problem, images, words) in [
            ("a new database", earlier.as_str(), 0, ["DATABASE_URL", "server rebuild"]),
            ("likewise", other, 0, ["DATABASE_URL", "server rebuild"]),
            ("an earlier disk", earlier.as_str(), 5, ["replace the disk once more", "pools replace-disk"]),
            ("another pool's", other, 5, ["directory of its own", "no other node mounts"]),
            ("a second process", "another process has locked it", 0, ["directory of its own", "no other node mounts"]),
        ] {
            let mut pool = pool("img1", "s01");
            (pool.usage.images, pool.usage.used_files) = (images, images);
            let health = PoolHealth { problem: Some(problem.into()), ..ill(Some(Trouble::OtherPool)) };
            assert_stands(&judge(&pool, &health), Status::Failed, &words, why);
        }
    }
}
