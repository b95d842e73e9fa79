//! What is counted where it happens: requests, files between nodes, uploads, attaches. Handles are made once, so that
//! counting is an addition.

use std::{collections::HashMap, sync::Arc, time::Duration};

use metrics::{Counter, Histogram};
use parking_lot::RwLock;
use pixelfox_proto::Fault;

use super::{
    Meters,
    table::{
        GRPC_REQUESTS, GRPC_SECONDS, HTTP_REQUESTS, HTTP_SECONDS, REPLICATED_BYTES, REPLICATED_FILES, SESSION_ATTACHES,
        UPLOADS,
    },
};

/// Which way a file goes, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To this node.
    In,
    /// To another one.
    Out,
}

/// How a file between nodes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Durable at the target.
    Stored,
    /// The same bytes were there.
    Skipped,
    /// The target does not take it.
    Refused,
    /// A disk or the way between failed, or the source is not what it should be.
    Failed,
    /// It was called off.
    CalledOff,
}

/// Which way an upload came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// With a token, to the node.
    Node,
    /// Through the app.
    App,
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A new image.
    Stored,
    /// The image was there already.
    Duplicate,
    /// For a reason that lies with who sent it.
    Refused,
    /// For a reason that lies here: no room, no pool, a disk, the books.
    Failed,
}

impl Taken {
    /// Of an outcome that says whether the image was there already.
    #[must_use]
    pub fn of(outcome: Result<bool, &Fault>) -> Self {
        match outcome {
            Ok(false) => Self::Stored,
            Ok(true) => Self::Duplicate,
            Err(fault) if fault.kind().row().1 >= 500 => Self::Failed,
            Err(_) => Self::Refused,
        }
    }
}

const DIRECTIONS: [(Direction, &str); 2] = [(Direction::In, "in"), (Direction::Out, "out")];
const ENDS: [(Ended, &str); 5] = [
    (Ended::Stored, "stored"),
    (Ended::Skipped, "skipped"),
    (Ended::Refused, "refused"),
    (Ended::Failed, "failed"),
    (Ended::CalledOff, "called_off"),
];
const DOORS: [(Door, &str); 2] = [(Door::Node, "node"), (Door::App, "app")];
const TAKEN: [(Taken, &str); 4] = [
    (Taken::Stored, "stored"),
    (Taken::Duplicate, "duplicate"),
    (Taken::Refused, "refused"),
    (Taken::Failed, "failed"),
];

/// Files between nodes. The default counts nothing.
#[derive(Clone, Debug, Default)]
pub struct Replicated {
    ends: Vec<((Direction, Ended), Counter, Counter)>,
}

impl Replicated {
    pub(super) fn of(meters: &Meters) -> Self {
        let mut ends = Vec::new();
        for (direction, way) in DIRECTIONS {
            for (ended, outcome) in ENDS {
                let labels = [("direction", way), ("outcome", outcome)];
                let (files, bytes) =
                    (meters.counter(&REPLICATED_FILES, &labels), meters.counter(&REPLICATED_BYTES, &labels));
                ends.push(((direction, ended), files, bytes));
            }
        }
        Self { ends }
    }

    /// A file of `size` bytes has ended.
    pub fn ended(&self, direction: Direction, ended: Ended, size: u64) {
        if let Some((_, files, bytes)) = self.ends.iter().find(|(key, ..)| *key == (direction, ended)) {
            files.increment(1);
            bytes.increment(size);
        }
    }
}

/// Uploads. The default counts nothing.
#[derive(Clone, Debug, Default)]
pub struct Uploads {
    ends: Vec<((Door, Taken), Counter)>,
}

impl Uploads {
    pub(super) fn of(meters: &Meters) -> Self {
        let both = DOORS.into_iter().flat_map(|door| TAKEN.into_iter().map(move |taken| (door, taken)));
        let end = |((door, way), (taken, outcome))| {
            ((door, taken), meters.counter(&UPLOADS, &[("door", way), ("outcome", outcome)]))
        };
        Self { ends: both.map(end).collect() }
    }

    /// An upload has ended.
    pub fn ended(&self, door: Door, taken: Taken) {
        if let Some((_, uploads)) = self.ends.iter().find(|(key, _)| *key == (door, taken)) {
            uploads.increment(1);
        }
    }
}

/// Sessions of this node. The default counts nothing.
#[derive(Clone, Debug)]
pub struct Attaches(Counter);

impl Default for Attaches {
    fn default() -> Self {
        Self(Counter::noop())
    }
}

impl Attaches {
    pub(super) fn of(meters: &Meters) -> Self {
        Self(meters.counter(&SESSION_ATTACHES, &[]))
    }

    /// It has attached once more.
    pub fn attached(&self) {
        self.0.increment(1);
    }
}

/// Answers, by what was asked and how it was answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    counts: RwLock<HashMap<(Asked, Code), Counter>>,
    times: RwLock<HashMap<Asked, Histogram>>,
}

/// What was asked, in few words: a route template and a known method, or a gRPC method that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// By HTTP.
    Http {
        /// The template, never the path.
        route: Arc<str>,
        /// GET, POST and so on.
        method: &'static str,
    },
    /// By gRPC.
    Grpc {
        /// `pixelfox.v1.Admin/GetOverview`.
        method: Arc<str>,
    },
}

/// How it was answered: an HTTP status, or a code of gRPC.
pub type Code = u16;

impl Answers {
    pub(super) fn answered(&self, meters: &Meters, asked: &Asked, code: Code, word: &str, took: Duration) {
        let key = (asked.clone(), code);
        let known = self.counts.read().get(&key).map(|count| count.increment(1));
        if known.is_none() {
            let count = match asked {
                Asked::Http { route, method } => {
                    meters.counter(&HTTP_REQUESTS, &[("route", route), ("method", method), ("code", word)])
                }
                Asked::Grpc { method } => meters.counter(&GRPC_REQUESTS, &[("method", method), ("code", word)]),
            };
            count.increment(1);
            self.counts.write().insert(key, count);
        }
        let known = self.times.read().get(asked).map(|times| times.record(took));
        if known.is_none() {
            let times = match asked {
                Asked::Http { route, method } => {
                    meters.histogram(&HTTP_SECONDS, &[("route", route), ("method", method)])
                }
                Asked::Grpc { method } => meters.histogram(&GRPC_SECONDS, &[("method", method)]),
            };
            times.record(took);
            self.times.write().insert(asked.clone(), times);
        }
    }

    /// So that each metric is there before its first event.
    pub(super) fn touch(meters: &Meters) {
        let health = [("route", "/healthz"), ("method", "GET")];
        drop(meters.counter(&HTTP_REQUESTS, &[health[0], health[1], ("code", "200")]));
        drop(meters.histogram(&HTTP_SECONDS, &health));
        let method = ("method", "grpc.health.v1.Health/Check");
        drop(meters.counter(&GRPC_REQUESTS, &[method, ("code", "OK")]));
        drop(meters.histogram(&GRPC_SECONDS, &[method]));
    }
}
