//! Which verb calls which method: the whole of the Admin service, so that none is forgotten.

/// Each method of the Admin service with a command that calls it. Source: docs/ctl.md, "Every method".
pub const METHODS: &[(&str, &str)] = &[
    ("GetOverview", "status"),
    ("ListPools", "pools"),
    ("GetPool", "pools show 2"),
    ("CreatePool", "pools create name=img3 node_id=s03 base_path=/app/uploads"),
    ("UpdatePool", "pools set 2 priority=5"),
    ("DeletePool", "pools delete 3 --yes"),
    ("ReplacePoolDisk", "pools replace-disk 2 --name img1 --yes"),
    ("CheckPool", "pools check 2"),
    ("CheckPoolDraft", "pools create name=img3 node_id=s03 --dry-run"),
    ("RecalculateUsage", "pools recount"),
    ("ListNodes", "nodes"),
    ("ListImages", "images --pool 2"),
    ("GetImage", "images show 0190a6f2-3b5c-4d7e-8f90-000000000001"),
    ("VerifyImages", "images verify 0190a6f2-3b5c-4d7e-8f90-000000000001"),
    ("DeleteImages", "images delete 0190a6f2-3b5c-4d7e-8f90-000000000001 --yes"),
    ("MoveImages", "move 0190a6f2-3b5c-4d7e-8f90-000000000001 --to 2"),
    ("MovePool", "move 1 --to 2 --dry-run"),
    ("UndoMoves", "jobs undo 17"),
    ("ListJobs", "jobs --state failed"),
    ("GetJob", "jobs show 17"),
    ("RetryJobs", "jobs retry 17"),
    ("CancelJobs", "jobs cancel 17"),
    ("PauseJobs", "jobs pause 17"),
    ("ResumeJobs", "jobs resume 17"),
    ("PauseQueue", "queue pause"),
    ("ResumeQueue", "queue resume"),
    ("GetQueue", "queue"),
    ("GetSettings", "settings"),
    ("UpdateSettings", "settings set trash_hours=48"),
    ("ListApiKeys", "keys"),
    ("CreateApiKey", "keys create Blog"),
    ("RevokeApiKey", "keys revoke 1 --yes"),
    ("Diagnose", "diagnose"),
    ("Watch", "watch job node"),
    ("SignIn", "sessions sign-in admin"),
    ("GetSession", "sessions show"),
    ("SignOut", "sessions sign-out"),
    ("ListAudit", "audit --actor token"),
];

/// A sentence of the server, which names methods, with the verbs instead: `images verify` for `VerifyImages`.
pub(super) fn as_verbs(sentence: &str) -> String {
    // `Watch` and `Diagnose` are words of their own.
    let names = METHODS.iter().filter(|(method, _)| method.chars().skip(1).any(char::is_uppercase));
    names.fold(sentence.to_owned(), |said, (method, example)| match said.contains(method) {
        true => said.replace(method, &format!("`{}`", verb(example))),
        false => said,
    })
}

fn verb(example: &str) -> String {
    let is_verb = |word: &&str| !word.starts_with('-') && word.chars().all(|it| it.is_ascii_lowercase() || it == '-');
    example.split(' ').take(2).take_while(is_verb).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ctl::json::DESCRIPTORS;

    #[test]
    fn what_the_server_calls_by_its_method_is_named_by_its_verb() {
        for (said, want) in [
            ("have it read (VerifyImages)", "have it read (`images verify`)"),
            ("replaced once more (ReplacePoolDisk)", "replaced once more (`pools replace-disk`)"),
            ("ListJobs has the ids", "`jobs` has the ids"),
            ("Diagnose says why; Watch shows it", "Diagnose says why; Watch shows it"),
        ] {
            assert_eq!(as_verbs(said), want);
        }
    }

    #[test]
    fn every_method_of_the_admin_service_has_its_verb() {
        let service = DESCRIPTORS.get_service_by_name("pixelfox.v1.Admin").unwrap();
        let methods: BTreeSet<String> = service.methods().map(|method| method.name().to_owned()).collect();
        let known: BTreeSet<String> = METHODS.iter().map(|(method, _)| (*method).to_owned()).collect();
        assert_eq!(known, methods);
        assert_eq!(known.len(), METHODS.len(), "a method is there twice");
    }
}
