//! multipart/form-data as it streams in: fields one after the other, a file in pieces, with limits that hold whatever
//! a client sends. Around `multer`, which by itself would hold a preamble or a header of any length and can wait for
//! ever. Must not know which fields there are.

use std::{
    collections::HashSet,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http::{HeaderMap, header};
use multer::{Constraints, Field, Multipart, SizeLimit};
use parking_lot::Mutex;
use pixelfox_proto::{Fault, FaultKind};

use super::body::{BodyCut, RequestBody};

/// Longest value of a field that is no file.
pub(crate) const MAX_FIELD_BYTES: usize = 64 << 10;
/// Most fields of a form.
const MAX_FIELDS: usize = 64;
/// So much may come without the parser finding anything in it: a preamble, or the header of a part.
const MAX_UNPARSED_BYTES: u64 = 64 << 10;
/// Of a field's name, in a sentence.
const SHOWN_NAME_CHARS: usize = 40;
/// Longest boundary. Source: RFC 2046, 5.1.1.
const MAX_BOUNDARY_BYTES: usize = 70;

/// Why a form can't be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// No boundary, or two.
    #[error("the Content-Type names no multipart form with one boundary")]
    NotAForm,
    /// Against RFC 7578.
    #[error("the form is malformed")]
    Malformed(#[source] multer::Error),
    /// More fields than a form of ours has.
    #[error("the form has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// The field `file` twice.
    #[error("the form has two files")]
    TwoFiles,
    /// A value that is no file, and too long.
    #[error("a field is longer than {MAX_FIELD_BYTES} bytes")]
    LongField,
    /// The parser finds nothing in what comes.
    #[error("{MAX_UNPARSED_BYTES} bytes came without a boundary or the end of a part's header")]
    Stalled,
    /// Larger than the limit of the whole.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The sender went away, or was too slow.
    #[error("could not read the body")]
    Body(#[source] BodyCut),
}

impl From<FormError> for Fault {
    fn from(error: FormError) -> Self {
        match error {
            FormError::Body(cut) if cut.too_slow() => Self::new(FaultKind::TimedOut, "the body came too slowly"),
            FormError::TooLarge(limit) => {
                Self::new(FaultKind::PayloadTooLarge, format!("the request is larger than {limit} bytes"))
            }
            _ => {
                tracing::info!("refused a form: {}", cause(&error));
                Self::bad_request("invalid multipart form")
            }
        }
    }
}

/// The answer to a form without the field `file`, with the name of what came instead.
#[must_use]
pub fn file_missing(instead: Option<&str>) -> Fault {
    let fault = Fault::bad_request("file missing");
    let Some(name) = instead else { return fault };
    let name: String = name.chars().take(SHOWN_NAME_CHARS).flat_map(char::escape_debug).collect();
    fault.with_hint(format!(
        "the form has the field `{name}`; the picture is wanted in the field `file`, as in: curl -F file=@picture.jpg"
    ))
}

/// What is wrong with a form: the answer's sentence is fixed, the log says more.
fn cause(error: &FormError) -> String {
    match error {
        FormError::Malformed(cause) => format!("{error}: {cause}"),
        _ => error.to_string(),
    }
}

/// A form that is being read. Dropped, it leaves the rest of the body to [`RequestBody::drain`].
pub struct Form {
    parser: Multipart<'static>,
    feed: Feed,
    fields: usize,
}

/// A field whose value is being read.
pub struct Part {
    field: Field<'static>,
    feed: Feed,
}

/// Whole-body limits.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Files of any size, for those who know the secret.
    None,
    /// The whole form in bytes.
    Whole(u64),
}

impl Form {
    /// A form in `body`, its boundary in `headers`.
    ///
    /// # Errors
    /// [`FormError::NotAForm`].
    pub fn new(headers: &HeaderMap, body: &RequestBody, limit: Limit) -> Result<Self, FormError> {
        let boundary = boundary(headers).ok_or(FormError::NotAForm)?;
        let feed = Feed::new(body.clone());
        let whole = match limit {
            Limit::None => u64::MAX,
            Limit::Whole(bytes) => bytes,
        };
        let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(whole));
        Ok(Self { parser: Multipart::with_constraints(feed.clone(), boundary, limits), feed, fields: 0 })
    }

    /// The next field. The one before must have been read to its end.
    ///
    /// # Errors
    /// When the form is malformed or beyond its limits.
    pub async fn next(&mut self) -> Result<Option<Part>, FormError> {
        let field = poll_fn(|cx| self.feed.poll_parser(cx, |cx| self.parser.poll_next_field(cx))).await?;
        let Some(field) = field else {
            self.end().await?;
            return Ok(None);
        };
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(FormError::TooManyFields);
        }
        Ok(Some(Part { field, feed: self.feed.clone() }))
    }

    /// Reads what stands behind the last boundary, so that the connection can be used again.
    async fn end(&self) -> Result<(), FormError> {
        let stop = self.feed.body.taken() + MAX_UNPARSED_BYTES;
        while let Some(chunk) = poll_fn(|cx| self.feed.body.poll_chunk(cx)).await {
            chunk.map_err(FormError::Body)?;
            if self.feed.body.taken() > stop {
                return Err(FormError::Stalled);
            }
        }
        Ok(())
    }
}

