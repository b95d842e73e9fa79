//! What a node says of the files it holds: Stat, Fetch and ListFiles.

use std::fs;

use pixelfox_proto::{
    PrefixHasher, Sha256, Verifier,
    v1::{FetchRequest, FetchResponse, FindPoolsRequest, ListFilesRequest, StatRequest, StatResponse},
};
use tonic::{Code, Status};

use crate::replicate_rig::{PIECE, Spec, Target, authorized, bytes};

const BAD_PATHS: [&str; 6] = ["", "original/../a", "original//a", "original/a\0", "other/a", "original/a\\b"];

async fn stat(target: &Target, pool_id: u64, path: &str, verify: bool) -> Result<StatResponse, Status> {
    let request = StatRequest { pool_id, stored_path: path.into(), verify };
    target.client().await.stat(authorized(request)).await.map(tonic::Response::into_inner)
}

async fn fetch(target: &Target, pool_id: u64, path: &str, offset: u64) -> Result<Vec<FetchResponse>, Status> {
    let request = FetchRequest { pool_id, stored_path: path.into(), offset };
    let mut answers = target.client().await.fetch(authorized(request)).await?.into_inner();
    let mut heard = Vec::new();
    while let Some(answer) = answers.message().await? {
        heard.push(answer);
    }
    Ok(heard)
}

