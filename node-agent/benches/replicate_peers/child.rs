//! This program once more, as one side of a transfer: it says when it is ready, goes when it is told to, and says when
//! it is done.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// A side's process. Ends when this is dropped.
pub(crate) struct Side {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    /// Starts it in the role that `arguments` name.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut command = Command::new(program);
        command.arg("--role").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the program starts again");
        let input = process.stdin.take().expect("piped");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        Self { process, input, output }
    }

    /// Its next line.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the other side lives");
        assert!(!line.is_empty(), "a side has ended early");
        line.trim().to_owned()
    }

    /// Tells it to go on.
    pub(crate) fn go(&mut self) {
        self.input.write_all(b"go\n").expect("the other side lives");
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.process.id())
    }

    /// Its greatest resident memory so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Processor time of a process and of its children that have ended.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u32 = after_name.split_whitespace().skip(11).take(4).filter_map(|word| word.parse::<u32>().ok()).sum();
    f64::from(ticks) / 100.0 // USER_HZ is 100 on every Linux that we know
}

/// In the child: says `line` to the parent.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).expect("the parent lives");
}

/// In the child: waits for the parent's word; ends the program with the parent.
pub(crate) fn wait() {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 {
        std::process::exit(0);
    }
}

/// Waits until the parent is gone.
pub(crate) fn live() -> ! {
    loop {
        wait();
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("a path of text")
}
