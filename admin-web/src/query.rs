//! What stands behind the `?` of an address: read as fields, written for links.

use axum::extract::Query;
use http::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::visit::Fields;

/// Everything but what a query may hold as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The fields of an address; none where it is no query.
pub(crate) fn fields(uri: &Uri) -> Fields {
    Fields(Query::<Vec<(String, String)>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default())
}

/// `path` with those of the fields that hold something.
pub(crate) fn address<'a>(path: &str, fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut address = path.to_owned();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.extend(utf8_percent_encode(name, ESCAPED));
        address.push('=');
        address.extend(utf8_percent_encode(value, ESCAPED));
    }
    address
}

/// Where an action goes back to: one of the admin pages, else `otherwise`.
pub(crate) fn back<'a>(fields: &'a Fields, otherwise: &'a str) -> &'a str {
    let to = fields.text("back");
    let ours = to == "/admin" || to.starts_with("/admin/") || to.starts_with("/admin?");
    if ours && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') { to } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_what_it_was_made_of() {
        // Markup, spaces, signs of queries, other letters; nothing for what is empty.
        let given = [("q", "a&b=c <x> 50% \u{fc}+"), ("pool", ""), ("node", "s01")];
        let address = address("/admin/images", given);
        assert!(address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'<'), "{address}");
        let read = fields(&address.parse().unwrap());
        assert_eq!((read.text("q"), read.text("node"), read.0.len()), ("a&b=c <x> 50% \u{fc}+", "s01", 2));
    }

    #[test]
    fn an_action_goes_back_to_our_own_pages_only() {
        for (given, want) in [
            ("/admin/queues?state=failed", "/admin/queues?state=failed"),
            ("//evil.example", "/admin/queues"),
            ("/administrator", "/admin/queues"),
            ("https://evil.example/admin/", "/admin/queues"),
            ("/admin/\\evil", "/admin/queues"),
            ("", "/admin/queues"),
        ] {
            let fields = Fields(vec![("back".into(), given.into())]);
            assert_eq!(back(&fields, "/admin/queues"), want, "{given}");
        }
    }
}
