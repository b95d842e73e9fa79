//! A file on its way in, from its first byte to its receipt.
//!
//! One owner, on a data worker: writing and hashing happen inline and block it. Dropped, what came in is removed, or
//! kept for a later offer where the file is known by its digest.

use std::sync::Arc;

use pixelfox_proto::{FileMeta, FrameError, PrefixHasher, Sha256, StoredPath, Verifier};
use tokio::sync::oneshot;

use super::claims::{Claim, Overtaken};
use super::decide::{Arrived, Decision, Origin, Seen, decide};
use super::{Begin, LandingError, Publish, STEP_BYTES};
use crate::disk::{Disk, DiskError, Incoming, Mark, Placed, Placing, Step, Verdict};
use crate::pools::{Pool, Reservation};

/// An offer ends at a multiple of this: the frame of our own senders.
const OFFER_STEP_BYTES: u64 = 256 << 10;
/// How often a name that changes under a decision is looked at again.
const LOOKS: usize = 3;

/// A file that is durable under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// In bytes.
    pub size: u64,
    /// Of the whole file.
    pub sha256: Sha256,
    /// The same bytes were there already, and were hashed again.
    pub skipped: bool,
    /// Bytes taken over from an earlier, interrupted transfer.
    pub resumed_from: u64,
}

/// How much of a file is here already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// In bytes.
    pub offset: u64,
    /// Of the bytes before `offset`.
    pub prefix: Sha256,
}

/// A file on its way in.
#[derive(Debug)]
pub struct Landing {
    parts: Parts,
    resumed_from: u64,
    /// No frame has come since the offer: one from the first byte on starts the file anew.
    is_offered: bool,
}

#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) pool: Arc<Pool>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) claim: Claim,
    pub(crate) reservation: Reservation,
    pub(crate) hashing: Hashing,
    pub(crate) begin: Option<Begin>,
    pub(crate) requires_checksum: bool,
}

/// The digest of what has come in.
#[derive(Debug)]
pub(crate) enum Hashing {
    Plain(PrefixHasher),
    Framed(Verifier),
}

impl Hashing {
    pub(crate) fn plain() -> Self {
        Self::Plain(PrefixHasher::new())
    }

    const fn len(&self) -> u64 {
        match self {
            Self::Plain(hasher) => hasher.len(),
            Self::Framed(verifier) => verifier.offset(),
        }
    }

    fn digest(&self) -> Sha256 {
        match self {
            Self::Plain(hasher) => hasher.digest(),
            Self::Framed(verifier) => verifier.digest(),
        }
    }
}

impl Landing {
    pub(crate) const fn new(parts: Parts) -> Self {
        Self { parts, resumed_from: 0, is_offered: false }
    }

