//! Sessions and the audit.

use std::net::IpAddr;

use pixelfox_proto::{Fault, text, v1};
use prost_types::Timestamp;

use super::timestamp;
use crate::catalog::{AuditEntry, AuditFilter, Page, PageAsk, Session, UnixMillis};

/// Words of a filter have so many bytes at most.
const MAX_WORD_BYTES: usize = 200;

/// Empty: not known.
pub(in crate::grpc) fn address(text: &str) -> Result<Option<IpAddr>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Fault::bad_request(text!(
            de "client_address: ist keine IP-Adresse; leer lassen",
            en "client_address: is no IP address; leave it empty"
        ))
    })
}

pub(in crate::grpc) fn session(session: &Session) -> v1::Session {
    v1::Session { account: session.account.to_string(), expires: Some(timestamp(session.expires)) }
}

pub(in crate::grpc) fn audit_ask(request: v1::ListAuditRequest) -> Result<(AuditFilter, PageAsk), Fault> {
    for (field, word) in [("actor", &request.actor), ("action", &request.action), ("subject", &request.subject)] {
        if word.len() > MAX_WORD_BYTES {
            return Err(Fault::bad_request(text!(
                de "{field}: hat höchstens {MAX_WORD_BYTES} Bytes",
                en "{field}: has {MAX_WORD_BYTES} bytes at most"
            )));
        }
    }
    let filter = AuditFilter {
        actor: request.actor,
        action: request.action,
        subject: request.subject,
        from: instant(request.from, "from")?,
        until: instant(request.until, "until")?,
    };
    Ok((filter, PageAsk { size: request.page_size, token: request.page_token }))
}

fn instant(at: Option<Timestamp>, field: &str) -> Result<Option<UnixMillis>, Fault> {
    let Some(at) = at else { return Ok(None) };
    let millis = at.seconds.checked_mul(1000).and_then(|millis| millis.checked_add(i64::from(at.nanos / 1_000_000)));
    millis
        .map(|millis| Some(UnixMillis(millis)))
        .ok_or_else(|| Fault::bad_request(text!(de "{field}: ist kein Zeitpunkt", en "{field}: is no time")))
}

pub(in crate::grpc) fn audit(page: Page<AuditEntry>) -> v1::ListAuditResponse {
    let entry = |entry: AuditEntry| v1::AuditEntry {
        id: entry.id,
        at: Some(timestamp(entry.at)),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail: entry.detail,
        was: entry.was,
        became: entry.became,
    };
    v1::ListAuditResponse {
        entries: page.items.into_iter().map(entry).collect(),
        next_page_token: page.next_page_token,
    }
}
