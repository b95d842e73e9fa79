//! Everything that the Admin service says to a person is there in German and in English: findings and refusals.

use pixelfox_proto::v1;
use tonic::{Code, Request, Status};

use crate::harness::TestCluster;

/// As a page of a German reader asks.
fn in_german<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("accept-language", "de-AT, en;q=0.5".parse().unwrap());
    request
}

#[tokio::test]
async fn a_refusal_and_a_finding_are_in_the_language_of_who_asks() {
    // The same questions without a language, in German and in one that nobody speaks here. English is what scripts know.
    let cluster = TestCluster::start().await;
    let mut admin = cluster.admin();
    let english = admin.get_pool(v1::GetPoolRequest { id: 99 }).await.unwrap_err();
    assert_eq!((english.code(), english.message()), (Code::NotFound, "no pool 99 in this cluster"));
    assert!(english.metadata().get_bin(pixelfox_proto::IN_GERMAN).is_none(), "{english:?}");
    let german = admin.get_pool(in_german(v1::GetPoolRequest { id: 99 })).await.unwrap_err();
    assert_eq!(german.message(), "es gibt keinen Speicherpool 99 in diesem Cluster");
    assert_eq!((german.code(), german.metadata().get_bin(pixelfox_proto::IN_GERMAN)), (Code::NotFound, None));
    let mut other = Request::new(v1::GetPoolRequest { id: 99 });
    other.metadata_mut().insert("accept-language", "fr".parse().unwrap());
    assert_eq!(admin.get_pool(other).await.unwrap_err().message(), english.message());

    // A pool that can't be saved: the sentence and the findings in its details.
    let pool = v1::Pool { name: "x".into(), node_id: "s01".into(), base_path: "here".into(), ..v1::Pool::default() };
    let request = v1::CreatePoolRequest { pool: Some(pool), save_anyway: false };
    let refused: Status = admin.create_pool(in_german(request.clone())).await.unwrap_err();
    assert!(refused.message().contains("base_path: muss ein absoluter Pfad auf dem Knoten sein"), "{refused}");
    assert!(String::from_utf8_lossy(refused.details()).contains("muss ein absoluter Pfad"), "{refused:?}");
    let refused: Status = admin.create_pool(request).await.unwrap_err();
    assert!(refused.message().contains("base_path: must be an absolute path"), "{refused}");

    let diagnosis = |request| {
        let mut admin = admin.clone();
        async move {
            let mut stream = admin.diagnose(request).await.unwrap().into_inner();
            let mut all = Vec::new();
            while let Some(line) = stream.message().await.unwrap() {
                all.push(line);
            }
            // Lines come in no order.
            all.sort_by_key(|line: &v1::Finding| (line.subject.clone(), line.check.clone()));
            all
        }
    };
    let german = diagnosis(in_german(v1::DiagnoseRequest::default())).await;
    let english = diagnosis(Request::new(v1::DiagnoseRequest::default())).await;
    assert_eq!(german.len(), english.len());
    for (de, en) in german.iter().zip(&english) {
        assert_eq!((&de.subject, &de.check), (&en.subject, &en.check));
        assert_ne!(de.message, en.message);
        assert_eq!(de.advice.is_empty(), en.advice.is_empty());
    }
}

#[test]
fn no_refusal_of_the_admin_service_is_in_english_alone() {
    // A `Refusal` and a `Finding` can't be made from one language: their texts have both by their type. A `Fault` can,
    // because nodes make them too: here each that the service itself makes is read.
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.join("grpc"), root.join("accounts")];
    let mut made = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // What nodes alone are told.
            if ["attach.rs", "node.rs", "upload.rs", "coordinator.rs"].iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for start in code.match_indices("Fault::").chain(code.match_indices("with_hint(")) {
                let rest = &code[start.0..];
                let Some(call) = rest.find('(').filter(|at| *at < 60) else { continue };
                let arguments: String = rest[call + 1..].chars().filter(|c| !c.is_whitespace()).take(60).collect();
                let said = arguments
                    .split_once("FaultKind::")
                    .map_or(arguments.as_str(), |(_, kind)| kind.split_once(',').map_or("", |(_, said)| said));
                let is_english = said.starts_with('"') || said.starts_with("format!") || said.starts_with("&format!");
                let nodes_only =
                    said.contains("replication") || said.contains("REPLICATION_SECRET") || said.contains("thesame");
                let internal = rest.starts_with("Fault::internal");
                assert!(!is_english || nodes_only || internal, "{}: {said}", path.display());
                made += usize::from(said.starts_with("text!"));
            }
        }
    }
    assert!(made > 20, "{made} texts were found");
}