    /// Bytes that have come in.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.parts.hashing.len()
    }

    /// Of what has come in.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        self.parts.hashing.digest()
    }

    /// Where it lands.
    #[must_use]
    pub const fn pool(&self) -> &Arc<Pool> {
        &self.parts.pool
    }

    /// What was announced, where it was.
    #[must_use]
    pub const fn begin(&self) -> Option<&Begin> {
        self.parts.begin.as_ref()
    }

    /// Whether every announced byte has come.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        match &self.parts.hashing {
            Hashing::Framed(verifier) => verifier.is_complete(),
            Hashing::Plain(_) => false,
        }
    }

    /// Takes the next bytes of a file that comes without frames. Blocking.
    ///
    /// # Errors
    /// Where there is no room or the disk refuses; the file is lost then.
    pub fn write(&mut self, data: &[u8]) -> Result<(), LandingError> {
        if let Hashing::Plain(hasher) = &mut self.parts.hashing {
            hasher.update(data);
        }
        self.append(data)
    }

    /// Takes the next frame of a file that was begun. Blocking.
    ///
    /// # Errors
    /// Where the frame does not fit, a newer attempt has taken over, there is no room, or the disk refuses; the file
    /// takes no further frame then.
    pub fn frame(&mut self, offset: u64, data: &[u8], prefix_sha256: &[u8]) -> Result<(), LandingError> {
        if data.is_empty() && self.is_called_off(offset, prefix_sha256) {
            return Err(FrameError::Empty.into());
        }
        if offset == 0 && self.is_offered && self.received() > 0 {
            self.start_anew()?;
        }
        self.is_offered = false;
        if let Hashing::Framed(verifier) = &mut self.parts.hashing
            && let Err(wrong) = verifier.accept(offset, data, prefix_sha256)
        {
            // What came before was right, but the sender's next try shall not build on a file that was refused.
            self.discard();
            return Err(wrong.into());
        }
        self.append(data)
    }

    /// Whether a frame without data says that no more comes for now: where we are, or before the first one. What has
    /// come is as good as before.
    fn is_called_off(&self, offset: u64, prefix_sha256: &[u8]) -> bool {
        let is = |digest: Sha256| digest.as_bytes()[..] == *prefix_sha256;
        (offset == self.received() && is(self.digest())) || (offset == 0 && is(PrefixHasher::new().digest()))
    }

    /// Hashes what an interrupted transfer has left and says from where to go on; 0 where nothing has. At least one
    /// byte is always left to send.
    ///
    /// # Errors
    /// Where the disk refuses or a newer attempt has taken over.
    pub async fn offer(&mut self) -> Result<Offer, LandingError> {
        let Some(begin) = &self.parts.begin else { return Ok(Offer { offset: 0, prefix: self.digest() }) };
        let size = begin.size;
        let mut file = self.parts.claim.take().map_err(|_| self.stale())?;
        let usable = file.length().min(size - 1) / OFFER_STEP_BYTES * OFFER_STEP_BYTES;
        let taken = file.rehash(usable).await?;
        self.parts.claim.put(file).map_err(|_| self.stale())?;
        let offer = Offer { offset: taken.len(), prefix: taken.digest() };
        self.parts.reservation.wrote(taken.len());
        self.parts.hashing = Hashing::Framed(Verifier::resume(size, taken));
        (self.resumed_from, self.is_offered) = (offer.offset, true);
        Ok(offer)
    }

    fn start_anew(&mut self) -> Result<(), LandingError> {
        self.parts.claim.with(|file| file.cut(0)).map_err(|Overtaken| self.stale())??;
        let size = self.parts.begin.as_ref().map_or(0, |begin| begin.size);
        self.parts.hashing = Hashing::Framed(Verifier::new(size));
        self.resumed_from = 0;
        Ok(())
    }

    fn append(&mut self, data: &[u8]) -> Result<(), LandingError> {
        let length = data.len() as u64;
        let parts = &mut self.parts;
        if parts.begin.is_none() && parts.reservation.left() < length {
            let room = parts.disk.room()?;
            let more = length - parts.reservation.left();
            let step = more.max(STEP_BYTES);
            if !parts.reservation.try_grow(step, room) && !parts.reservation.try_grow(more, room) {
                parts.reservation.refuse(step);
                parts.pool.wants_room();
                self.discard();
                let own = self.parts.reservation.bytes();
                return Err(super::refusal(&self.parts.pool, self.parts.pool.lack(room, own)));
            }
        }
        self.parts.claim.with(|file| file.append(data)).map_err(|Overtaken| self.stale())??;
        self.parts.reservation.wrote(length);
        Ok(())
    }

    /// Nothing of it is kept for a later offer.
    pub fn discard(&mut self) {
        // Overtaken: the file is the newer attempt's.
        let _overtaken = self.parts.claim.with(Incoming::remove_at_drop);
    }

    fn stale(&self) -> LandingError {
        match &self.parts.begin {
            Some(begin) => LandingError::Stale(begin.path.clone()),
            None => LandingError::Disk(DiskError::Closed),
        }
    }

    pub(crate) async fn copy_to(self, there: &mut Self) -> Result<(), LandingError> {
        let mut from = self.parts.claim.take().map_err(|_| self.stale())?;
        let mut to = there.parts.claim.take().map_err(|_| there.stale())?;
        let mut hasher = PrefixHasher::new();
        from.copy_to(&mut to, |data| hasher.update(data)).await?;
        let is_same = hasher.digest() == self.digest();
        there.parts.reservation.wrote(hasher.len());
        there.parts.hashing = Hashing::Plain(hasher);
        there.parts.claim.put(to).map_err(|_| there.stale())?;
        if is_same { Ok(()) } else { Err(LandingError::Checksum) }
    }

    /// Makes a file that was begun durable under its name.
    ///
    /// # Errors
    /// Every refusal of the contract; what was there before stays.
    pub async fn finish(self) -> Result<Receipt, LandingError> {
        let Some(begin) = self.parts.begin.clone() else { return Err(LandingError::ChecksumRequired) };
        let Begin { path, size, sha256, attempt, meta, .. } = begin;
        let origin = attempt.map_or(Origin::Hand, Origin::Move);
        self.publish(Publish { path, size: Some(size), sha256, origin, meta }).await
    }

    /// Makes a file durable under its name, by the steps of ARCHITECTURE.md, "Storing a file".
    ///
    /// # Errors
    /// Every refusal of the contract; what was there before stays.
    pub async fn publish(mut self, publish: Publish) -> Result<Receipt, LandingError> {
        let (size, sha256) = (self.received(), self.digest());
        if let Err(refused) = self.check(&publish, size, sha256) {
            self.discard();
            return Err(refused);
        }
        let Publish { path, origin, meta, .. } = publish;
        let arrived = Arrived { size, sha256, is_proven: publish.sha256.is_some(), origin, meta };
        let incoming = self.parts.claim.take().map_err(|Overtaken| LandingError::Stale(path.clone()))?;
        let resumed_from = self.resumed_from;
        let Parts { pool, disk, claim, reservation, .. } = self.parts;
        let mut carried = Carried { reservation, claim };
        let mut incoming = incoming;
        for _ in 0..LOOKS {
            let seen = match look(&disk, &path, &arrived).await {
                Ok(seen) => seen,
                Err(refused) => return Err(refuse(incoming, refused)),
            };
            let (step, mark) = match decide(&arrived, seen.as_ref()) {
                Decision::Go(step, mark) => (step, *mark),
                Decision::Conflict => return Err(refuse(incoming, LandingError::Conflict(path))),
                Decision::Stale => return Err(refuse(incoming, LandingError::Stale(path))),
            };
            let pending = match origin {
                Origin::Upload { id, .. } => Some(id),
                Origin::Hand | Origin::Move(_) => None,
            };
            let skipped = matches!(step, Step::Keep(_) | Step::Raise(_));
            let is_new = matches!(step, Step::Give) && origin == Origin::Hand;
            let placing = Placing { incoming, path: path.clone(), mark, step, attempt: origin.attempt(), pending };
            match place(&disk, placing, carried, size).await? {
                Ended::Durable if is_new => {
                    pool.landed_by_hand(&path, size);
                    return Ok(Receipt { size, sha256, skipped, resumed_from });
                }
                Ended::Durable => return Ok(Receipt { size, sha256, skipped, resumed_from }),
                Ended::Stale => return Err(LandingError::Stale(path)),
                Ended::Changed(back, with) => (incoming, carried) = (back, with),
            }
        }
        let why = match disk.in_the_way(&path) {
            Some(what) => LandingError::InTheWay { path, what },
            None => LandingError::Conflict(path),
        };
        Err(refuse(incoming, why))
    }

    fn check(&self, publish: &Publish, size: u64, sha256: Sha256) -> Result<(), LandingError> {
        if size == 0 && !super::may_be_empty(publish) {
            return Err(LandingError::Empty);
        }
        if let Some(announced) = publish.size.filter(|announced| *announced != size) {
            return Err(LandingError::Size { announced, received: size });
        }
        match publish.sha256 {
            Some(announced) if announced != sha256 => Err(LandingError::Checksum),
            None if self.parts.requires_checksum && publish.origin == Origin::Hand => {
                Err(LandingError::ChecksumRequired)
            }
            _ => Ok(()),
        }
    }
}

