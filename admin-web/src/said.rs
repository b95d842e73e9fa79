//! Sentences that the books and the nodes keep in English, as a German reader sees them: why a job failed or waits, why
//! an image stays, what is wrong with a pool. One that is not in the table is shown as it is. Pure.
//!
//! Refusals and findings come from the service in the reader's language and are not in here.

use pixelfox_proto::Language;

/// English and German. `{}` is a name, a number or an address and stays as it is; `{+}` is a sentence again. The first one
/// that fits is taken; in German the places are filled in the same order.
const SAID: &[(&str, &str)] = &[
    // copies that can't be read now
    ("{+}: in pool {} 1 copy waits for it", "{+}: In Pool {} wartet 1 Kopie darauf"),
    ("{+}: in pool {} {} copies wait for it", "{+}: In Pool {} warten {} Kopien darauf"),
    ("node {} has said nothing of pool {} yet", "Knoten {} hat von Pool {} noch nichts gesagt"),
    // what is wrong with a pool
    (
        "{} has the marker of an earlier disk of {}, of a copy of one, or of another cluster's pool; give {} a directory of its own, or, if it is an earlier disk, say that it is replaced once more (ReplacePoolDisk)",
        "{} hat die Kennung eines früheren Datenträgers von {}, einer Kopie davon oder eines Pools eines anderen Clusters; {} ein eigenes Verzeichnis geben, oder, wenn es ein früherer Datenträger ist, noch einmal „Datenträger ersetzen“",
    ),
    // what stays out of a plan
    ("image {}: {+}", "Bild {}: {+}"),
    ("job {}, image {}: {+}", "Auftrag {}, Bild {}: {+}"),
    ("is being deleted", "wird gerade gelöscht"),
    ("its image was deleted", "sein Bild wurde gelöscht"),
    ("was deleted", "wurde gelöscht"),
    ("unknown", "gibt es nicht"),
    ("is in pool {} already", "ist schon in Pool {}"),
    (
        "job {} is working on it; wait for that or cancel it",
        "Auftrag {} arbeitet daran; darauf warten oder ihn abbrechen",
    ),
    ("its original is lost; {+}", "sein Original wird vermisst; {+}"),
    (
        "a file of it does not match its checksum on record, and its old copy is not in the trash any more",
        "eine seiner Dateien hat eine andere Prüfsumme als verzeichnet, und die alte Kopie ist nicht mehr im Papierkorb",
    ),
    (
        "a file of it does not match its checksum on record; {+}",
        "eine seiner Dateien hat eine andere Prüfsumme als verzeichnet; {+}",
    ),
    (
        "the trash of pool {} has an old copy, which a move of the pool does not bring back: move the image alone, by its UUID",
        "im Papierkorb von Pool {} liegt eine alte Kopie, die „Pool verschieben“ nicht zurückholt: das Bild einzeln dorthin verschieben",
    ),
    (
        "the trash of pool {} has an old copy: move it there, or take its last move back",
        "im Papierkorb von Pool {} liegt eine alte Kopie: dorthin verschieben oder das letzte Verschieben rückgängig machen",
    ),
    (
        "put the file right and have it read (VerifyImages), or delete the image",
        "die Datei berichtigen und „Prüfsumme prüfen“, oder das Bild löschen",
    ),
    // what can't be taken back
    (
        "the job is {}; only a completed move is taken back",
        "der Auftrag ist {}; nur was abgeschlossen ist, lässt sich zurückholen",
    ),
    ("the job moved nothing", "der Auftrag hat nichts verschoben"),
    ("the image is deleted", "das Bild ist gelöscht"),
    ("it has moved again since", "es wurde seitdem wieder verschoben"),
    ("its old copy is being purged", "seine alte Kopie wird gerade entfernt"),
    ("its old copy is still on its way", "seine alte Kopie ist noch unterwegs"),
    ("its old copy is not in the trash any more", "seine alte Kopie ist nicht mehr im Papierkorb"),
    ("none of its files is there", "keine seiner Dateien ist da"),
    (
        "more moves are meant than {} at once: ask again for the others",
        "gemeint sind mehr als {} auf einmal: für die übrigen noch einmal",
    ),
    // notes of a plan
    (
        "{} of {} images were not moved: their files are missing; {+}",
        "{} von {} Bildern wurden nicht verschoben: ihre Dateien fehlen; {+}",
    ),
    (
        "{} of {} images were not moved: their files are missing",
        "{} von {} Bildern wurden nicht verschoben: ihre Dateien fehlen",
    ),
    ("the image was not moved: its original is missing", "das Bild wurde nicht verschoben: sein Original fehlt"),
    (
        "{} images of the plan had left the pool when their turn came",
        "{} Bilder des Plans hatten den Pool verlassen, als sie an der Reihe waren",
    ),
    (
        "{} images of the plan were left behind when their turn came: {+}",
        "{} Bilder des Plans blieben zurück, als sie an der Reihe waren: {+}",
    ),
    // why a job failed, waits, or goes on later
    (
        "{} do not fit into pool {}: its limit is {}; raise max_size",
        "{} passen nicht in Pool {}: Seine Grenze ist {}; die maximale Größe erhöhen",
    ),
    ("{} of {} failed", "{} von {} sind fehlgeschlagen"),
    ("{} of {} were cancelled", "{} von {} wurden abgebrochen"),
    ("no progress for {} s at node {}", "seit {} s kein Fortschritt an Knoten {}"),
    ("could not reach {}: {+}", "{} ist nicht erreichbar: {+}"),
    ("could not reach {}", "{} ist nicht erreichbar"),
    (
        "{} refused this node: {}; REPLICATION_SECRET has to be equal on both",
        "{} hat diesen Knoten abgewiesen: {}; REPLICATION_SECRET muss auf beiden gleich sein",
    ),
    ("{} is shutting down", "{} wird gerade beendet"),
    ("the stream to {} ended: {+}", "die Verbindung zu {} brach ab: {+}"),
    ("target pool unhealthy", "der Ziel-Pool ist nicht in Ordnung"),
    ("insufficient capacity: {+}", "zu wenig Platz: {+}"),
    ("checksum required", "ohne Prüfsumme wird nichts angenommen („Checksum bei Replikation erzwingen“)"),
    ("checksum mismatch", "die Prüfsumme weicht ab"),
    ("size mismatch", "die Größe weicht ab"),
    ("other bytes are stored under {}", "unter {} liegen andere Bytes"),
    ("pool {} is not healthy", "Pool {} ist nicht in Ordnung"),
    ("pool {} is not active", "Pool {} ist inaktiv"),
    ("an old copy in pool {} is being purged", "eine alte Kopie in Pool {} wird gerade entfernt"),
    (
        "what the trash of pool {} has of it is purged first, as soon as the copy in use has been checked: nodes {} and {} have different servers",
        "was der Papierkorb von Pool {} davon hat, wird zuerst entfernt, sobald die benutzte Kopie geprüft ist: die Knoten {} und {} haben verschiedene Server",
    ),
    ("a node's session ended", "die Verbindung eines Knotens endete"),
    ("the source's session ended", "die Verbindung des Quellknotens endete"),
    ("node {} ended the command without a word on it", "Knoten {} hat die Arbeit ohne ein Wort dazu beendet"),
    ("the target closed the stream without a word on it", "das Ziel hat die Verbindung ohne ein Wort dazu geschlossen"),
    (
        "the original {} is not in its pool any more: the image is lost",
        "das Original {} ist nicht mehr in seinem Pool: das Bild wird vermisst",
    ),
    ("{} was not stored, its node gives no cause", "{} wurde nicht gespeichert, der Knoten nennt keinen Grund"),
    ("{}: its old copy did not come back: {+}", "{}: seine alte Kopie kam nicht zurück: {+}"),
    ("{}: a receipt without its SHA-256", "{}: eine Quittung ohne SHA-256"),
    (
        "the receipt for {} has another SHA-256 than the books",
        "die Quittung für {} nennt eine andere SHA-256 als verzeichnet",
    ),
    (
        "there is no such file; a late one will be refused",
        "diese Datei gibt es nicht; käme sie noch, würde sie abgewiesen",
    ),
    ("a newer state of {} is known here", "von {} ist hier ein neuerer Stand bekannt"),
    ("{} is being received on another stream", "{} wird gerade über eine andere Verbindung empfangen"),
    (
        "{} stands where {} must be, put there by hand: remove it",
        "{} liegt dort, wo {} sein muss, von Hand hingelegt: entfernen",
    ),
    (
        "a sync of the disk failed ({}); nothing is stored there until the node was started again",
        "die Platte hat nicht alles behalten ({}); bis der Knoten neu gestartet ist, wird dort nichts gespeichert",
    ),
    ("the pool is being closed", "der Pool wird gerade geschlossen"),
    // what is wrong with a pool
    (
        "the directory {} is not there; is its disk mounted?",
        "das Verzeichnis {} ist nicht da; ist seine Platte eingehängt?",
    ),
    ("node {} is not attached", "Knoten {} ist nicht verbunden"),
    ("node {} has not reported on it yet", "Knoten {} hat sich zu diesem Pool noch nicht gemeldet"),
    (
        "the marker .pixelfox/pool.json of pool {} is missing in {}; is the pool's disk mounted, is all of its data there?",
        "die Markierung .pixelfox/pool.json von Pool {} fehlt in {}; ist die Platte des Pools eingehängt, sind alle seine Daten da?",
    ),
    (
        "the file system is read-only; mount it writable, and look into the system's log why it is not",
        "das Dateisystem ist schreibgeschützt; beschreibbar einhängen und im Log des Systems nachsehen, warum es das nicht ist",
    ),
    (
        "{}; give the user that this node runs as the right to write there (chown -R)",
        "{}; dem Benutzer, unter dem der Knoten läuft, dort das Schreibrecht geben (chown -R)",
    ),
    ("{} does not lie under STORAGE_ROOTS of this node", "{} liegt nicht unter STORAGE_ROOTS dieses Knotens"),
    (
        "{} is no longer the directory that was opened; was its disk unmounted?",
        "{} ist nicht mehr das Verzeichnis, das geöffnet wurde; wurde seine Platte ausgehängt?",
    ),
    (
        "the marker in {} was written by a newer version ({})",
        "die Markierung in {} stammt von einer neueren Version ({})",
    ),
    (
        "the marker .pixelfox/pool.json in {} can't be read: {}",
        "die Markierung .pixelfox/pool.json in {} ist nicht lesbar: {}",
    ),
    ("{} has just become another pool's", "{} gehört seit eben einem anderen Pool"),
    ("{}; make room on the disk, or move images away", "{}; auf der Platte Platz machen oder Bilder verschieben"),
    // what the audit says besides, and where a node is
    ("this process", "dieser Prozess"),
    ("from {+}, after {} more without an entry", "von {+}, nach {} weiteren ohne Eintrag"),
    ("from {+}", "von {+}"),
    ("an unknown address", "einer unbekannten Adresse"),
    ("the first one", "das erste"),
    ("{} sessions ended", "Sitzungen beendet: {}"),
    ("1 image: {}", "Bilder: 1 ({})"),
    ("1 image", "Bilder: 1"),
    ("1 copy", "Kopien: 1"),
    ("pool {}", "Pool {}"),
    ("{+} of pool {} to pool {}", "{+}, aus Pool {} nach Pool {}"),
    ("{+} to pool {}", "{+}, nach Pool {}"),
    ("{} images: {} and others, see the job's children", "Bilder: {} ({} und weitere, siehe Einzelaufträge)"),
    ("{} images: {}", "Bilder: {} ({})"),
    ("{} images", "Bilder: {}"),
    ("{} copies", "Kopien: {}"),
    ("{} jobs from {} to {}", "Aufträge: {}, von {} bis {}"),
    ("jobs {}", "Aufträge {}"),
    ("every job that fits: {}", "jeder Auftrag mit {}"),
    ("pool {} keeps another file at {}: {}", "Pool {} behält eine andere Datei unter {}: {}"),
];
/// Sentences within sentences.
const DEPTH: u8 = 4;

