//! Which images of a request go, and why the others stay. Pure.

use std::collections::{HashMap, HashSet};

use pixelfox_proto::{ImageId, JobId, PoolId};

/// An image as a plan looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanImage {
    /// Its UUID.
    pub id: ImageId,
    /// The pool that it is in.
    pub pool: PoolId,
    /// Files that would go.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is in the way, apart from its place.
    pub blocker: Option<Blocker>,
    /// The name of a pool that has a file of it in its trash which is lost or damaged where the image is.
    pub kept_in: Option<String>,
}

/// What keeps an image where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocker {
    /// Another open job changes its files.
    Job(JobId),
    /// Its original is lost.
    Lost,
    /// Its original does not match the books.
    Suspect,
    /// It is being deleted.
    Deleting,
}

/// The images that go, and a sentence for each that stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// In the order of the request.
    pub go: Vec<PlanImage>,
    /// In the order of the request.
    pub stay: Vec<String>,
}

impl Planned {
    /// Files that go.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.go.iter().map(|image| image.files).sum()
    }

    /// Bytes that go.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.go.iter().map(|image| image.bytes).sum()
    }
}

/// Splits a request for `target` (named `target_name`). `found` may have any order; what was asked for and is not in
/// it is unknown. An image that is asked for twice goes once. O(n log n).
#[must_use]
pub fn plan(asked: &[ImageId], found: Vec<PlanImage>, target: PoolId, target_name: &str) -> Planned {
    let mut found: HashMap<ImageId, PlanImage> = found.into_iter().map(|image| (image.id, image)).collect();
    let mut seen = HashSet::with_capacity(asked.len());
    let mut planned = Planned::default();
    for id in asked.iter().filter(|id| seen.insert(**id)) {
        match found.remove(id) {
            None => planned.stay.push(format!("image {id}: unknown")),
            Some(image) => match obstacle(&image, target, target_name) {
                Some(why) => planned.stay.push(format!("image {id}: {why}")),
                None => planned.go.push(image),
            },
        }
    }
    planned
}

/// Why an image can't go to `target` (named `target_name`) now; `None` where it can.
#[must_use]
pub fn obstacle(image: &PlanImage, target: PoolId, target_name: &str) -> Option<String> {
    let cure = || match &image.kept_in {
        // A move of the image brings it back; that of a whole pool looks only at what is live.
        Some(pool) if pool == target_name => format!(
            "the trash of pool {pool} has an old copy, which a move of the pool does not bring back: move the image alone, by its UUID"
        ),
        Some(pool) => format!("the trash of pool {pool} has an old copy: move it there, or take its last move back"),
        None => "put the file right and have it read (VerifyImages), or delete the image".to_owned(),
    };
    match image.blocker {
        Some(Blocker::Deleting) => Some("is being deleted".to_owned()),
        _ if image.pool == target => Some(format!("is in pool {target_name} ({target}) already")),
        Some(Blocker::Job(job)) => Some(format!("job {job} is working on it; wait for that or cancel it")),
        Some(Blocker::Lost) => Some(format!("its original is lost; {}", cure())),
        Some(Blocker::Suspect) => Some(format!("a file of it does not match its checksum on record; {}", cure())),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> ImageId {
        ImageId::from_bytes([number; 16])
    }

    fn pool(number: u64) -> PoolId {
        PoolId::try_from(number).unwrap()
    }

    fn image(number: u8) -> PlanImage {
        PlanImage { id: id(number), pool: pool(1), files: 1, bytes: 10, blocker: None, kept_in: None }
    }

    #[test]
    fn why_an_image_stays() {
        let job = Blocker::Job(JobId::try_from(7).unwrap());
        for (found, want) in [
            (None, Some("unknown")),
            (Some(image(1)), None),
            (Some(PlanImage { pool: pool(2), ..image(1) }), Some("is in pool img1 (2) already")),
            (Some(PlanImage { blocker: Some(job), ..image(1) }), Some("job 7 is working on it")),
            (Some(PlanImage { blocker: Some(Blocker::Lost), ..image(1) }), Some("its original is lost")),
            (Some(PlanImage { blocker: Some(Blocker::Suspect), ..image(1) }), Some("does not match its checksum")),
            (Some(PlanImage { blocker: Some(Blocker::Deleting), ..image(1) }), Some("is being deleted")),
        ] {
            let planned = plan(&[id(1)], found.into_iter().collect(), pool(2), "img1");
            match want {
                None => assert_eq!((planned.go.len(), planned.stay.len()), (1, 0)),
                Some(want) => assert!(planned.stay[0].contains(want) && planned.go.is_empty(), "{:?}", planned.stay),
            }
        }
    }

    #[test]
    fn an_image_that_is_asked_for_twice_goes_once_and_in_the_order_of_the_request() {
        let planned = plan(&[id(3), id(1), id(3), id(2)], vec![image(1), image(2), image(3)], pool(2), "img1");
        let order: Vec<ImageId> = planned.go.iter().map(|image| image.id).collect();
        assert_eq!((order, planned.files(), planned.bytes()), (vec![id(3), id(1), id(2)], 3, 30));
    }
}
