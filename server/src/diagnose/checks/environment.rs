//! `environment`: variables of a node that deserve a word, as its start and `check-config` say them.

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
        let advice = format!("Change {variable} in the environment of node {} and restart it", seen.node);
        Finding::warning(seen.subject(), check, warning.clone(), advice)
    };
    warnings.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, here, saying};
    use crate::diagnose::finding::Status;

    #[test]
    fn each_variable_has_a_line_of_its_own() {
        assert!(judge(&here("s01")).is_empty());
        let node = saying("s01", |about| {
            about.warnings = vec!["REPLICATION_SECRET: can be guessed".into(), "PUBLIC_DOMAIN: has a path".into()];
        });
        let found = judge(&node);
        let checks: Vec<Check> = found.iter().map(|finding| finding.check).collect();
        assert_eq!(checks, [Check::Secret, Check::Environment]);
        assert_stands(&found[0], Status::Warning, &["can be guessed", "Change REPLICATION_SECRET", "s01"], "a secret");
    }
}
