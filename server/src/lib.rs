//! The PixelFox coordinator: knows every image, decides where its files live, moves them.

pub mod catalog;
pub mod cli;
pub mod config;
pub mod moves;
pub mod placement;
pub mod schedule;
pub mod store;
