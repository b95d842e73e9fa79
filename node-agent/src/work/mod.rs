//! Carries out the coordinator's orders, each as a task with an owner, and reports on every file once.

mod command;

pub use command::{
    Command, CommandId, FileAt, FileEnd, Outcome, PoolFiles, PushFile, PushFiles, Report, RestoreCheck, RestoreFiles,
    VerifyFiles,
};
