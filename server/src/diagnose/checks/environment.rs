//! `environment`: variables of a node that deserve a word, as its start and `check-config` say them.

use pixelfox_proto::{Text, text};

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::NodeSeen;

/// Words in the names of variables whose line is `secret`.
const SECRETS: [&str; 3] = ["SECRET", "TOKEN", "PASSWORD"];

/// Nothing where all is well.
#[must_use]
pub(crate) fn judge(seen: &NodeSeen) -> Vec<Finding> {
    let warnings = seen.about().map(|about| about.warnings.as_slice()).unwrap_or_default();
    let finding = |warning: &String| {
        let variable = warning.split(':').next().unwrap_or_default();
        let is_secret = SECRETS.iter().any(|word| variable.contains(word));
        let check = if is_secret { Check::Secret } else { Check::Environment };
        let advice = text!(
            de "{variable} in der Umgebung von Knoten {} ändern und ihn neu starten",
            en "Change {variable} in the environment of node {} and restart it",
            seen.node
        );
        Finding::warning(seen.subject(), check, of_node(warning), advice)
    };
    warnings.iter().map(finding).collect()
}

/// Sentences of nodes on their variables: what stands before and after their value, and the German one around it.
/// Source: node-agent's `config`, whose warnings are English.
const SENTENCES: [[&str; 3]; 9] = [
    [
        "holds pool ",
        " already, so no pool was made: give this node a directory of its own and restart it",
        "enthält schon Pool {}, deshalb wurde keiner angelegt: diesem Knoten ein eigenes Verzeichnis geben und ihn neu starten",
    ],
    [
        "should be host and port only: nodes serve nothing under ",
        "",
        "sollte nur Host und Port sein: Knoten liefern nichts aus unter {}",
    ],
    [
        "has fewer than 16 characters and can be guessed: set a longer one on all nodes",
        "",
        "hat weniger als 16 Zeichen und ist zu erraten: auf allen Knoten ein längeres setzen{}",
    ],
    [
        "is the one of .env.dev, which everybody knows: set one of your own on all nodes",
        "",
        "ist das aus .env.dev, das jeder kennt: auf allen Knoten ein eigenes setzen{}",
    ],
    ["unknown variable; did you mean ", "?", "unbekannte Variable; ist {} gemeint?"],
    [
        "`",
        "` shows no line of ours: write info, or info,pixelfox_node=debug",
        "„{}“ zeigt keine Zeile von PixelFox: info schreiben, oder info,pixelfox_node=debug",
    ],
    [
        "is not set: replication is closed, and no node attaches to another without it",
        "",
        "ist nicht gesetzt: Replikation ist geschlossen, und kein Knoten verbindet sich ohne mit einem anderen{}",
    ],
    ["is not set: uploads with a token are closed", "", "ist nicht gesetzt: Uploads mit Token sind geschlossen{}"],
    ["is not set: ", "", "ist nicht gesetzt: {}"],
];

/// A node's word on a variable of its own: `VARIABLE: what is wrong`. What a newer one says that is not known here stays
/// as it is.
fn of_node(warning: &str) -> Text {
    let german = warning.split_once(": ").and_then(|(variable, said)| {
        let value = |[before, after, german]: [&str; 3]| {
            let value = said.strip_prefix(before)?.strip_suffix(after)?;
            Some(format!("{variable}: {}", german.replace("{}", value)))
        };
        SENTENCES.into_iter().find_map(value)
    });
    Text::new(german.unwrap_or_else(|| warning.to_owned()), warning.to_owned())
}

#[cfg(test)]
mod tests {
    use pixelfox_node::config::{Env, NodeConfig};
    use pixelfox_proto::Language;

    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, here, saying};
    use crate::diagnose::finding::Status;

    #[test]
    fn each_variable_has_a_line_of_its_own() {
        assert!(judge(&here("s01")).is_empty());
        let node = saying("s01", |about| {
            about.warnings = vec![
                "REPLICATION_SECRET: has fewer than 16 characters and can be guessed: set a longer one on all nodes"
                    .into(),
                "PUBLIC_DOMAIN: should be host and port only: nodes serve nothing under /x".into(),
            ];
        });
        let found = judge(&node);
        let checks: Vec<Check> = found.iter().map(|finding| finding.check).collect();
        assert_eq!(checks, [Check::Secret, Check::Environment]);
        assert_stands(&found[0], Status::Warning, &["can be guessed", "Change REPLICATION_SECRET", "s01"], "a secret");
    }

    #[test]
    fn what_a_node_says_of_its_variables_has_a_german_sentence() {
        // Each warning that a node can start with, made by its own rules from an environment that deserves it.
        let environment = [
            ("PUBLIC_DOMAIN", "http://example.org/pictures"),
            ("RUST_LOG", "nothing"),
            ("REPLICATION_SECRET", "short"),
            ("UPLOADS_DIR", "/app/uploads"),
        ];
        let warnings = |more: &[(&str, &str)]| {
            let all: Vec<_> =
                environment.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let mut env = Env::new(move |name| {
                let found = all.iter().rev().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone().into())
            });
            NodeConfig::read(&mut env, None).warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let known = "dev_replication_secret_change_me";
        let all =
            [warnings(&[]), warnings(&[("REPLICATION_SECRET", known), ("UPLOAD_TOKEN_SECRET", "short")])].concat();
        assert!(all.len() >= 5, "{all:?}");
        for warning in all {
            let text = of_node(&warning);
            assert_ne!(text.to(Language::De), text.to(Language::En), "{warning}");
        }
    }
}
