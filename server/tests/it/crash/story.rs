//! What happens in a cluster while one of its processes ends: every node sends to the next one and gets its own back,
//! takes uploads in, and finds at its target what somebody has put there by hand.

use futures_util::future::join_all;

use super::{
    client::{Client, Upload, place_by_hand},
    cluster::Role,
};
use crate::harness::files_below;

/// More than one frame.
const LARGE: usize = 600_000;
const SMALL: usize = 2_000;
/// How many a whole pool's move takes.
const OLDEST: u64 = 3;
/// Which of a node's images loses its file.
const GONE: usize = 4;

/// Images that wait for their move.
#[derive(Clone, Debug)]
struct Batch {
    uuids: Vec<String>,
    from: Role,
    to: Role,
    way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// To where they have never been.
    There,
    /// To where their old copies are in the trash.
    Back,
}

/// What the next round moves.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    batches: Vec<Batch>,
    /// Images that have been there and back: they are deleted, and with them what is in the trash.
    done: Vec<String>,
    /// Uploaded again in the round: the same bytes of the same user.
    known: Vec<Vec<u8>>,
    /// Images whose file somebody takes away.
    gone: Vec<(Role, Upload)>,
    /// Whether somebody has spoiled what comes back: then nothing else may work on it first.
    spoiled: bool,
}

impl Story {
    /// Uploads what the next round moves, and turns back what the one before it has moved.
    pub(super) async fn prepare(self, client: &Client) -> Self {
        let (there, back): (Vec<Batch>, Vec<Batch>) =
            self.batches.into_iter().partition(|batch| batch.way == Way::There);
        let done = back.into_iter().flat_map(|batch| batch.uuids).collect();
        let turned = |batch: Batch| Batch { from: batch.to, to: batch.from, way: Way::Back, ..batch };
        let mut batches: Vec<Batch> = there.into_iter().map(turned).collect();
        let (mut known, mut gone) = (Vec::new(), Vec::new());
        for from in Role::ALL {
            let fresh = fresh(client, from).await;
            known.push(fresh[0].bytes.clone());
            gone.push((from, fresh[GONE].clone()));
            let uuids = fresh.into_iter().map(|upload| upload.uuid).collect();
            batches.push(Batch { uuids, from, to: from.next(), way: Way::There });
        }
        Self { batches, done, known, gone, spoiled: false }
    }

    /// Somebody writes over an old copy of each node's trash that the next round brings back.
    pub(super) fn spoil_old_copies(&mut self, client: &Client) {
        for batch in self.batches.iter().filter(|batch| batch.way == Way::Back) {
            let trash = client.pool_dir(batch.to).join(".pixelfox/trash");
            let is_theirs = |name: &String| batch.uuids.iter().any(|uuid| name.contains(uuid.as_str()));
            // What was called off in the round before has none.
            let Some(name) = files_below(&trash).into_iter().find(is_theirs) else { continue };
            self.spoiled = true;
            let size = std::fs::metadata(trash.join(&name)).unwrap().len();
            std::fs::write(trash.join(&name), vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
        }
        assert!(self.spoiled, "no old copy is left");
    }

    /// Somebody has put files of his own where old copies of a node's images will go.
    pub(super) fn take_places_in_trash(&self, client: &Client, at: Role) {
        let batch = self.batches.iter().find(|batch| batch.from == at && batch.way == Way::There).unwrap();
        // The first ones move whatever else happens.
        for uuid in &batch.uuids[..2] {
            let pool = client.pool_dir(at);
            let is_its = |name: &String| name.contains(uuid.as_str()) && !name.starts_with('.');
            let path = files_below(&pool).into_iter().find(is_its).expect("an upload");
            place_by_hand(&pool.join(".pixelfox/trash/1").join(path), b"somebody's own");
        }
    }

    /// Every image that the next round moves.
    pub(super) fn uuids(&self) -> Vec<String> {
        self.batches.iter().flat_map(|batch| batch.uuids.clone()).collect()
    }

    /// Every image that comes back to where it has been.
    pub(super) fn coming_back(&self) -> Vec<String> {
        let back = self.batches.iter().filter(|batch| batch.way == Way::Back);
        back.flat_map(|batch| batch.uuids.clone()).collect()
    }

    /// Moves all of it, and some of a pool's oldest images, while others upload and delete.
    pub(super) async fn run(&self, client: &Client) {
        for (at, upload) in &self.gone {
            client.excuse(upload);
            std::fs::remove_file(client.pool_dir(*at).join(&upload.path)).unwrap();
        }
        let moves = join_all(self.batches.iter().map(|batch| client.move_to(&batch.uuids, batch.to)));
        let uploads = join_all(Role::ALL.into_iter().zip(&self.known).map(|(role, known)| async move {
            client.upload_at_last(role, &client.picture(SMALL)).await;
            client.upload_at_last(role, known).await;
        }));
        // Moved and called off at once: however far it has come, each image is whole in one place.
        let oldest = async { client.cancel(client.move_some(Role::S02, Role::Server, OLDEST).await).await };
        let more = client.move_some(Role::S01, Role::S02, OLDEST);
        let others = async { tokio::join!(uploads, oldest, more, client.delete(&self.done)) };
        if self.spoiled {
            moves.await;
            others.await;
        } else {
            tokio::join!(moves, others);
        }
    }
}

/// Images of a node: an ordinary one, a large one, one whose name is taken at the target by other bytes, one by the
/// same, and one whose file is gone.
async fn fresh(client: &Client, from: Role) -> Vec<Upload> {
    let mut uploads = Vec::new();
    for size in [SMALL, LARGE, SMALL, SMALL, SMALL] {
        // At last: a node that has just started again may not know its pools yet.
        uploads.push(client.upload_at_last(from, &client.picture(size)).await);
    }
    let [_, _, other, same, _] = &uploads[..] else { unreachable!() };
    let target = client.pool_dir(from.next());
    place_by_hand(&target.join(&other.path), b"somebody's own");
    place_by_hand(&target.join(&same.path), &same.bytes);
    uploads
}
