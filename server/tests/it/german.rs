//! German pages speak German: the pages of a cluster in which everything has happened have no word that our texts have in
//! English alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use pixelfox_proto::v1::{
    ChangeJobsRequest, CreateApiKeyRequest, DeleteImagesRequest, DeletePoolRequest, GetPoolRequest, ListImagesRequest,
    ListJobsRequest, PauseQueueRequest, RecalculateUsageRequest, ResumeQueueRequest, RevokeApiKeyRequest, Settings,
    UpdateSettingsRequest, VerifyImagesRequest,
};

use crate::{
    app_uploads::change_pool,
    harness::{TestCluster, png, until},
    reader::Reader,
};

/// Names that somebody gave, and words of the system, not of ours.
const NAMES: [&str; 2] = ["default", "admin"];

/// What nodes and the system say is quoted as it is, behind a sentence of ours. Source: ARCHITECTURE.md, "What is said to
/// people".
const QUOTED: [&str; 2] = ["could not connect to", "Connection refused"];

/// Literals of a source, with what stands before each; a text over several lines is one.
fn literals(source: &str) -> Vec<(&str, String)> {
    let (mut found, mut last) = (Vec::new(), 0);
    let mut signs = source.char_indices().peekable();
    while let Some((at, sign)) = signs.next() {
        match sign {
            // `'"'` is a sign and no text begins with it.
            '\'' if source[at..].starts_with("'\"'") || source[at..].starts_with("'\\") => {
                signs.nth(1);
            }
            '"' => {
                let mut text = String::new();
                while let Some((_, sign)) = signs.next().filter(|(_, sign)| *sign != '"') {
                    text.push(if sign == '\\' { signs.next().map_or(' ', |(_, sign)| sign) } else { sign });
                }
                found.push((source[last..at].trim_end(), text));
                last = signs.peek().map_or(source.len(), |(next, _)| *next);
            }
            _ => {}
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let plain = text.split(|sign: char| !sign.is_alphabetic()).filter(|word| word.chars().count() > 2);
    plain.map(str::to_lowercase)
}

/// Sources below `dir`, without their tests and what is said about the code.
fn sources(dir: &Path, all: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            all.push(lines.map(|line| format!("{line}\n")).collect());
        }
    }
}

/// Words of our English texts that no German one has: of the pages' tables, of the sentences that the books keep, and of
/// what the Admin service says in both languages.
fn english_alone() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut german, mut english) = (BTreeSet::new(), BTreeSet::new());
    let mut tables = Vec::new();
    sources(&root.join("admin-web/src/words"), &mut tables);
    for table in tables.iter().filter_map(|table| table.split_once("words! {")) {
        for pair in literals(table.1).chunks_exact(2) {
            german.extend(words(&pair[0].1));
            english.extend(words(&pair[1].1));
        }
    }
    let said = std::fs::read_to_string(root.join("admin-web/src/said.rs")).unwrap();
    let said = said.split("const SAID").nth(1).unwrap().split("\n];").next().unwrap();
    for pair in literals(said).chunks_exact(2) {
        english.extend(words(&pair[0].1));
        german.extend(words(&pair[1].1));
    }
    let mut texts = Vec::new();
    sources(&root.join("server/src"), &mut texts);
    for (before, text) in texts.iter().flat_map(|text| literals(text)) {
        if before.ends_with(" de") || before.ends_with("(de") {
            german.extend(words(&text));
        } else if before.ends_with(" en") {
            english.extend(words(&text));
        }
    }
    assert!(german.len() > 600 && english.len() > 600, "{} and {} words", german.len(), english.len());
    english.retain(|word| !german.contains(word) && !NAMES.contains(&word.as_str()));
    english
}