/// `english` in the reader's language.
pub(crate) fn to(language: Language, english: &str) -> String {
    match language {
        Language::En => english.to_owned(),
        Language::De => german(english, DEPTH),
    }
}

fn german(english: &str, depth: u8) -> String {
    let known = SAID.iter().find_map(|(from, to)| Some((places(from, english)?, to)));
    let Some((found, to)) = known.filter(|_| depth > 0) else { return english.to_owned() };
    let mut said = String::new();
    let mut rest = *to;
    for place in found {
        let Some(at) = rest.find('{') else { break };
        said.push_str(&rest[..at]);
        if rest[at..].starts_with("{+}") {
            said.push_str(&german(place, depth - 1));
            rest = &rest[at + 3..];
        } else {
            said.push_str(place);
            rest = &rest[at + 2..];
        }
    }
    said + rest
}

/// What stands at the places of `from` in `text`; `None` where it is not that sentence.
fn places<'a>(from: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = parts(from);
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let end = match (part.is_empty(), parts.peek()) {
            (true, None) => rest.len(),
            (_, None) => rest.strip_suffix(part)?.len(),
            (_, Some(_)) => rest.find(part)?,
        };
        if end == 0 {
            return None;
        }
        found.push(&rest[..end]);
        rest = &rest[end + part.len()..];
    }
    rest.is_empty().then_some(found)
}

