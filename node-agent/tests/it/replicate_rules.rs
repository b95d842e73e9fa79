//! The rules of a Replicate stream: what a receipt says, what ends one file and what ends the stream.

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use pixelfox_proto::{
    Sha256,
    v1::{
        FetchRequest, FileMeta, FindPoolsRequest, Frame, ListFilesRequest, StatRequest, refusal::Reason,
        replicate_request::Step, replicate_response::Outcome,
    },
};
use tonic::{Code, Request, transport::Channel};
use tower::{Service as _, ServiceExt as _};

use crate::{
    edge_rig::lines_about,
    replicate_rig::{PIECE, SECRET, Spec, Target, attempt, begin, bytes, frames, moved},
};

#[tokio::test]
async fn a_receipt_means_that_the_file_is_there_with_its_mark() {
    // The moment the receipt is read: right bytes under the name, the mark beside them, nothing left on its way in.
    let target = Target::start().await;
    let path = "original/2026/11/24/receipt.png";
    let content = bytes(1, 3 * PIECE + 7);
    let meta = FileMeta { kind: "original".into(), original_name: "cat.png".into(), width: 3, ..FileMeta::default() };
    let mut talk = target.talk().await;
    let mut first = moved(path, &content, attempt(11, 4));
    first.meta = Some(meta);
    talk.file(7, first, &content).await;
    let receipt = talk.receipt(7).await;
    assert_eq!((receipt.size, receipt.skipped, receipt.resumed_from), (content.len() as u64, false, 0));
    assert_eq!(receipt.sha256, Sha256::of(&content).as_bytes());
    assert_eq!(target.read(path).unwrap(), content);
    let mark = target.mark(path).unwrap();
    assert_eq!((mark.size, mark.sha256, mark.generation.0), (content.len() as u64, Sha256::of(&content), 4));
    assert_eq!((mark.meta.original_name.as_str(), mark.meta.width), ("cat.png", 3));
    assert_eq!(target.incoming(), Vec::<String>::new());
    let line = format!("[Replicate] Stored file (pool_id=1, path={path}, size={}) from 127.0.0.1", content.len());
    assert_eq!(lines_about(&line).len(), 1);
    assert!(talk.end().await.unwrap().is_empty());
    target.stop().await;
}

#[tokio::test]
async fn sixty_four_files_may_be_open_and_one_more_ends_the_stream() {
    // First 64 begun ahead of their frames, and all arrive; then 65, and the stream ends with what was whole kept.
    let target = Target::start().await;
    let path = |i: u32| format!("original/open/{i}.png");
    let content = |i: u32| bytes(u8::try_from(i).unwrap(), 100);
    let mut talk = target.talk().await;
    for i in 0..64 {
        talk.begin(i, begin(&path(i), &content(i))).await;
    }
    for i in 0..64 {
        talk.frame(i, frames(&content(i)).remove(0)).await;
    }
    for i in 0..64 {
        let answer = talk.answer().await.unwrap();
        assert!(matches!(answer, Some((_, Outcome::Receipt(_)))), "{i}: {answer:?}");
    }
    let before = target.tree();
    for i in 100..165 {
        talk.begin(i, begin(&path(i), &content(i))).await;
    }
    let status = talk.broken().await;
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "more than 64 files are open on this stream")
    );
    assert_eq!(target.tree(), before);
    assert_eq!(before.keys().filter(|name| name.ends_with(".png")).count(), 64);
    target.stop().await;
}

