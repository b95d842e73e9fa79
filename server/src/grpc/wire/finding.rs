//! Findings on the wire: lines of a diagnosis, and why a pool can't be saved.

use pixelfox_proto::v1::{self, finding::Status as Wire};
use pixelfox_proto::{Fault, FaultKind, Language, PoolId};
use prost::Message as _;
use tonic::Status;

use crate::catalog::{RefusalKind, SaveRule};
use crate::diagnose::{Finding, Status as Stands};

/// `type_url` of the details of a refused save.
const FINDINGS: &str = "type.googleapis.com/pixelfox.v1.PoolFindings";

/// `google.rpc.Status`, as `grpc-status-details-bin` has it.
#[derive(Clone, PartialEq, prost::Message)]
struct RichStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// A line, for somebody who speaks this.
pub(crate) fn finding(finding: Finding, language: Language) -> v1::Finding {
    let status = match finding.status {
        Stands::Ok => Wire::Ok,
        Stands::Warning => Wire::Warning,
        Stands::Failed => Wire::Failed,
    };
    v1::Finding {
        subject: finding.subject,
        check: finding.check.as_str().to_owned(),
        status: status.into(),
        message: finding.message.to(language).to_owned(),
        advice: finding.advice.to(language).to_owned(),
        seconds: finding.took.as_secs_f64(),
        field: finding.field.to_owned(),
        measured_at: (finding.at.0 > 0).then(|| super::timestamp(finding.at)),
        measured_by: finding.by,
        pool_id: finding.pool.map_or(0, PoolId::get),
    }
}

/// All that was found in a pool's form.
pub(crate) fn findings(found: Vec<Finding>, language: Language) -> v1::PoolFindings {
    v1::PoolFindings { findings: found.into_iter().map(|it| finding(it, language)).collect() }
}

/// Whether a pool may be saved for all that was found; else one sentence for each thing, and all of it in the details.
///
/// # Errors
/// By the first error, else by the first doubt that is not saved over.
pub(crate) fn may_save(found: Vec<Finding>, rule: SaveRule, language: Language) -> Result<(), Status> {
    let bars = |it: &&Finding| match it.status {
        Stands::Failed => true,
        Stands::Warning => rule == SaveRule::Checked,
        Stands::Ok => false,
    };
    let Some(worst) = found.iter().filter(bars).max_by_key(|it| it.status).map(|it| it.status) else { return Ok(()) };
    let first = found.iter().find(|it| it.status == worst);
    let kind = match first.map_or(RefusalKind::Precondition, |it| it.refusal) {
        RefusalKind::Invalid => FaultKind::BadRequest,
        RefusalKind::Exists => FaultKind::Conflict,
        RefusalKind::NotFound | RefusalKind::Precondition | RefusalKind::Changed => FaultKind::FailedPrecondition,
    };
    let sentences: Vec<String> = found.iter().filter(bars).map(|it| sentence(it, language)).collect();
    let plain = Status::from(Fault::new(kind, sentences.join("; ")));
    let details = RichStatus {
        code: plain.code().into(),
        message: plain.message().to_owned(),
        details: vec![prost_types::Any {
            type_url: FINDINGS.to_owned(),
            value: findings(found, language).encode_to_vec(),
        }],
    };
    Err(Status::with_details(plain.code(), plain.message(), details.encode_to_vec().into()))
}

/// `field: what is wrong. What to do`.
fn sentence(found: &Finding, language: Language) -> String {
    let (field, message) = (found.field, found.message.to(language));
    if found.advice.is_empty() {
        format!("{field}: {message}")
    } else {
        format!("{field}: {message}. {}", found.advice.to(language))
    }
}
