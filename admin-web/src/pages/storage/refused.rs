//! What a refused save says, by field: from the list in its details, or where there is none from its sentences.

use pixelfox_proto::v1::{self, finding};
use prost::Message as _;
use tonic::Status;

use crate::trouble::capital;

/// The end of the `type_url` of the list. Source: proto/pixelfox/v1/admin.proto.
const FINDINGS: &str = "/pixelfox.v1.PoolFindings";

/// `google.rpc.Status`, as `grpc-status-details-bin` has it.
#[derive(Clone, PartialEq, prost::Message)]
struct RichStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// One thing that was found about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name on the wire; empty: about the pool as a whole.
    pub(super) field: String,
    pub(super) text: String,
    pub(super) weight: Weight,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// Only to be known.
    Hint,
    /// May be saved over.
    Doubt,
    /// Can't be saved.
    Error,
}

impl Weight {
    /// The word of the stylesheet and the icon.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Hint => "good",
            Self::Doubt => "warn",
            Self::Error => "bad",
        }
    }
}

/// All of it.
pub(super) fn found(status: &Status) -> Vec<Found> {
    let details = RichStatus::decode(status.details()).map(|rich| rich.details).unwrap_or_default();
    let list = details.iter().find(|any| any.type_url.ends_with(FINDINGS));
    match list.and_then(|any| v1::PoolFindings::decode(any.value.as_slice()).ok()) {
        Some(list) => list.findings.into_iter().map(of_wire).collect(),
        None => vec![of_sentence(status.message())],
    }
}

/// A finding of the wire.
pub(super) fn of_wire(finding: v1::Finding) -> Found {
    let weight = match finding.status() {
        finding::Status::Failed => Weight::Error,
        finding::Status::Warning => Weight::Doubt,
        finding::Status::Ok | finding::Status::Unspecified => Weight::Hint,
    };
    let text = match (finding.message.trim_end_matches('.'), finding.advice.trim_end_matches('.')) {
        (message, "") => ended(message),
        (message, advice) => format!("{} {}", ended(message), ended(&capital(advice))),
    };
    Found { field: finding.field, text: capital(&text), weight }
}

/// With a full stop, where it has no mark of its own.
fn ended(sentence: &str) -> String {
    if sentence.ends_with(['?', '!']) { sentence.to_owned() } else { format!("{sentence}.") }
}

/// `field: sentence`.
fn of_sentence(message: &str) -> Found {
    let is_field = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let (field, text) = match message.split_once(": ").filter(|(word, _)| is_field(word)) {
        Some((field, text)) => (field.to_owned(), capital(text)),
        None => (String::new(), capital(message)),
    };
    Found { field, text, weight: Weight::Error }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn the_list_in_the_details_says_more_than_the_sentence() {
        let finding = |field: &str, status: finding::Status, advice: &str| v1::Finding {
            field: field.into(),
            status: status.into(),
            message: "nobody answers".into(),
            advice: advice.into(),
            ..v1::Finding::default()
        };
        let list = v1::PoolFindings {
            findings: vec![
                finding("upload_api_url", finding::Status::Warning, "start it"),
                finding("base_path", finding::Status::Failed, ""),
            ],
        };
        let any = prost_types::Any { type_url: format!("type.googleapis.com{FINDINGS}"), value: list.encode_to_vec() };
        let details = RichStatus { details: vec![any] }.encode_to_vec();
        let status = Status::with_details(Code::FailedPrecondition, "base_path: nobody answers", details.into());
        assert_eq!(
            found(&status),
            [
                Found {
                    field: "upload_api_url".into(),
                    text: "Nobody answers. Start it.".into(),
                    weight: Weight::Doubt
                },
                Found { field: "base_path".into(), text: "Nobody answers.".into(), weight: Weight::Error },
            ]
        );
        let asks = v1::Finding {
            message: "http://s02 leads nowhere; is it up?".into(),
            ..finding("", finding::Status::Warning, "see")
        };
        assert_eq!(of_wire(asks).text, "http://s02 leads nowhere; is it up? See.");
        let plain = found(&Status::already_exists("name: pool 1 is called so already"));
        assert_eq!((plain[0].field.as_str(), plain[0].text.as_str()), ("name", "Pool 1 is called so already"));
        assert_eq!(found(&Status::unavailable("the books: away"))[0].field, "");
    }
}
