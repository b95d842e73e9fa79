//! Why a verb did not do what it was asked: what is said, and the exit code that tells the classes apart.

use std::{error::Error as _, io, process::ExitCode};

use pixelfox_proto::{Language, Text, text, v1};
use prost::Message as _;
use tonic::{Code, Status};

use super::{methods::as_verbs, show};

/// What kept a verb from its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The command can't be understood as it stands.
    #[error("{0}")]
    Usage(String),
    /// There is no such thing, by what the server has listed.
    #[error("{0}")]
    Unknown(Text),
    /// Nothing is left to do of what was asked.
    #[error("{0}")]
    Nothing(Text),
    /// Nobody answered.
    #[error("{0}")]
    Unreachable(String),
    /// What the server or the connection said instead of an answer.
    #[error("{}", .0.message())]
    Server(Box<Status>),
    /// Our own failure, or the answer to a question was no.
    #[error("{0}")]
    Failed(String),
    /// Ctrl-C; the sentence says what goes on.
    #[error("{0}")]
    Stopped(String),
    /// Nobody reads what is printed.
    #[error("could not print: {0}")]
    Print(#[from] io::Error),
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        Self::Server(Box::new(status))
    }
}

/// What the exit code tells. Source: docs/ctl.md, "Exit codes".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Quiet = 0,
    Failed = 1,
    Usage = 2,
    Refused = 3,
    Unreachable = 4,
    Stopped = 130,
}

/// `google.rpc.Status`, as the details of a status have it.
#[derive(Clone, PartialEq, prost::Message)]
struct RichStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

impl Trouble {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Usage(_) => Class::Usage,
            Self::Unknown(_) | Self::Nothing(_) => Class::Refused,
            Self::Unreachable(_) => Class::Unreachable,
            Self::Failed(_) => Class::Failed,
            Self::Stopped(_) => Class::Stopped,
            // `| head` has what it wanted
            Self::Print(error) if error.kind() == io::ErrorKind::BrokenPipe => Class::Quiet,
            Self::Print(_) => Class::Failed,
            Self::Server(status) if connection_broke(status) => Class::Unreachable,
            Self::Server(status) => match status.code() {
                Code::Unavailable | Code::DeadlineExceeded => Class::Unreachable,
                Code::Internal | Code::Unknown | Code::DataLoss | Code::Ok => Class::Failed,
                _ => Class::Refused,
            },
        }
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.class() as u8)
    }

    /// Says on stderr what happened at `url` and what to do.
    pub(super) fn say(&self, url: &str, language: Language) {
        let said = self.sentence(language);
        let said = match self.class() {
            Class::Quiet => return,
            Class::Unreachable => text!(de "nicht erreichbar: {url}: {said}", en "unreachable: {url}: {said}"),
            Class::Refused => text!(de "abgelehnt: {said}", en "refused: {said}"),
            Class::Failed => text!(de "fehlgeschlagen: {said}", en "failed: {said}"),
            Class::Usage | Class::Stopped => Text::verbatim(said),
        };
        eprintln!("{}", said.to(language));
    }

    /// What was seen, and what to do about it: the findings of a refused save a line each.
    fn sentence(&self, language: Language) -> String {
        let status = match self {
            Self::Server(status) => status,
            Self::Unknown(said) | Self::Nothing(said) => return said.to(language).to_owned(),
            _ => return self.to_string(),
        };
        if connection_broke(status) {
            let innermost = std::iter::successors(status.source(), |cause| (*cause).source()).last();
            let cause = innermost.map(ToString::to_string).unwrap_or_default();
            let said = text!(de "die Verbindung brach ab: {cause}", en "the connection broke: {cause}");
            return show::clean(said.to(language));
        }
        let found = findings(status);
        if !found.is_empty() {
            let lines = found.iter().map(|finding| {
                let name = status_word(finding.status());
                let advice = Some(&finding.advice).filter(|advice| !advice.is_empty());
                let stop = if finding.message.ends_with(['?', '.']) { "" } else { "." };
                let advice = advice.map(|advice| format!("{stop} {advice}")).unwrap_or_default();
                format!("\n  {name:<8} {}: {}{advice}", finding.field, finding.message)
            });
            // What only looks wrong can be saved over; with one error among it that helps nothing.
            let is_error = |it: &v1::Finding| it.status() == v1::finding::Status::Failed;
            let anyway = match found.iter().any(is_error) {
                true => Text::default(),
                false => text!(
                    de "\nMit --save-anyway wird er trotzdem gespeichert",
                    en "\nWith --save-anyway it is saved all the same"
                ),
            };
            let lines = lines.collect::<String>();
            let said = text!(
                de "so lässt sich der Speicherpool nicht speichern{lines}{anyway}",
                en "the pool can't be saved like this{lines}{anyway}",
                with anyway
            );
            return show::clean(said.to(language));
        }
        let hint = match status.code() {
            Code::Unauthenticated => text!(
                de "\nADMIN_TOKEN des Servers in der Umgebung angeben, oder seine Datei mit --token-file",
                en "\nGive the server's ADMIN_TOKEN in the environment, or its file with --token-file"
            ),
            Code::Unimplemented => text!(
                de "\nFührt die Adresse zum Koordinator, und ist er von dieser Version?",
                en "\nDoes the address lead to the coordinator, and is it of this version?"
            ),
            _ => Text::default(),
        };
        show::clean(&format!("{}{}", as_verbs(status.message()), hint.to(language)))
    }
}

