//! Where is printed and who is asked: stdout, its colours and width; questions on a terminal.

use std::io::{BufRead as _, BufWriter, IsTerminal as _, Read as _, Stdout, Write as _};

use pixelfox_node::config::Env;
use rustix::termios;

use super::Trouble;

/// Longest line of the input that is read: a password or a session's secret.
const LINE_BYTES: u64 = 4096;

/// A word's colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Green = 32,
    Yellow = 33,
    Red = 31,
}

/// Standard output.
pub(super) struct Out {
    to: BufWriter<Stdout>,
    is_terminal: bool,
    coloured: bool,
    /// Lines of a picture that is drawn over by the next one.
    drawn: usize,
}

impl Out {
    pub(super) fn of_process() -> Self {
        let stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        let coloured = is_terminal && Env::process().text("NO_COLOR").is_none();
        Self { to: BufWriter::new(stdout), is_terminal, coloured, drawn: 0 }
    }

    pub(super) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(super) fn line(&mut self, line: &str) -> Result<(), Trouble> {
        Ok(writeln!(self.to, "{line}")?)
    }

    /// Without an end of the line.
    pub(super) fn text(&mut self, text: &str) -> Result<(), Trouble> {
        Ok(write!(self.to, "{text}")?)
    }

    pub(super) fn flush(&mut self) -> Result<(), Trouble> {
        Ok(self.to.flush()?)
    }

    /// A word in its colour, where there are colours.
    pub(super) fn coloured(&self, word: &str, colour: Colour) -> String {
        if self.coloured { format!("\u{1b}[{}m{word}\u{1b}[0m", colour as u8) } else { word.to_owned() }
    }

    /// Columns of the terminal.
    pub(super) fn width(&self) -> usize {
        let size = termios::tcgetwinsize(std::io::stdout());
        size.ok().map(|size| usize::from(size.ws_col)).filter(|width| *width > 0).unwrap_or(80)
    }

    /// Draws over what was drawn before. Terminals only.
    pub(super) fn draw(&mut self, lines: &[String]) -> Result<(), Trouble> {
        if self.drawn > 0 {
            write!(self.to, "\u{1b}[{}F\u{1b}[J", self.drawn)?;
        }
        for line in lines {
            writeln!(self.to, "{line}")?;
        }
        self.drawn = lines.len();
        self.flush()
    }

    /// What was drawn stays; what comes stands below it.
    pub(super) fn keep(&mut self) {
        self.drawn = 0;
    }
}

/// What may ask and what may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// `--yes`
    Given,
    Ask,
}

/// The flag of what can't be undone.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Yes {
    /// Do it without asking. Needed where nobody can be asked.
    #[arg(long, short)]
    yes: bool,
}

impl Yes {
    pub(super) fn consent(self) -> Consent {
        if self.yes { Consent::Given } else { Consent::Ask }
    }
}

/// Asks on the terminal whether to do what can't be undone.
///
/// # Errors
/// The answer was no, or nobody can be asked.
pub(super) fn confirm(consent: Consent, question: &str) -> Result<(), Trouble> {
    if consent == Consent::Given {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Trouble::Usage(format!("{question}\nNobody can be asked here: say --yes to do it")));
    }
    eprint!("{} [y/N] ", super::show::clean(question));
    let answer = input_line()?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes" | "j" | "ja") {
        return Ok(());
    }
    Err(Trouble::Failed("not confirmed; nothing was done".into()))
}

/// A secret from the first line of the input; on a terminal it is asked for and not shown.
///
/// # Errors
/// There is none.
pub(super) fn secret(what: &str) -> Result<String, Trouble> {
    let stdin = std::io::stdin();
    let secret = if stdin.is_terminal() {
        let before = termios::tcgetattr(&stdin).map_err(std::io::Error::from)?;
        let mut silent = before.clone();
        silent.local_modes.remove(termios::LocalModes::ECHO);
        termios::tcsetattr(&stdin, termios::OptionalActions::Now, &silent).map_err(std::io::Error::from)?;
        eprint!("{what}: "); // only now: what is typed before would be shown
        let typed = input_line();
        termios::tcsetattr(&stdin, termios::OptionalActions::Now, &before).map_err(std::io::Error::from)?;
        eprintln!();
        typed?
    } else {
        input_line()?
    };
    let secret = secret.trim_end_matches(['\r', '\n']).to_owned();
    if secret.is_empty() {
        Err(Trouble::Usage(format!("no {what} on the input: give it as its first line")))
    } else {
        Ok(secret)
    }
}

fn input_line() -> Result<String, Trouble> {
    let mut line = String::new();
    std::io::stdin().lock().take(LINE_BYTES).read_line(&mut line)?;
    Ok(line)
}

/// Words of the input, for `-`: one a line.
pub(super) fn input_words() -> Result<Vec<String>, Trouble> {
    let mut words = Vec::new();
    for line in std::io::stdin().lock().lines() {
        words.extend(line?.split_whitespace().map(str::to_owned));
    }
    Ok(words)
}
