//! What a move of images is: which ones go, the life of each job, and what a copy is whose bytes were read. Pure.

mod checked;
mod machine;
mod plan;
mod undo;

pub use checked::{AfterCheck, Whereabouts, after_check};
pub use machine::{After, End, MoveJob, News, Turn};
pub use plan::{Blocker, PlanImage, Planned, obstacle, plan};
pub use undo::{ImageNow, PastMove, cannot_undo, comes_back};
