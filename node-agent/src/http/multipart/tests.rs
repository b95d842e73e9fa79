//! Forms as good and bad clients send them.

use std::convert::Infallible;

use axum::body::Body;
use futures_util::stream;
use proptest::prelude::*;

use super::*;

const FORM: &str = "preamble\r\n--B\r\nContent-Disposition: form-data; name=\"pool_id\"\r\n\r\n7\r\n\
    --B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.png\"\r\nContent-Type: image/png\r\n\r\n\
    some\r\n--bytes\r\n--B\r\nContent-Disposition: form-data; name=\"sha256\"\r\n\r\n\r\n--B--\r\nepilogue";

fn headers(content_type: &str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())])
}

fn body(chunks: Vec<Vec<u8>>) -> RequestBody {
    let chunks = chunks.into_iter().map(|chunk| Ok::<_, Infallible>(Bytes::from(chunk)));
    RequestBody::new(Body::from_stream(stream::iter(chunks)), &HeaderMap::new())
}

fn endless(chunk: &'static str) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    stream::repeat(Ok(Bytes::from(chunk.repeat(1_000))))
}

async fn read(body: &RequestBody, limit: Limit) -> Result<Vec<(String, String)>, FormError> {
    let mut form = Form::new(&headers("multipart/form-data; boundary=B"), body, limit)?;
    let mut fields = Vec::new();
    while let Some(part) = form.next().await? {
        let name = format!("{}|{}", part.name(), part.file_name().unwrap_or_default());
        fields.push((name, part.text().await?));
    }
    Ok(fields)
}

fn read_now(body: &RequestBody, limit: Limit) -> Result<Vec<(String, String)>, FormError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(read(body, limit))
}

#[test]
fn fields_come_in_order_from_chunks_of_any_size() {
    for size in [1, 2, 3, 10, 64, 1_000] {
        let body = body(FORM.as_bytes().chunks(size).map(<[u8]>::to_vec).collect());
        let fields = read_now(&body, Limit::None).unwrap();
        let want = [("pool_id|", "7"), ("file|a b.png", "some\r\n--bytes"), ("sha256|", "")];
        assert_eq!(fields, want.map(|(name, value)| (name.to_owned(), value.to_owned())), "chunks of {size}");
        assert_eq!(body.taken(), FORM.len() as u64, "the epilogue is read, too");
    }
}

#[test]
fn a_form_cut_short_anywhere_is_refused() {
    let end = FORM.find("--B--").unwrap() + 5;
    for cut in 0..end {
        let cut_short = body(vec![FORM.as_bytes()[..cut].to_vec()]);
        assert!(read_now(&cut_short, Limit::None).is_err(), "after {cut} bytes");
    }
    assert!(read_now(&body(vec![FORM.as_bytes()[..end].to_vec()]), Limit::None).is_ok());
}

#[test]
fn one_boundary_is_a_boundary() {
    for (why, lines, want) in [
        ("plain", vec!["multipart/form-data; boundary=B"], Some("B")),
        ("quoted", vec!["multipart/form-data; boundary=\"B c\""], Some("B c")),
        ("with a charset", vec!["multipart/form-data; charset=utf-8; boundary=B"], Some("B")),
        ("two in one header", vec!["multipart/form-data; boundary=A; boundary=B"], None),
        ("two in one header, once in capitals", vec!["multipart/form-data; boundary=A; Boundary=B"], None),
        ("two headers", vec!["multipart/form-data; boundary=A", "multipart/form-data; boundary=A"], None),
        ("none", vec!["multipart/form-data"], None),
        ("an empty one", vec!["multipart/form-data; boundary=\"\""], None),
        ("another type", vec!["application/json; boundary=A"], None),
        ("no header", vec![], None),
    ] {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CONTENT_TYPE, line.parse().unwrap());
        }
        assert_eq!(boundary(&headers).as_deref(), want, "{why}");
    }
    assert_eq!(boundary(&headers(&format!("multipart/form-data; boundary={}", "b".repeat(71)))), None);
}

