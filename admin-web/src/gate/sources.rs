//! Which hosts a page may load pictures from: those of the pools' public addresses. Asked for once in a while, not for
//! every page.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::Uri;
use pixelfox_proto::v1;
use tokio::{sync::Mutex, time::Instant};

use crate::admin::Admin;

/// So long the last answer counts.
const FRESH: Duration = Duration::from_secs(2);
/// Hosts at most: a header has its limits.
const MOST: usize = 200;

/// The last answer, and since when it is known. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources(Arc<Mutex<Option<Answer>>>);

type Answer = (Instant, Arc<str>);

impl Sources {
    /// Origins of all pools, with spaces between them. Where the service can't say: what it said last.
    pub(crate) async fn of_pools(&self, admin: &Admin) -> Arc<str> {
        let mut last = self.0.lock().await;
        if let Some((at, origins)) = &*last
            && at.elapsed() < FRESH
        {
            return Arc::clone(origins);
        }
        let origins = match admin.clone().list_pools(v1::ListPoolsRequest {}).await {
            Ok(pools) => origins(pools.get_ref().pools.iter().map(|pool| pool.public_base_url.as_str())).into(),
            Err(_) => last.as_ref().map_or_else(|| Arc::from(""), |(_, origins)| Arc::clone(origins)),
        };
        *last = Some((Instant::now(), Arc::clone(&origins)));
        origins
    }
}

/// Scheme, host and port of each, once, with spaces between them.
pub(crate) fn origins<'a>(urls: impl Iterator<Item = &'a str>) -> String {
    let found: BTreeSet<String> = urls.filter_map(origin).take(MOST).collect();
    found.into_iter().collect::<Vec<_>>().join(" ")
}

/// Scheme, host and port; nothing that could say more in a policy.
fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let (scheme, authority) = (url.scheme_str()?, url.authority()?.as_str());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (matches!(scheme, "http" | "https") && authority.chars().all(plain)).then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_policy_gets_origins_and_nothing_else() {
        let urls = [
            "https://s01.example/",
            "https://s01.example/path",
            "http://10.0.0.1:8080",
            "http://[::1]:8080",
            "ftp://x",
            "https://user@x",
            "https://x;script-src *",
            "",
        ];
        assert_eq!(super::origins(urls.into_iter()), "http://10.0.0.1:8080 http://[::1]:8080 https://s01.example");
    }
}
