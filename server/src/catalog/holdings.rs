//! What keeps a pool from being deleted. Pure.

use pixelfox_proto::{Text, text};

use super::{Pool, Refusal};

/// What is in a pool and what works on it, by the books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolHoldings {
    /// Images that are on record there.
    pub images: u64,
    /// Copies of any state but `lost`, those in the trash included.
    pub files: u64,
    /// Copies that don't match their checksum on record.
    pub suspect: u64,
    /// Copies that are in the trash, on their way into it or out of it.
    pub trashed: u64,
    /// Of those in the trash: copies that stay there because no live one is known to be right; counted where there is no
    /// image.
    pub kept: u64,
    /// Jobs that have not ended and move into the pool or out of it.
    pub jobs: u64,
}

impl PoolHoldings {
    /// Whether the pool may be deleted.
    ///
    /// # Errors
    /// The default pool, and one that is in use: with the counts and the cure.
    pub fn let_go(&self, pool: &Pool) -> Result<(), Refusal> {
        let name = &pool.name;
        if pool.is_default {
            return Err(Refusal::precondition(text!(
                de "Speicherpool {name} ist der Standard-Pool; zuerst einen anderen zum Standard machen",
                en "pool {name} is the default pool; make another one the default first (UpdatePool, is_default)"
            )));
        }
        let jobs = (self.jobs > 0).then(|| count(self.jobs, &JOB));
        let what = match (self.held(), jobs) {
            (None, None) => return Ok(()),
            (Some(held), Some(jobs)) => Text::join(&[held, text!(de " und ", en " and "), jobs], ""),
            (Some(what), None) | (None, Some(what)) => what,
        };
        let holds = text!(de "Speicherpool {name} enthält ", en "pool {name} holds ");
        Err(Refusal::precondition(Text::join(&[holds, what, Text::verbatim("; "), self.cure()], "")))
    }

    fn held(&self) -> Option<Text> {
        let trashed = self.trashed;
        let (images, files) = (count(self.images, &IMAGE), count(self.files, &FILE));
        Some(match (self.images, self.files) {
            (0, 0) => return None,
            (0, all) if all == trashed => Text::join(&[files, text!(de " im Papierkorb", en " in the trash")], ""),
            (0, _) => {
                let where_else = text!(
                    de " von Bildern, die anderswo sind ({trashed} im Papierkorb)",
                    en " of images that are elsewhere ({trashed} in the trash)"
                );
                Text::join(&[files, where_else], "")
            }
            (..) => {
                let trash = match trashed {
                    0 => Text::verbatim(")"),
                    trashed => text!(de ", {trashed} im Papierkorb)", en ", {trashed} in the trash)"),
                };
                Text::join(&[images, Text::verbatim(" ("), files, trash], "")
            }
        })
    }

    /// What a person can do; each of it works.
    fn cure(&self) -> Text {
        let (files, suspect, kept) = (self.files, self.suspect, self.kept);
        match () {
            () if self.images > 0 && suspect > 0 => text!(
                de "sie zuerst verschieben oder löschen; {suspect} der Dateien haben eine andere Prüfsumme und lassen sich \
                    nicht verschieben: sie in Ordnung bringen und neu prüfen lassen, oder ihre Bilder löschen",
                en "move or delete them first; {suspect} of the files do not match their checksum and can't move: put them \
                    right and have them read again (VerifyImages with this pool_id), or delete their images"
            ),
            () if self.images > 0 => {
                text!(de "sie zuerst verschieben oder löschen", en "move or delete them first")
            }
            () if self.jobs > 0 && files == 0 => text!(
                de "sie zu Ende laufen lassen, oder zuerst abbrechen",
                en "let them end, or cancel them first (CancelJobs)"
            ),
            () if self.jobs > 0 => text!(
                de "die Aufträge zu Ende laufen lassen, oder zuerst abbrechen",
                en "let the jobs end, or cancel them first (CancelJobs)"
            ),
            () if suspect > 0 => text!(
                de "sie prüfen lassen: was nicht mehr gebraucht wird, kommt in den Papierkorb",
                en "have them read (VerifyImages with this pool_id): what is not needed any more goes to the trash"
            ),
            () if kept > 0 => text!(
                de "{kept} davon bleiben, bis die neue Kopie derselben Datei geprüft ist: sie prüfen lassen; wo sie nicht \
                    stimmt, das Verschieben rückgängig machen",
                en "{kept} of them stay until the live copy of the same file is known to be right: have it read (VerifyImages \
                    with this pool_id); where it is not right, take the move back (UndoMoves)"
            ),
            () => text!(
                de "sie verschwinden nach der Zeit, die alte Kopien aufbewahrt werden, oder sofort, wo sie 0 ist (Einstellungen)",
                en "they go after trash_hours, or at once where that setting is 0 (UpdateSettings)"
            ),
        }
    }
}