/// What is given back when a file has landed or failed.
struct Carried {
    reservation: Reservation,
    claim: Claim,
}

enum Ended {
    Durable,
    Stale,
    Changed(Incoming, Carried),
}

/// Has the committer do it. What is carried is released there, so that a caller who is gone releases nothing early.
async fn place(disk: &Disk, placing: Placing, carried: Carried, size: u64) -> Result<Ended, LandingError> {
    let gives_bytes = matches!(placing.step, Step::Give);
    let (tell, told) = oneshot::channel();
    let answer = move |outcome: Result<Placed, DiskError>| {
        let ended = match outcome {
            Ok(Placed::Durable) => {
                let Carried { reservation, claim } = carried;
                if gives_bytes {
                    reservation.landed(size);
                }
                drop(claim);
                Ok(Ended::Durable)
            }
            Ok(Placed::Stale) => Ok(Ended::Stale),
            Ok(Placed::Changed(incoming)) => Ok(Ended::Changed(incoming, carried)),
            Err(e) => Err(e),
        };
        // Who is gone needs no answer.
        drop(tell.send(ended));
    };
    disk.place(placing, answer).await;
    Ok(told.await.map_err(|_| DiskError::Closed)??)
}

/// The file under the name; its bytes are read again only where they can be the same.
async fn look(disk: &Disk, path: &StoredPath, arrived: &Arrived) -> Result<Option<Seen>, LandingError> {
    let Some(there) = disk.open(path)? else { return Ok(None) };
    let mut is_same = false;
    if there.size() == arrived.size {
        let found = there.hash().await.map_err(|e| DiskError::new("hash", path.as_str(), e))?;
        is_same = found == arrived.sha256;
        if there.mark().is_some_and(|mark| mark.sha256 != found) {
            disk.judge(path, &there, Verdict::Suspect(Some(found))).await?;
        }
    }
    Ok(Some(Seen { existing: there.existing(), mark: there.mark().cloned(), is_same }))
}

/// A file that was refused is not gone on with.
fn refuse(mut incoming: Incoming, why: LandingError) -> LandingError {
    incoming.remove_at_drop();
    why
}

#[expect(dead_code, reason = "proves at compile time that landings may move between workers")]
fn landings_are_send() {
    fn is_send<T: Send>() {}
    is_send::<Landing>();
    is_send::<(Mark, FileMeta)>();
}
