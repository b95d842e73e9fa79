//! Who may replicate: those who know the secret. Compared in constant time, before anything else of a request is
//! looked at. Source: docs/http.md, "PUT /api/internal/replicate".

use http::HeaderMap;
use pixelfox_proto::Fault;

use crate::secret::SecretPair;

const OTHER_HEADER: &str = "x-replicate-secret";

/// Whether `headers` carry the secret, as Bearer or in the older nodes' own header.
pub(crate) fn replicator(secret: Option<&SecretPair>, headers: &HeaderMap) -> Result<(), Fault> {
    let secret = secret.ok_or_else(|| Fault::unauthorized("replication disabled"))?;
    let other = headers.get(OTHER_HEADER).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    if secret.authorizes(headers) || other.is_some_and(|offered| secret.matches(offered)) {
        Ok(())
    } else {
        Err(Fault::unauthorized("invalid replication secret"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_header_opens() {
        let pair = SecretPair::new("s3cret", None);
        for (name, value, want) in [
            ("authorization", "Bearer s3cret", None),
            ("authorization", "bearer s3cret", None),
            ("x-replicate-secret", "s3cret", None),
            ("authorization", "Bearer wrong", Some("invalid replication secret")),
            ("authorization", "s3cret", Some("invalid replication secret")),
            ("x-replicate-secret", "", Some("invalid replication secret")),
            ("x-other", "s3cret", Some("invalid replication secret")),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            let refusal = replicator(Some(&pair), &headers).err();
            assert_eq!(refusal.as_ref().map(Fault::message), want, "{name}: {value}");
            assert_eq!(replicator(None, &headers).unwrap_err().message(), "replication disabled");
        }
    }
}