/// The paths that are listed, page by page as they came.
async fn list(target: &Target, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, Status> {
    let request = ListFilesRequest { pool_id: 1, prefix: prefix.into(), after: after.into(), limit, with_marks: false };
    let mut answers = target.client().await.list_files(authorized(request)).await?.into_inner();
    let mut heard = Vec::new();
    while let Some(page) = answers.message().await? {
        assert!(!page.files.is_empty() && page.files.len() <= 500, "{} in a page", page.files.len());
        heard.extend(page.files.into_iter().map(|file| file.stored_path));
    }
    Ok(heard)
}

#[tokio::test]
async fn stat_says_what_is_there_and_hashes_on_demand() {
    let target = Target::start().await;
    let (path, content) = ("original/stat/a.png", bytes(1, 2 * PIECE));
    target.put(path, &content).await;
    let there = stat(&target, 1, path, false).await.unwrap();
    assert!(there.exists && there.modified.is_some() && there.sha256.is_empty(), "{there:?}");
    assert_eq!(there.size, content.len() as u64);
    assert_eq!(stat(&target, 1, path, true).await.unwrap().sha256, Sha256::of(&content).as_bytes());
    // The bytes are read, not what is on record of them.
    fs::write(target.pool_dir().join(path), b"rotten").unwrap();
    let rotten = stat(&target, 1, path, true).await.unwrap();
    assert_eq!((rotten.size, rotten.sha256.as_slice()), (6, Sha256::of(b"rotten").as_bytes().as_slice()));
    for missing in ["original/stat/none.png", "original/none/a.png", "original/stat/a.png/b.png", "original/stat"] {
        let answer = stat(&target, 1, missing, true).await;
        let is_nothing = answer.as_ref().is_ok_and(|answer| *answer == StatResponse::default());
        assert!(is_nothing, "{missing}: {answer:?}");
    }
    target.stop().await;
}

#[tokio::test]
async fn fetch_sends_frames_that_prove_themselves() {
    // Whole, and from several offsets: each frame carries on the digest of the bytes before the offset.
    let target = Target::start().await;
    let (path, content) = ("original/fetch/a.png", bytes(2, (600 << 10) + 3));
    target.put(path, &content).await;
    let size = content.len();
    for offset in [0, 1, 256 << 10, size - 1, size] {
        let answers = fetch(&target, 1, path, offset as u64).await.unwrap();
        assert_eq!(answers[0].size, size as u64, "from {offset}");
        assert!(answers[1..].iter().all(|answer| answer.size == 0), "the size stands in the first answer alone");
        let mut before = PrefixHasher::new();
        before.update(&content[..offset]);
        let mut verifier = Verifier::resume(size as u64, before);
        let mut got = content[..offset].to_vec();
        for frame in answers.into_iter().filter_map(|answer| answer.frame) {
            verifier.accept(frame.offset, &frame.data, &frame.prefix_sha256).unwrap();
            got.extend_from_slice(&frame.data);
        }
        assert_eq!((got == content, verifier.digest()), (true, Sha256::of(&content)), "from {offset}");
    }
    target.stop().await;
}

#[tokio::test]
async fn what_can_not_be_fetched_is_told_in_a_sentence() {
    let target = Target::start().await;
    target.put("original/fetch/b.png", b"12345").await;
    for (pool, path, offset, code, says) in [
        (1, "original/fetch/none.png", 0, Code::NotFound, "original/fetch/none.png"),
        (1, "original/fetch", 0, Code::NotFound, "original/fetch"),
        (1, "original/fetch/b.png", 6, Code::OutOfRange, "has 5 bytes, 6 is beyond"),
        (1, "original/fetch/b.png", u64::MAX, Code::OutOfRange, "is beyond"),
        (9, "original/fetch/b.png", 0, Code::FailedPrecondition, "pool 9 is on node s09"),
        (7, "original/fetch/b.png", 0, Code::FailedPrecondition, "no pool 7 in this cluster"),
        (0, "original/fetch/b.png", 0, Code::InvalidArgument, "a pool id must be a number above 0"),
    ] {
        let status = fetch(&target, pool, path, offset).await.unwrap_err();
        assert!(status.code() == code && status.message().contains(says), "{path}: {status}");
        if offset == 0 && pool != 1 {
            assert_eq!(stat(&target, pool, path, false).await.unwrap_err().code(), code);
        }
    }
    for bad in BAD_PATHS {
        assert_eq!(fetch(&target, 1, bad, 0).await.unwrap_err().code(), Code::InvalidArgument, "{bad:?}");
        assert_eq!(stat(&target, 1, bad, true).await.unwrap_err().code(), Code::InvalidArgument, "{bad:?}");
    }
    let early = Target::with(Spec { source: None, ..Spec::default() }).await;
    assert_eq!(fetch(&early, 1, "original/a", 0).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(stat(&early, 1, "original/a", true).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(list(&early, "", "", 0).await.unwrap_err().code(), Code::Unavailable);
    early.stop().await;
    target.stop().await;
}

#[tokio::test]
async fn a_list_is_ascending_and_its_pages_make_the_whole() {
    // 700 files in both roots, some names that sort otherwise as paths than as names; then every way to ask.
    let target = Target::start().await;
    let mut want: Vec<String> = (0..690).map(|i| format!("original/{}/{i}.png", i % 7)).collect();
    want.extend(
        ["original/a/x", "original/a-b", "original/a0", "original/a.b/c", "variants/1/a.webp", "variants/1.webp"]
            .map(String::from),
    );
    for path in &want {
        let on_disk = target.pool_dir().join(path);
        fs::create_dir_all(on_disk.parent().unwrap()).unwrap();
        fs::write(on_disk, b"x").unwrap();
    }
    want.sort();
    fs::write(target.pool_dir().join("original/.hidden"), b"no stored path").unwrap();
    assert_eq!(list(&target, "", "", 0).await.unwrap(), want);
    for prefix in ["original/3/", "original/a", "variants", "variants/1.webp", "nowhere", "original/3/1"] {
        let with_prefix: Vec<_> = want.iter().filter(|path| path.starts_with(prefix)).cloned().collect();
        assert_eq!(list(&target, prefix, "", 0).await.unwrap(), with_prefix, "{prefix}");
    }
    for limit in [40_u32, 499, 500, 501, 1000] {
        let mut joined = Vec::<String>::new();
        for _ in 0..=want.len() {
            let after = joined.last().cloned().unwrap_or_default();
            let page = list(&target, "", &after, limit).await.unwrap();
            assert!(page.len() <= limit as usize);
            if page.is_empty() {
                break;
            }
            joined.extend(page);
        }
        assert_eq!(joined, want, "by {limit}");
    }
    let after_nothing_there = list(&target, "original/3/", "original/3/2", 5).await.unwrap();
    let expected: Vec<_> =
        want.iter().filter(|p| p.starts_with("original/3/") && p.as_str() > "original/3/2").take(5).cloned().collect();
    assert_eq!(after_nothing_there, expected);
    assert_eq!(list(&target, "", "zzz", 0).await.unwrap(), Vec::<String>::new());
    for odd in ["../", "/", "original/../", "\0", ".pixelfox"] {
        assert_eq!(list(&target, odd, "", 0).await.unwrap(), Vec::<String>::new(), "{odd:?}");
    }
    target.stop().await;
}

#[tokio::test]
async fn files_are_listed_with_their_marks_and_pools_are_found_by_their_markers() {
    // What a lost database is made again from: one file with a record beside it, one that was put there by hand.
    let target = Target::start().await;
    let content = bytes(1, 10);
    target.put("original/list/a.png", &content).await;
    fs::write(target.pool_dir().join("original/list/b.png"), b"by hand").unwrap();
    let list = |with_marks| ListFilesRequest { pool_id: 1, with_marks, ..ListFilesRequest::default() };
    let marks = async |with_marks| {
        let mut answers = target.client().await.list_files(authorized(list(with_marks))).await.unwrap().into_inner();
        let page = answers.message().await.unwrap().unwrap();
        page.files.into_iter().map(|file| (file.stored_path, file.mark)).collect::<Vec<_>>()
    };
    let marked = marks(true).await;
    let [(a, Some(mark)), (b, None)] = marked.as_slice() else { panic!("{marked:?}") };
    assert_eq!((a.as_str(), b.as_str()), ("original/list/a.png", "original/list/b.png"));
    assert_eq!((mark.size, mark.sha256.as_slice()), (10, Sha256::of(&content).as_bytes().as_slice()));
    assert!(marks(false).await.iter().all(|(_, mark)| mark.is_none()));

    let found = target.client().await.find_pools(authorized(FindPoolsRequest {})).await.unwrap().into_inner().pools;
    let [pool] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((pool.pool_id, pool.base_path.as_str()), (1, target.pool_dir().to_str().unwrap()));
    let marker = target.pool_dir().join(".pixelfox/pool.json");
    assert!(!pool.identity.is_empty() && fs::read_to_string(&marker).unwrap().contains(&pool.identity));
    fs::write(&marker, r#"{"format": 99, "identity": "x", "pool_id": 1, "name": "x"}"#).unwrap();
    let found = target.client().await.find_pools(authorized(FindPoolsRequest {})).await.unwrap().into_inner().pools;
    assert!(found[0].problem.contains("newer version (99)") && found[0].identity.is_empty(), "{found:?}");
    target.stop().await;
}