#[tokio::test]
async fn a_message_out_of_turn_ends_the_stream() {
    // One row each: what is said, and the sentence; no file of it gets its name.
    let target = Target::start().await;
    let content = bytes(2, 2 * PIECE);
    let begun = |name: &str| Some(Step::Begin(begin(&format!("original/turn/{name}.png"), &content)));
    let frame = |at: usize| Some(Step::Frame(frames(&content).remove(at)));
    for (why, said, sentence) in [
        ("no begin", vec![(5, frame(0))], "file_tag 5 is not open"),
        ("still open", vec![(1, begun("a")), (1, begun("b"))], "file_tag 1 is still open"),
        (
            "mixed",
            vec![(1, begun("a")), (2, begun("b")), (1, frame(0)), (2, frame(0))],
            "a frame of file_tag 2 between those of file_tag 1",
        ),
        ("neither", vec![(3, None)], "the message for file_tag 3 has neither begin nor frame"),
        (
            "one frame too many",
            vec![(1, begun("c")), (1, frame(0)), (1, frame(1)), (1, frame(1))],
            "file_tag 1 is not open",
        ),
    ] {
        let mut talk = target.talk().await;
        for (tag, step) in said {
            talk.say(tag, step).await;
        }
        let status = talk.broken().await;
        assert_eq!(status.code(), Code::InvalidArgument, "{why}: {status}");
        assert!(status.message().starts_with(sentence), "{why}: {status}");
    }
    assert!(target.read("original/turn/a.png").is_none() && target.read("original/turn/b.png").is_none());
    target.stop().await;
}

#[tokio::test]
async fn begins_may_come_between_the_frames_of_another_file() {
    // Only frames must not be mixed: a client tells of the next file while one is under way.
    let target = Target::start().await;
    let content = bytes(3, 2 * PIECE);
    let mut talk = target.talk().await;
    let mut cut = frames(&content).into_iter();
    talk.begin(1, begin("original/between/a.png", &content)).await;
    talk.frame(1, cut.next().unwrap()).await;
    talk.begin(2, begin("original/between/b.png", &content)).await;
    talk.frame(1, cut.next().unwrap()).await;
    for frame in frames(&content) {
        talk.frame(2, frame).await;
    }
    assert_eq!(talk.receipt(1).await.size, content.len() as u64);
    assert_eq!(talk.receipt(2).await.size, content.len() as u64);
    target.stop().await;
}

#[tokio::test]
async fn a_refusal_ends_one_file_and_the_next_ones_go_on() {
    // Refused before and in the middle of its frames; what is under way of it is dropped, and its tag is free again.
    let target = Target::start().await;
    let content = bytes(4, 3 * PIECE);
    let mut talk = target.talk().await;
    talk.file(1, begin("original/../a.png", &content), &content).await;
    talk.file(2, begin("original/refusal/b.png", &content), &content).await;
    talk.begin(3, begin("original/refusal/c.png", &content)).await;
    for (i, mut frame) in frames(&content).into_iter().enumerate() {
        frame.offset += u64::from(i == 1);
        talk.frame(3, frame).await;
    }
    talk.file(4, begin("original/refusal/d.png", &content), &content).await;
    let mut ended = std::collections::BTreeMap::new();
    for _ in 0..4 {
        let (tag, outcome) = talk.answer().await.unwrap().unwrap();
        ended.insert(tag, outcome);
    }
    let reason = |outcome: &Outcome| match outcome {
        Outcome::Refusal(refusal) => Some(refusal.reason()),
        _ => None,
    };
    let ends: Vec<_> = ended.values().map(reason).collect();
    assert_eq!(ends, [Some(Reason::InvalidPath), None, Some(Reason::BadFrame), None], "{ended:?}");
    talk.file(1, begin("original/refusal/a.png", &content), &content).await;
    talk.receipt(1).await;
    assert_eq!(target.incoming(), Vec::<String>::new());
    assert!(target.read("original/refusal/c.png").is_none());
    assert!(talk.end().await.unwrap().is_empty());
    target.stop().await;
}