/// One and many, German and English.
type Noun = [[&'static str; 2]; 2];
const JOB: Noun = [["offenen Auftrag", "offene Aufträge"], ["open job", "open jobs"]];
const IMAGE: Noun = [["Bild", "Bilder"], ["image", "images"]];
const FILE: Noun = [["Datei", "Dateien"], ["file", "files"]];

/// `1 image`, `3 images`.
fn count(number: u64, [de, en]: &Noun) -> Text {
    let form = usize::from(number != 1);
    Text::new(format!("{number} {}", de[form]), format!("{number} {}", en[form]))
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::PoolId;

    use super::*;
    use crate::catalog::{PoolUsage, StorageTier, StorageType, UnixMillis};

    fn pool(is_default: bool) -> Pool {
        Pool {
            id: PoolId::try_from(2).expect("not 0"),
            name: "img1".into(),
            node: "s01".parse().expect("a NODE_ID"),
            base_path: "/app/uploads".into(),
            identity: String::new(),
            upload_api_url: String::new(),
            public_base_url: String::new(),
            max_size: 0,
            is_active: true,
            is_default,
            priority: 10,
            storage_type: StorageType::Local,
            storage_tier: StorageTier::Hot,
            description: String::new(),
            legacy_pool_id: 0,
            legacy_node: false,
            initialize: false,
            revision: 1,
            created: UnixMillis(0),
            usage: PoolUsage::default(),
        }
    }

    #[test]
    fn what_keeps_a_pool_is_said_with_counts_and_cure() {
        let none = PoolHoldings::default();
        for (holdings, want) in [
            (
                PoolHoldings { images: 3, files: 5, trashed: 2, jobs: 1, ..none },
                "pool img1 holds 3 images (5 files, 2 in the trash) and 1 open job; move or delete them first",
            ),
            (
                PoolHoldings { images: 1, files: 1, ..none },
                "pool img1 holds 1 image (1 file); move or delete them first",
            ),
            (
                PoolHoldings { images: 2, files: 2, suspect: 1, ..none },
                "pool img1 holds 2 images (2 files); move or delete them first; 1 of the files do not match their \
                 checksum and can't move: put them right and have them read again (VerifyImages",
            ),
            (
                PoolHoldings { files: 2, trashed: 2, ..none },
                "pool img1 holds 2 files in the trash; they go after trash_hours",
            ),
            (
                PoolHoldings { files: 2, trashed: 2, kept: 1, ..none },
                "pool img1 holds 2 files in the trash; 1 of them stay until the live copy of the same file is known to \
                 be right: have it read (VerifyImages",
            ),
            (
                PoolHoldings { files: 1, trashed: 1, jobs: 2, ..none },
                "pool img1 holds 1 file in the trash and 2 open jobs; let the jobs end",
            ),
            (
                PoolHoldings { files: 1, suspect: 1, ..none },
                "pool img1 holds 1 file of images that are elsewhere (0 in the trash); have them read (VerifyImages",
            ),
            (PoolHoldings { jobs: 4, ..none }, "pool img1 holds 4 open jobs; let them end, or cancel them first"),
        ] {
            let refused = holdings.let_go(&pool(false)).expect_err(want);
            assert!(refused.to_string().starts_with(want), "{want}: {refused}");
        }
        assert_eq!(PoolHoldings::default().let_go(&pool(false)), Ok(()));
        let refused = PoolHoldings::default().let_go(&pool(true)).expect_err("the default");
        assert!(refused.to_string().contains("is the default pool; make another one the default first"), "{refused}");
    }
}