/// The words between the places.
fn parts(from: &str) -> impl Iterator<Item = &str> {
    from.split('{')
        .enumerate()
        .map(|(at, part)| if at == 0 { part } else { part.split_once('}').map_or("", |it| it.1) })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_known_is_told_in_german_and_the_rest_as_it_is() {
        for (english, want) in [
            ("image 0190: is in pool img1 (2) already", "Bild 0190: ist schon in Pool img1 (2)"),
            (
                "image 0190: its original is lost; put the file right and have it read (VerifyImages), or delete the image",
                "Bild 0190: sein Original wird vermisst; die Datei berichtigen und „Prüfsumme prüfen“, oder das Bild löschen",
            ),
            (
                "job 7, image 0190: job 9 is working on it; wait for that or cancel it",
                "Auftrag 7, Bild 0190: Auftrag 9 arbeitet daran; darauf warten oder ihn abbrechen",
            ),
            ("3 of 10 failed", "3 von 10 sind fehlgeschlagen"),
            (
                "could not reach http://s02:4000: connection refused",
                "http://s02:4000 ist nicht erreichbar: connection refused",
            ),
            ("node s09 is not attached", "Knoten s09 ist nicht verbunden"),
            (
                "node s09 is not attached: in pool img1 3 copies wait for it",
                "Knoten s09 ist nicht verbunden: In Pool img1 warten 3 Kopien darauf",
            ),
            ("the moon is wrong", "the moon is wrong"),
            ("node  is not attached", "node  is not attached"),
            ("", ""),
        ] {
            assert_eq!(to(Language::De, english), want);
            assert_eq!(to(Language::En, english), english);
        }
    }

    #[test]
    fn both_languages_have_the_same_places() {
        for (english, german) in SAID {
            let places = |text: &str| text.split('{').skip(1).map(|part| part.starts_with('+')).collect::<Vec<_>>();
            assert_eq!(places(english), places(german), "{english}");
        }
    }

    #[test]
    fn every_sentence_is_one_that_somebody_says() {
        // The longest run of fixed words of each stands in a source of the server or of the node: a sentence that is worded
        // anew there, and so would be shown in English, turns this red.
        let mut sources = String::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for room in ["server/src", "node-agent/src"] {
            read(&root.join(room), &mut sources);
        }
        let missing: Vec<_> = SAID
            .iter()
            .filter(|(english, _)| {
                let longest = parts(english).max_by_key(|part| part.len()).unwrap_or_default();
                !sources.contains(longest)
            })
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// All sources below `dir`, with sentences that go over several lines as one.
    fn read(dir: &Path, all: &mut String) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for line in text.lines() {
                    match line.strip_suffix('\\') {
                        Some(line) => all.push_str(line.trim_start()),
                        None => {
                            all.push_str(line.trim_start());
                            all.push('\n');
                        }
                    }
                }
            }
        }
    }
}
