//! What a check of a stored file's bytes came to, kept in its mark, so that whoever serves the file knows without
//! reading it, also after a restart. Must not read the bytes itself, and changes nothing but the mark.
//!
//! A file stays suspect until a check finds it as it is on record, or its bytes come again and replace it: a new file
//! has a mark of its own. Bytes that were put right in place by hand count from the next check on.

use pixelfox_proto::{FileMeta, Generation, Sha256, StoredPath};

use super::error::DiskError;
use super::mark::Mark;
use super::publish::Committer;
use super::read::{Existing, Stored};

/// What a check of all bytes of a file came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are those of its mark and of the books.
    Sound,
    /// They are others, with this digest where all of them were read.
    Suspect(Option<Sha256>),
}

impl Verdict {
    /// The verdict over a file whose bytes have the digest `found` and should have `wanted`, by the books.
    #[must_use]
    pub fn over(seen: &Stored, found: Sha256, wanted: Sha256) -> Self {
        let is_marked_so = seen.mark().is_none_or(|mark| mark.sha256 == found);
        if found == wanted && is_marked_so { Self::Sound } else { Self::Suspect(Some(found)) }
    }

    /// Whether the mark says so already.
    pub(super) fn is_known_of(self, seen: &Stored) -> bool {
        let is_suspect = seen.mark().is_some_and(|mark| mark.is_suspect);
        is_suspect == matches!(self, Self::Suspect(_))
    }
}

impl Committer {
    pub(super) fn judge(&mut self, path: &StoredPath, seen: Existing, verdict: Verdict) -> Result<(), DiskError> {
        let Some(there) = self.still_there(path, seen)? else { return Ok(()) };
        if verdict.is_known_of(&there) {
            return Ok(());
        }
        let mark = match (there.mark(), verdict) {
            (Some(mark), _) => Mark { is_suspect: verdict != Verdict::Sound, ..mark.clone() },
            // Without a record here, but not in the books.
            (None, Verdict::Suspect(Some(sha256))) => {
                let (size, generation, meta) = (there.size(), Generation(0), FileMeta::default());
                Mark { size, sha256, generation, meta, was_unowned: false, is_suspect: true, visitor: None }
            }
            (None, Verdict::Suspect(None) | Verdict::Sound) => return Ok(()),
        };
        self.write_mark(there.file(), path.as_str(), &mark)?;
        self.sync_stored(&there, path.as_str())
    }
}