/// What a person reads or hears of a page.
fn text_of(html: &str) -> String {
    let mut text = String::new();
    let mut skipped = "";
    for part in html.split('<').skip(1) {
        let (tag, behind) = part.split_once('>').unwrap_or((part, ""));
        let name = tag.split([' ', '\n']).next().unwrap();
        if skipped.is_empty() && ["script", "style", "code", "pre", "datalist"].contains(&name) {
            skipped = name;
        } else if tag.strip_prefix('/') == Some(skipped) {
            skipped = "";
        }
        for attribute in [" title=\"", " aria-label=\"", " alt=\"", " placeholder=\"", " data-label=\""] {
            if let Some((_, value)) = tag.split_once(attribute) {
                text.push_str(value.split('"').next().unwrap());
                text.push('\n');
            }
        }
        if skipped.is_empty() {
            text.push_str(behind);
            text.push(' ');
        }
    }
    let text = text.replace("&#38;", "&").replace("&#34;", "\"").replace("&#39;", "'");
    QUOTED.iter().fold(text, |text, quoted| text.replace(quoted, ""))
}

/// English words of a page, each with what stands around it. Paths, addresses and names with digits are none.
fn english_on(html: &str, english: &BTreeSet<String>) -> Vec<String> {
    let text = text_of(html);
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let is_name =
        |token: &str| token.contains(['/', '_', '=', '@', '$']) || token.chars().any(|sign| sign.is_ascii_digit());
    let is_file = |token: &str| token.trim_end_matches(['.', ',', ':', ')']).contains('.');
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| !is_name(token) && !is_file(token)) {
        if words(token).any(|word| english.contains(&word)) {
            found.push(tokens[at.saturating_sub(3)..tokens.len().min(at + 4)].join(" "));
        }
    }
    found
}

