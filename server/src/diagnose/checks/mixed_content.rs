//! `public_base_url`: do browsers take a pool's http while they are on pages that are https?

use std::net::IpAddr;

use pixelfox_proto::text;
use url::{Host, Url};

use crate::diagnose::finding::{Check, Finding};
use crate::diagnose::seen::{Cluster, pool_subject};

/// One line for each pool that browsers would not load; nothing where the pages are http themselves, or where nobody knows.
#[must_use]
pub(crate) fn judge(cluster: &Cluster) -> Vec<Finding> {
    let Some(page) = cluster.page.as_deref().filter(|page| is_https(page)) else { return Vec::new() };
    let of_pool = |pool: &crate::catalog::Pool| {
        let (url, node) = (&pool.public_base_url, &pool.node);
        let message = text!(
            de "{url} ist http, die Seiten sind aber https ({page}): Browser senden nichts direkt dorthin und zeigen die Bilder \
             nicht oder mit Warnung",
            en "{url} is http, but the pages are https ({page}): browsers send nothing there directly, and show its pictures \
             not at all or with a warning"
        );
        let advice = text!(
            de "TLS vor Knoten {node} setzen, und die Public Base URL des Speicherpools wie PUBLIC_DOMAIN von Knoten {node} auf \
             https:// ändern",
            en "Put TLS in front of node {node}, and change the pool's public_base_url, and PUBLIC_DOMAIN of node {node}, to \
             https://"
        );
        Finding::warning(pool_subject(pool), Check::PublicBaseUrl, message, advice)
    };
    cluster.pools.iter().filter(|pool| is_barred(&pool.public_base_url)).map(of_pool).collect()
}

fn is_https(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "https")
}

/// Plain http, but for this machine itself, which browsers trust.
fn is_barred(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        let is_own = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
            None => true,
        };
        url.scheme() == "http" && !is_own
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::checks::tests::{assert_stands, cluster, here, pool};
    use crate::diagnose::finding::Status;

    #[test]
    fn http_on_pages_that_are_https_is_told() {
        for (why, page, url, is_told) in [
            ("both http", Some("http://p.example"), "http://s01.example", false),
            ("both https", Some("https://p.example"), "https://s01.example", false),
            ("a pool behind no TLS", Some("https://p.example"), "http://s01.example", true),
            ("an address without TLS", Some("https://p.example"), "http://192.0.2.1:8082", true),
            ("this machine", Some("https://p.example"), "http://127.0.0.1:8082", false),
            ("this machine by name", Some("https://p.example"), "http://localhost:8082", false),
            ("nobody knows", None, "http://s01.example", false),
        ] {
            let mut pool = pool("img1", "s01");
            pool.public_base_url = url.into();
            let mut all = cluster(vec![here("s01")], vec![pool]);
            all.page = page.map(str::to_owned);
            let found = judge(&all);
            assert_eq!(found.len(), usize::from(is_told), "{why}");
            for line in &found {
                assert_stands(line, Status::Warning, &[url, "p.example", "TLS", "node s01"], why);
            }
        }
    }
}
