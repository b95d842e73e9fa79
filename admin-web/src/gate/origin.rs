//! Where a form was sent from, as the browser says it. Source: <https://www.rfc-editor.org/rfc/rfc6454>,
//! <https://fetch.spec.whatwg.org/#origin-header>. Pure.

use http::{HeaderMap, Uri, header, request::Parts, uri::Authority};

/// From where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A page of the host that was asked.
    Own(Scheme),
    /// Nobody said: no browser of these days.
    Unsaid,
    /// A page of another host, or one that hides.
    Foreign,
}

/// How the browser talks to that host, whatever stands in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Origin {
    /// Of a request.
    pub(crate) fn of(parts: &Parts) -> Self {
        match one(&parts.headers, header::ORIGIN) {
            Ok(Some(origin)) => own(origin, parts).map_or(Self::Foreign, Self::Own),
            Ok(None) => match parts.headers.get("sec-fetch-site").map(|site| site.as_bytes()) {
                None | Some(b"same-origin") => Self::Unsaid,
                Some(_) => Self::Foreign,
            },
            Err(Several) => Self::Foreign,
        }
    }

    /// Whether the browser is known to talk over TLS.
    pub(crate) fn is_https(self) -> bool {
        self == Self::Own(Scheme::Https)
    }
}

/// A header that stands there once at most.
struct Several;

fn one(headers: &HeaderMap, name: header::HeaderName) -> Result<Option<&str>, Several> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Several),
        (Some(_), Some(_)) => Err(Several),
    }
}

/// The scheme, where the origin is the host that was asked.
fn own(origin: &str, parts: &Parts) -> Option<Scheme> {
    let origin: Uri = origin.parse().ok()?;
    let (scheme, port) = match origin.scheme_str()? {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        _ => return None,
    };
    let there = origin.authority()?;
    let here: Authority = match parts.uri.authority() {
        Some(authority) => authority.clone(),
        None => one(&parts.headers, header::HOST).ok().flatten()?.parse().ok()?,
    };
    let port_of = |authority: &Authority| authority.port_u16().unwrap_or(port);
    let same = there.host().eq_ignore_ascii_case(here.host()) && port_of(there) == port_of(&here);
    let plain = matches!(origin.path(), "" | "/") && !there.as_str().contains('@');
    (same && plain).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn an_origin_is_our_own_only_where_it_is_the_host_that_was_asked() {
        for (host, origin, site, want) in [
            ("img.example", Some("https://img.example"), None, Origin::Own(Scheme::Https)),
            ("img.example:443", Some("https://IMG.example"), None, Origin::Own(Scheme::Https)),
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080"), None, Origin::Own(Scheme::Http)),
            ("[::1]:8080", Some("http://[::1]:8080"), None, Origin::Own(Scheme::Http)),
            ("img.example:8080", Some("http://img.example"), None, Origin::Foreign),
            ("img.example", Some("http://img.example:8080"), None, Origin::Foreign),
            ("img.example", Some("https://img.example.evil"), None, Origin::Foreign),
            ("img.example", Some("https://evil@img.example"), None, Origin::Foreign),
            ("img.example", Some("ftp://img.example"), None, Origin::Foreign),
            ("img.example", Some("null"), None, Origin::Foreign),
            ("img.example", Some(""), None, Origin::Foreign),
            ("img.example", None, None, Origin::Unsaid),
            ("img.example", None, Some("same-origin"), Origin::Unsaid),
            ("img.example", None, Some("same-site"), Origin::Foreign),
            ("img.example", None, Some("cross-site"), Origin::Foreign),
        ] {
            let mut request = Request::post("/admin").header("host", host);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            if let Some(site) = site {
                request = request.header("sec-fetch-site", site);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(Origin::of(&parts), want, "{host} {origin:?} {site:?}");
        }
    }

    #[test]
    fn two_of_a_header_are_none_of_ours() {
        let twice =
            Request::post("/admin").header("host", "a").header("origin", "http://a").header("origin", "http://a");
        let (parts, ()) = twice.body(()).unwrap().into_parts();
        assert_eq!(Origin::of(&parts), Origin::Foreign);
    }
}
