//! What a command says. A reader that has gone away, or a disk that is full, ends no process: what can't be printed is
//! said on stderr and in the exit code, and what can't be said there is dropped.

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

/// A line on stdout, written to its end.
///
/// # Errors
/// Nobody reads it, or it can't be written.
pub fn print(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

/// A line on stderr.
pub fn say(line: impl Display) {
    io::stderr().lock().write_all(format!("{line}\n").as_bytes()).ok();
}

/// The line that a command is asked for, and its exit code. `made`: what has happened all the same where the line can't
/// be printed.
#[must_use]
pub fn answer(line: impl Display, made: &str) -> ExitCode {
    match print(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let made = if made.is_empty() { String::new() } else { format!(" {made}") };
            say(format_args!("could not print the answer: {error}.{made}"));
            ExitCode::FAILURE
        }
    }
}