#[tokio::test]
async fn who_does_not_know_the_secret_is_told_so_and_no_more() {
    // All four methods, without a secret, with a wrong one, and at a node that has none.
    let open = Target::start().await;
    let closed = Target::with(Spec { secret: None, ..Spec::default() }).await;
    for (target, bearer, sentence) in [
        (&open, None, "invalid replication secret"),
        (&open, Some("Bearer not the secret"), "invalid replication secret"),
        (&open, Some(SECRET), "invalid replication secret"),
        (&closed, Some("Bearer replication secret of the test"), "replication disabled"),
    ] {
        let mut client = target.client().await;
        let path = String::from("original/a.png");
        let statuses = [
            client.replicate(with(bearer, tokio_stream::pending())).await.map(drop),
            client
                .stat(with(bearer, StatRequest { stored_path: path.clone(), ..StatRequest::default() }))
                .await
                .map(drop),
            client.fetch(with(bearer, FetchRequest { stored_path: path, ..FetchRequest::default() })).await.map(drop),
            client.list_files(with(bearer, ListFilesRequest::default())).await.map(drop),
            client.find_pools(with(bearer, FindPoolsRequest {})).await.map(drop),
        ];
        for status in statuses {
            let status = status.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::Unauthenticated, sentence), "{bearer:?}");
        }
    }
    assert!(!lines_about("[Replicate] Unauthorized attempt from 127.0.0.1").is_empty());
    assert!(lines_about("not the secret").is_empty(), "what was offered is not logged");
    open.stop().await;
    closed.stop().await;
}

fn with<T>(bearer: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(bearer) = bearer {
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_frame_of_the_largest_size_is_taken_and_a_larger_one_is_not() {
    // 4 MiB go; one byte more is BAD_FRAME; a message beyond what is read at all ends the stream.
    let target = Target::start().await;
    let whole = |content: &[u8]| Frame {
        offset: 0,
        data: content.to_vec().into(),
        prefix_sha256: Sha256::of(content).as_bytes().to_vec(),
    };
    let mut talk = target.talk().await;
    let (fits, too_large, absurd) = (bytes(5, 4 << 20), bytes(6, (4 << 20) + 1), bytes(7, 6 << 20));
    talk.begin(1, begin("original/large/fits.png", &fits)).await;
    talk.frame(1, whole(&fits)).await;
    talk.receipt(1).await;
    let before = target.tree();
    talk.begin(2, begin("original/large/not.png", &too_large)).await;
    talk.frame(2, whole(&too_large)).await;
    let (reason, message) = talk.refusal(2).await;
    assert!(reason == Reason::BadFrame && message.contains("at most 4194304"), "{reason:?} {message}");
    talk.begin(3, begin("original/large/absurd.png", &absurd)).await;
    talk.frame(3, whole(&absurd)).await;
    assert_eq!(talk.broken().await.code(), Code::OutOfRange);
    assert_eq!(target.tree(), before);
    target.stop().await;
}

#[tokio::test]
async fn a_path_that_is_no_text_ends_the_stream_and_changes_nothing() {
    // Bytes of a message that no generated client makes: stored_path with 0xff in it, in a begin and in a Stat.
    let target = Target::start().await;
    let before = target.tree();
    let path = b"original/\xff.png";
    let begin = [&[0x08, 1, 0x12, u8::try_from(path.len()).unwrap()], &path[..], &[0x18, 5]].concat();
    let request = [&[0x08, 1, 0x12, u8::try_from(begin.len()).unwrap()], &begin[..]].concat();
    for (method, message) in [("Replicate", request), ("Stat", begin[..begin.len() - 2].to_vec())] {
        let (code, sentence) = raw(target.channel().await, method, &message).await;
        assert!([Code::Internal, Code::InvalidArgument].contains(&code), "{method}: {code:?} {sentence}");
        assert!(!sentence.is_empty(), "{method}");
    }
    assert_eq!(target.tree(), before);
    assert_eq!(target.incoming(), Vec::<String>::new());
    target.stop().await;
}

/// Calls with a message as it is; the status that comes back.
async fn raw(mut channel: Channel, method: &str, message: &[u8]) -> (Code, String) {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(message);
    let request = http::Request::post(format!("/pixelfox.v1.Replication/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {SECRET}"))
        .body(tonic::body::Body::new(Full::new(Bytes::from(framed))))
        .unwrap();
    let response = channel.ready().await.unwrap().call(request).await.unwrap();
    let (head, body) = response.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or_default();
    let status = tonic::Status::from_header_map(&head.headers).or_else(|| tonic::Status::from_header_map(&trailers));
    let status = status.expect("a status");
    (status.code(), status.message().to_owned())
}
