//! What a move of images is: which ones go, and the life of each job. Pure.

mod machine;
mod plan;

pub use machine::{After, End, MoveJob, News, Turn};
pub use plan::{Blocker, PlanImage, Planned, obstacle, plan};
