//! What a move of images is: which ones go, and the life of each job. Pure.

mod machine;
mod plan;
mod undo;

pub use machine::{After, End, MoveJob, News, Turn};
pub use plan::{Blocker, PlanImage, Planned, obstacle, plan};
pub use undo::{ImageNow, PastMove, cannot_undo};
