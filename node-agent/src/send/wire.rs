//! Generated messages of a Replicate stream and the sender's own words, both ways.

use bytes::Bytes;
use futures_util::Stream;
use pixelfox_proto::{
    Cut, RefusalReason, Sha256,
    v1::{
        BeginFile, Frame, ReplicateRequest, ReplicateResponse, replicate_request::Step, replicate_response::Outcome,
        replication_client::ReplicationClient,
    },
};
use tonic::{Request, Status, Streaming, metadata::MetadataValue, transport::Channel};

use super::Outgoing;
use crate::secret::SecretPair;

/// Largest answer that is read: a refusal's sentence.
const ANSWER_BYTES: usize = 64 << 10;

/// What the target says about a file.
#[derive(Debug)]
pub(super) enum Answer {
    /// It has this much of it already.
    Offer { offset: u64, prefix: Option<Sha256> },
    /// It is durable.
    Receipt { size: u64, sha256: Option<Sha256>, skipped: bool, resumed_from: u64 },
    /// It is not taken.
    Refusal { reason: Option<RefusalReason>, message: String },
}

/// A message under way.
pub(super) type Message = ReplicateRequest;

/// The target's answers.
pub(super) struct Answers(Streaming<ReplicateResponse>);

impl Answers {
    /// The next one with its file's tag; `None` at the stream's end. May be dropped and asked again.
    pub(super) async fn next(&mut self) -> Result<Option<(u32, Answer)>, Status> {
        loop {
            let Some(response) = self.0.message().await? else { return Ok(None) };
            if let Some(outcome) = response.outcome {
                return Ok(Some((response.file_tag, answer(outcome))));
            }
        }
    }
}

/// Opens a Replicate stream.
pub(super) async fn open(
    channel: Channel,
    secret: &SecretPair,
    messages: impl Stream<Item = Message> + Send + 'static,
) -> Result<Answers, Status> {
    let mut client = ReplicationClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
    let mut request = Request::new(messages);
    let bearer = format!("Bearer {}", secret.reveal());
    let mut bearer = MetadataValue::try_from(bearer)
        .map_err(|_| Status::invalid_argument("REPLICATION_SECRET has characters that no header can carry"))?;
    bearer.set_sensitive(true);
    request.metadata_mut().insert("authorization", bearer);
    Ok(Answers(client.replicate(request).await?.into_inner()))
}

/// A file's begin.
pub(super) fn begin(file_tag: u32, pool_id: u64, file: &Outgoing, wait_for_offer: bool) -> Message {
    let begin = BeginFile {
        pool_id,
        stored_path: file.path.to_string(),
        size: file.size,
        sha256: file.sha256.as_bytes().to_vec(),
        wait_for_offer,
        attempt: file.attempt.map(Into::into),
        meta: Some(file.meta.clone().into()),
        traceparent: file.trace.map(|trace| trace.to_string()).unwrap_or_default(),
    };
    ReplicateRequest { file_tag, step: Some(Step::Begin(begin)) }
}

/// A piece of a file.
pub(super) fn frame(file_tag: u32, cut: Cut, data: Bytes) -> Message {
    let prefix_sha256 = cut.prefix.as_bytes().to_vec();
    ReplicateRequest { file_tag, step: Some(Step::Frame(Frame { offset: cut.offset, data, prefix_sha256 })) }
}

/// A frame that no target takes: it ends a file that can't be sent on, and that file alone. With the `prefix` of what
/// went out the target keeps that for an offer.
pub(super) fn give_up(file_tag: u32, offset: u64, prefix: Option<Sha256>) -> Message {
    let prefix_sha256 = prefix.map(|prefix| prefix.as_bytes().to_vec()).unwrap_or_default();
    let frame = Frame { offset, data: Bytes::new(), prefix_sha256 };
    ReplicateRequest { file_tag, step: Some(Step::Frame(frame)) }
}

fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Offer(offer) => {
            Answer::Offer { offset: offer.resume_offset, prefix: Sha256::try_from(&*offer.prefix_sha256).ok() }
        }
        Outcome::Receipt(receipt) => Answer::Receipt {
            size: receipt.size,
            sha256: Sha256::try_from(&*receipt.sha256).ok(),
            skipped: receipt.skipped,
            resumed_from: receipt.resumed_from,
        },
        Outcome::Refusal(refusal) => {
            Answer::Refusal { reason: RefusalReason::from_wire(refusal.reason), message: refusal.message }
        }
    }
}