impl Part {
    /// Its name; empty where it has none.
    pub fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// What the sender calls the file.
    pub fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// The next piece of its value; `None` at its end.
    ///
    /// # Errors
    /// When the form is malformed or beyond its limits.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FormError> {
        let field = &mut self.field;
        let mut next = |cx: &mut Context<'_>| Pin::new(&mut *field).poll_next(cx).map(Option::transpose);
        poll_fn(|cx| self.feed.poll_parser(cx, &mut next)).await
    }

    /// Reads past a field that no form of ours has, and gives its name where it has a file in it.
    ///
    /// # Errors
    /// The whole answer: where it is too long to be a value, what was meant for `file` was sent in it.
    pub async fn pass_over(self) -> Result<Option<String>, Fault> {
        let (name, is_file) = (self.name().to_owned(), self.file_name().is_some());
        match self.text().await {
            Ok(_) => Ok(Some(name).filter(|_| is_file)),
            Err(FormError::LongField) if is_file => Err(file_missing(Some(&name))),
            Err(error) => Err(error.into()),
        }
    }

    /// Its whole value as text; what is no UTF-8 becomes U+FFFD, which no valid value has.
    ///
    /// # Errors
    /// [`FormError::LongField`] for a value of more than `MAX_FIELD_BYTES`, or as `chunk`.
    pub async fn text(mut self) -> Result<String, FormError> {
        let mut value = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if value.len() + chunk.len() > MAX_FIELD_BYTES {
                return Err(FormError::LongField);
            }
            value.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&value).into_owned())
    }
}

/// Reads what is left of a form whose file, at `part`, was refused, within the limits of [`RequestBody::refuse`]:
/// `take` gets the fields, files are thrown away. Whether the form came to its end.
pub(crate) async fn hear_out(
    form: &mut Form,
    part: Part,
    body: &RequestBody,
    mut take: impl FnMut(&str, String),
) -> bool {
    let until = body.refuse();
    let rest = async {
        throw_away(part).await?;
        while let Some(part) = form.next().await? {
            if part.name() == "file" {
                throw_away(part).await?;
            } else {
                let name = part.name().to_owned();
                take(&name, part.text().await?);
            }
        }
        Ok::<_, FormError>(())
    };
    matches!(tokio::time::timeout_at(until, rest).await, Ok(Ok(())))
}

async fn throw_away(mut part: Part) -> Result<(), FormError> {
    while part.chunk().await?.is_some() {}
    Ok(())
}

/// The parser's view of the body: it gets a chunk when it is asked to work, and never more than one at a time.
#[derive(Clone)]
struct Feed {
    body: RequestBody,
    state: Arc<Mutex<FeedState>>,
}

struct FeedState {
    gate: Gate,
    /// Bytes taken when the parser last found something.
    settled: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Work with what you have.
    Closed,
    /// Take one chunk.
    Open,
    /// The body has ended or failed.
    Ended,
}

impl Feed {
    fn new(body: RequestBody) -> Self {
        Self { body, state: Arc::new(Mutex::new(FeedState { gate: Gate::Closed, settled: 0 })) }
    }

    fn gate(&self) -> Gate {
        self.state.lock().gate
    }

    /// Lets the parser work: first with what it has, then chunk by chunk. It can't wait for ever, because after the
    /// body's end a parser that still waits has failed, and it can't pile up bytes, because their number is counted.
    fn poll_parser<T>(
        &self,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<Result<T, multer::Error>>,
    ) -> Poll<Result<T, FormError>> {
        let outcome = loop {
            if let Poll::Ready(outcome) = work(cx) {
                break outcome.map_err(sorted);
            }
            {
                let mut state = self.state.lock();
                if state.gate == Gate::Ended || self.body.taken() - state.settled > MAX_UNPARSED_BYTES {
                    break Err(FormError::Stalled);
                }
                state.gate = Gate::Open;
            }
            if let Poll::Ready(outcome) = work(cx) {
                break outcome.map_err(sorted);
            }
            if self.gate() == Gate::Open {
                return Poll::Pending; // nothing was there to take: the body has the waker
            }
        };
        let mut state = self.state.lock();
        state.settled = self.body.taken();
        if state.gate == Gate::Open {
            state.gate = Gate::Closed;
        }
        Poll::Ready(outcome)
    }
}

impl Stream for Feed {
    type Item = Result<Bytes, BodyCut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.gate() {
            Gate::Ended => Poll::Ready(None),
            Gate::Closed => Poll::Pending, // `poll_parser` opens it and asks again
            Gate::Open => {
                let chunk = ready!(self.body.poll_chunk(cx));
                self.state.lock().gate = if matches!(chunk, Some(Ok(_))) { Gate::Closed } else { Gate::Ended };
                Poll::Ready(chunk)
            }
        }
    }
}

fn sorted(error: multer::Error) -> FormError {
    match error {
        multer::Error::StreamSizeExceeded { limit } => FormError::TooLarge(limit),
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<BodyCut>() {
            Ok(cause) => FormError::Body(*cause),
            Err(cause) => FormError::Malformed(multer::Error::StreamReadFailed(cause)),
        },
        other => FormError::Malformed(other),
    }
}

/// The boundary. Two of them, in one header or in two, are none: parsers differ in which they take.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let line = lines.next().filter(|_| lines.next().is_none())?.to_str().ok()?;
    let names: Vec<String> =
        line.split(';').skip(1).filter_map(|p| Some(p.split_once('=')?.0.trim().to_ascii_lowercase())).collect();
    let unique: HashSet<&String> = names.iter().collect();
    let boundary = multer::parse_boundary(line).ok().filter(|_| unique.len() == names.len())?;
    (1..=MAX_BOUNDARY_BYTES).contains(&boundary.len()).then_some(boundary)
}

#[cfg(test)]
mod tests;