/// The words of a finding, as JSON has them.
pub(super) fn status_word(status: v1::finding::Status) -> &'static str {
    status.as_str_name()
}

/// A status that no server has sent carries its cause.
fn connection_broke(status: &Status) -> bool {
    status.source().is_some()
}

/// What was found in a pool that could not be saved.
fn findings(status: &Status) -> Vec<v1::Finding> {
    let Ok(rich) = RichStatus::decode(status.details()) else { return Vec::new() };
    let ours = rich.details.into_iter().find(|detail| detail.type_url.ends_with("/pixelfox.v1.PoolFindings"));
    ours.and_then(|any| v1::PoolFindings::decode(any.value.as_slice()).ok()).map(|it| it.findings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_wrong_names_the_flag_that_saves_it_all_the_same() {
        let refused = |worst: v1::finding::Status| {
            let line = |status: v1::finding::Status| v1::Finding {
                field: "base_path".into(),
                status: status.into(),
                message: "is odd".into(),
                ..v1::Finding::default()
            };
            let value = v1::PoolFindings { findings: vec![line(v1::finding::Status::Warning), line(worst)] };
            let any = prost_types::Any {
                type_url: "type.googleapis.com/pixelfox.v1.PoolFindings".into(),
                value: value.encode_to_vec(),
            };
            let details = RichStatus { details: vec![any] }.encode_to_vec();
            Trouble::from(Status::with_details(Code::FailedPrecondition, "no", details.into())).sentence(Language::En)
        };
        let (doubt, error) = (refused(v1::finding::Status::Warning), refused(v1::finding::Status::Failed));
        assert!(
            doubt.contains("base_path: is odd") && doubt.ends_with("--save-anyway it is saved all the same"),
            "{doubt}"
        );
        assert!(error.contains("FAILED") && !error.contains("--save-anyway"), "{error}");
    }

    #[test]
    fn what_the_exit_code_tells() {
        let server = |code| Trouble::from(Status::new(code, "no"));
        let mut broken = Status::new(Code::Unknown, "transport error");
        broken.set_source(std::sync::Arc::new(io::Error::other("reset by peer")));
        for (why, trouble, want) in [
            ("a broken pipe ends quietly", Trouble::Print(io::ErrorKind::BrokenPipe.into()), Class::Quiet),
            ("a full disk behind stdout does not", Trouble::Print(io::ErrorKind::StorageFull.into()), Class::Failed),
            ("a wrong token", server(Code::Unauthenticated), Class::Refused),
            ("nothing of that name", server(Code::NotFound), Class::Refused),
            ("a state that forbids it", server(Code::FailedPrecondition), Class::Refused),
            ("the server's own failure", server(Code::Internal), Class::Failed),
            ("the server can't now", server(Code::Unavailable), Class::Unreachable),
            ("the connection broke", Trouble::from(broken), Class::Unreachable),
            ("no such pool in the list", Trouble::Unknown(Text::verbatim("no pool x")), Class::Refused),
        ] {
            assert_eq!(trouble.class(), want, "{why}");
        }
    }
}
