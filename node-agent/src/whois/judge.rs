//! What an answer says of whoever gave it. Pure.

use http::StatusCode;
use serde::Deserialize;

use super::{Answer, AskError, Found, SecretMatch, Silence};
use crate::secret::SecretPair;

/// Longest word of a stranger that is repeated, in characters.
const SHOWN: usize = 120;

#[derive(Deserialize)]
struct Identity {
    node_id: String,
    version: String,
    proof: String,
    #[serde(default)]
    previous_proof: Option<String>,
}

#[derive(Deserialize)]
struct Ping {
    ping: String,
}

/// What the answer to the question with `nonce` says.
pub(super) fn identity(answer: &Answer, nonce: &str, ours: Option<&SecretPair>) -> Found {
    if answer.status == StatusCode::UNAUTHORIZED && contains(answer, "replication disabled") {
        return Found::Node { node_id: String::new(), version: String::new(), secret: SecretMatch::NotSet };
    }
    match serde_json::from_slice::<Identity>(&answer.body) {
        Ok(said) if answer.status == StatusCode::OK => {
            let secret = compare(&said, nonce, ours);
            Found::Node { node_id: shown(&said.node_id), version: shown(&said.version), secret }
        }
        _ => Found::Stranger(stranger(answer)),
    }
}

/// Nobody answered.
pub(super) fn nobody(error: &AskError) -> Found {
    let silence = if matches!(error, AskError::Name(..)) { Silence::NoSuchName } else { Silence::NoAnswer };
    Found::Nobody(silence, super::chain(error))
}

/// Whether it is a PixelFox's `pong`.
pub(super) fn is_pong(answer: &Answer) -> bool {
    answer.status == StatusCode::OK
        && serde_json::from_slice::<Ping>(&answer.body).is_ok_and(|answer| answer.ping == "pong")
}

fn compare(said: &Identity, nonce: &str, ours: Option<&SecretPair>) -> SecretMatch {
    let Some(ours) = ours else { return SecretMatch::Different };
    let current = ours.identity_proof(nonce, &said.node_id);
    if said.proof == current {
        SecretMatch::Equal
    } else if said.previous_proof.as_ref() == Some(&current) {
        SecretMatch::AcceptedAsPrevious
    } else if ours.previous_identity_proof(nonce, &said.node_id).is_some_and(|proof| proof == said.proof) {
        SecretMatch::NotChangedYet
    } else {
        SecretMatch::Different
    }
}

/// In a sentence: the status, and where it sends a browser.
fn stranger(answer: &Answer) -> String {
    match &answer.location {
        Some(place) => format!("it answers {} and leads to {}", answer.status.as_u16(), shown(place)),
        None => format!("it answers {}", answer.status),
    }
}

fn contains(answer: &Answer, words: &str) -> bool {
    answer.body.windows(words.len()).any(|window| window == words.as_bytes())
}

/// At most some characters of a stranger's word, none of which can do harm to a terminal.
fn shown(word: &str) -> String {
    word.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "00ff";

    fn pair(current: &str, previous: Option<&str>) -> SecretPair {
        SecretPair::new(current, previous.map(str::to_owned))
    }

    fn answer(status: u16, body: String) -> Answer {
        Answer { status: StatusCode::from_u16(status).unwrap(), location: None, body: body.into() }
    }

    /// What a node with this secret answers.
    fn says(theirs: &SecretPair) -> Answer {
        let body = serde_json::json!({
            "node_id": "s02", "version": "1.2.3",
            "proof": theirs.identity_proof(NONCE, "s02"),
            "previous_proof": theirs.previous_identity_proof(NONCE, "s02"),
        });
        answer(200, body.to_string())
    }

    #[test]
    fn how_two_secrets_stand_to_each_other() {
        use SecretMatch::{AcceptedAsPrevious, Different, Equal, NotChangedYet};
        for (why, ours, theirs, want) in [
            ("the same", pair("a", None), pair("a", None), Equal),
            ("the same, both being changed", pair("b", Some("a")), pair("b", Some("a")), Equal),
            ("they have changed it first", pair("a", None), pair("b", Some("a")), AcceptedAsPrevious),
            ("we have changed it first", pair("b", Some("a")), pair("a", None), NotChangedYet),
            ("nothing in common", pair("a", None), pair("z", None), Different),
            ("only the previous ones are equal", pair("b", Some("a")), pair("c", Some("a")), Different),
        ] {
            let Found::Node { node_id, secret, .. } = identity(&says(&theirs), NONCE, Some(&ours)) else {
                panic!("{why}: no node")
            };
            assert_eq!((node_id.as_str(), secret), ("s02", want), "{why}");
        }
    }

    #[test]
    fn whoever_says_no_node_is_a_stranger() {
        // A page, an error, an answer without a proof; and a node without a secret, which is a node.
        for (status, body) in [(200, "<html>"), (404, "{}"), (502, "bad gateway"), (200, r#"{"node_id":"s02"}"#)] {
            let found = identity(&answer(status, body.to_owned()), NONCE, None);
            assert!(matches!(found, Found::Stranger(_)), "{status} {body}: {found:?}");
        }
        let disabled = r#"{"error":"unauthorized","message":"replication disabled"}"#;
        let found = identity(&answer(401, disabled.to_owned()), NONCE, None);
        assert!(matches!(found, Found::Node { secret: SecretMatch::NotSet, .. }), "{found:?}");
    }

    #[test]
    fn an_older_pixelfox_says_pong() {
        for (status, body, want) in
            [(200, r#"{"ping":"pong"}"#, true), (200, "pong", false), (404, r#"{"ping":"pong"}"#, false)]
        {
            assert_eq!(is_pong(&answer(status, body.to_owned())), want, "{status} {body}");
        }
    }
}