#[test]
fn a_wrong_boundary_is_refused_when_the_body_ends() {
    let wrong = body(vec![FORM.replace("--B", "--C").into_bytes()]);
    assert!(matches!(read_now(&wrong, Limit::None), Err(FormError::Malformed(_))));
}

#[test]
fn what_never_ends_is_given_up_after_few_bytes() {
    // Streams without an end: the reader must come back by itself, and with little taken.
    let start = "--B\r\nContent-Disposition: form-data; name=\"pool_id\"\r\n";
    for (why, before, forever, field) in [
        ("no boundary", "", "some bytes without a boundary", false),
        ("a header without an end", start, "X-Header: x\r\n", false),
        ("a field of a gigabyte and more", start, "\r\n\r\n1234567890", true),
        ("blanks behind the boundary", "--B", "      ", false),
    ] {
        let first = stream::once(async move { Ok(Bytes::from_static(before.as_bytes())) });
        let body = RequestBody::new(
            Body::from_stream(futures_util::StreamExt::chain(first, endless(forever))),
            &HeaderMap::new(),
        );
        let error = read_now(&body, Limit::None).unwrap_err();
        assert_eq!(matches!(error, FormError::LongField), field, "{why}: {error}");
        assert!(body.taken() < 300 << 10, "{why}: {} bytes taken", body.taken());
    }
}

#[test]
fn fields_without_end_are_given_up() {
    let field = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n";
    let body = RequestBody::new(Body::from_stream(endless(field)), &HeaderMap::new());
    assert!(matches!(read_now(&body, Limit::None), Err(FormError::TooManyFields)));
}

#[test]
fn an_epilogue_without_end_is_given_up() {
    let first = stream::once(async { Ok(Bytes::from_static(FORM.as_bytes())) });
    let body =
        RequestBody::new(Body::from_stream(futures_util::StreamExt::chain(first, endless("more"))), &HeaderMap::new());
    assert!(matches!(read_now(&body, Limit::None), Err(FormError::Stalled)));
}

#[test]
fn the_whole_body_has_a_limit() {
    let form = || body(FORM.as_bytes().chunks(10).map(<[u8]>::to_vec).collect());
    assert!(matches!(read_now(&form(), Limit::Whole(100)), Err(FormError::TooLarge(100))));
    assert!(read_now(&form(), Limit::Whole(FORM.len() as u64)).is_ok());
}

#[test]
fn headers_that_are_none_are_refused() {
    for (why, form) in [
        ("NUL in a name", "--B\r\nContent-Disposition: form-data; name=\"a\0b\"\r\n\r\n1\r\n--B--"),
        ("no colon", "--B\r\nContent-Disposition\r\n\r\n1\r\n--B--"),
        ("boundary twice", "--B\r\n--B\r\n\r\n--B--"),
    ] {
        let error = read_now(&body(vec![form.as_bytes().to_vec()]), Limit::None).unwrap_err();
        assert_eq!(Fault::from(error).message(), "invalid multipart form", "{why}");
    }
}

proptest! {
    #[test]
    fn a_value_survives_any_cut(
        value in prop::collection::vec(prop::sample::select(b"\r\n-B x".to_vec()), 0..60),
        size in 1..20_usize,
    ) {
        let value = String::from_utf8(value).unwrap();
        prop_assume!(!format!("\r\n{value}").contains("\r\n--B"));
        let form = format!("--B\r\nContent-Disposition: form-data; name=\"v\"\r\n\r\n{value}\r\n--B--\r\n");
        let body = body(form.as_bytes().chunks(size).map(<[u8]>::to_vec).collect());
        prop_assert_eq!(read_now(&body, Limit::None).unwrap(), vec![("v|".to_owned(), value)]);
    }
}
