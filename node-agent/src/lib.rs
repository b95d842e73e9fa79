//! A PixelFox storage node: it owns the disks, stores and serves the files and streams them to other nodes.

pub mod plane;
pub mod sys;