/// Everything that leaves a trace: moved, taken back, deleted, checked, lost, waiting, changed, refused.
async fn busy(cluster: &mut TestCluster) -> Vec<String> {
    let mut admin = cluster.admin();
    let mut uuids = Vec::new();
    for seed in 1..=6 {
        let image = cluster.upload(1 + u64::from(seed % 3), png(seed, 100)).await;
        uuids.push(image["image_uuid"].as_str().unwrap().to_owned());
    }
    let there = cluster.move_images(&[&uuids[0]], 1).await;
    cluster.wait_for_end(there.job_id).await;
    let back = ChangeJobsRequest { ids: vec![there.job_id], ..ChangeJobsRequest::default() };
    let back = admin.undo_moves(back).await.unwrap().into_inner();
    cluster.wait_for_end(back.job_id).await;
    let delete = DeleteImagesRequest { uuids: vec![uuids.remove(5)], ..DeleteImagesRequest::default() };
    let delete = admin.delete_images(delete).await.unwrap().into_inner();
    cluster.wait_for_end(delete.job_id).await;
    admin.pause_queue(PauseQueueRequest {}).await.unwrap();
    admin.resume_queue(ResumeQueueRequest {}).await.unwrap();
    let settings = Settings { trash_hours: Some(7), public_uploads: Some(false), ..Settings::default() };
    admin.update_settings(UpdateSettingsRequest { settings: Some(settings) }).await.unwrap();
    for name in ["Blog", "Archiv"] {
        admin.create_api_key(CreateApiKeyRequest { name: name.into() }).await.unwrap();
    }
    admin.revoke_api_key(RevokeApiKeyRequest { id: 1 }).await.unwrap();
    admin.recalculate_usage(RecalculateUsageRequest { pool_id: 0 }).await.unwrap();
    let pool = admin.get_pool(GetPoolRequest { id: 2 }).await.unwrap().into_inner();
    change_pool(cluster, pixelfox_proto::v1::Pool { priority: 3, ..pool }, "priority").await;
    // One image is lost.
    let image = cluster.image(&uuids[2]).await;
    std::fs::remove_file(cluster.pool_dir(image.pool_id).join(&image.files[0].stored_path)).unwrap();
    let verify = VerifyImagesRequest { uuids: vec![uuids[2].clone()], pool_id: 0 };
    admin.verify_images(verify).await.unwrap();
    until("the image is lost", async || (cluster.image(&uuids[2]).await.files[0].state == "lost").then_some(())).await;
    // One move waits for a node that is away, one is cancelled there.
    assert!(cluster.cluster().stop_storage_node("s02").await);
    let here = uuids.iter().filter(|uuid| **uuid != uuids[2]);
    for uuid in here.clone().take(2) {
        cluster.move_images(&[uuid], 3).await;
    }
    let one = admin.list_jobs(ListJobsRequest { state: "pending".into(), ..ListJobsRequest::default() }).await;
    let one = one.unwrap().into_inner().jobs.remove(0).id;
    admin.cancel_jobs(ChangeJobsRequest { ids: vec![one], ..ChangeJobsRequest::default() }).await.unwrap();
    let all = ChangeJobsRequest { state: "pending".into(), top_level: true, ..ChangeJobsRequest::default() };
    admin.pause_jobs(all).await.unwrap();
    // The disk of img1 goes away.
    let dir = cluster.pool_dir(2);
    rustix::fs::rename(&dir, dir.with_extension("away")).unwrap();
    let ask = GetPoolRequest { id: 2 };
    until("img1 is ill", async || (!cluster.admin().get_pool(ask).await.unwrap().into_inner().healthy).then_some(()))
        .await;
    assert!(admin.delete_pool(DeletePoolRequest { id: 2 }).await.is_err(), "it holds images");
    uuids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn german_pages_have_no_word_that_our_texts_have_in_english_alone() {
    let english = english_alone();
    let mut cluster = TestCluster::start().await;
    let uuids = busy(&mut cluster).await;
    let reader = Reader::sign_in(&cluster).await;
    let mut paths: Vec<String> = [
        "/",
        "/nothing",
        "/i/AAAAAAAAAAAA",
        "/admin",
        "/admin/images",
        "/admin/images?view=table",
        "/admin/images?state=lost",
        "/admin/storage",
        "/admin/storage/new",
        "/admin/storage/2",
        "/admin/storage/1/move",
        "/admin/storage/1/move?target=2",
        "/admin/storage/2/delete",
        "/admin/nodes",
        "/admin/queues",
        "/admin/queues?scope=all",
        "/admin/queues?state=paused",
        "/admin/settings",
        "/admin/settings/keys/2/revoke",
        "/admin/diagnose",
        "/admin/diagnose?start=1",
        "/admin/audit",
        "/admin/queues/99",
        "/admin/nothing",
    ]
    .map(str::to_owned)
    .into();
    let mut admin = cluster.admin();
    let jobs =
        admin.list_jobs(ListJobsRequest { page_size: 100, ..ListJobsRequest::default() }).await.unwrap().into_inner();
    paths.extend(jobs.jobs.iter().map(|job| format!("/admin/queues/{}", job.id)));
    paths.extend(uuids.iter().map(|uuid| format!("/admin/images/{uuid}")));
    let images = admin.list_images(ListImagesRequest::default()).await.unwrap().into_inner().images;
    paths.extend(images.iter().map(|image| format!("/i/{}", image.share_url.rsplit('/').next().unwrap())));
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in &paths {
        let page = reader.get(path).await;
        assert!(page.html.contains("<html lang=\"de\">"), "{path}: {} {}", page.status, page.html);
        for words in english_on(&page.html, &english) {
            found.entry(words).or_default().insert(path.clone());
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    cluster.shutdown().await;
}

#[test]
fn an_english_word_is_found_wherever_a_person_meets_it() {
    // In the text and in what is read aloud; not in an address, a name with digits or a command.
    let english = english_alone();
    for (html, want) in [
        ("<p>Speicherpool deleted</p>", 1),
        ("<p title=\"Sessions ended\">x</p>", 2),
        ("<p>/deleted/sessions img1-deleted deleted.png</p><code>deleted</code>", 0),
        ("<p>Der Speicherpool ist gelöscht.</p>", 0),
    ] {
        assert_eq!(english_on(html, &english).len(), want, "{html}");
    }
}
