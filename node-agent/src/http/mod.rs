//! The HTTP routes of every node: replicate, uploads in and out, identity and health. Handlers translate, ask one room
//! and answer; they must not open files and must not decide what a room decides.

mod body;
mod multipart;
