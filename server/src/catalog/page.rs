//! Pages of a list: keyset, newest first. A token is bound to the list and filter that gave it. Pure.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pixelfox_proto::text;

use super::Refusal;

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// For the next page; empty: this is the last.
    pub next_page_token: String,
    /// How many fit the filter in all.
    pub total: u64,
}

/// Which page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageAsk {
    /// Items; 0: the default. Above the limit: the limit.
    pub size: u32,
    /// From the page before; empty: the first page.
    pub token: String,
}

impl PageAsk {
    /// Items of a page that names no size.
    pub const DEFAULT: u32 = 50;
    /// Items of a page at most.
    pub const MAX: u32 = 1000;

    /// Items of this page.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        match self.size {
            0 => Self::DEFAULT,
            asked if asked > Self::MAX => Self::MAX,
            asked => asked,
        }
    }
}

/// Where a page ended: the row id of its last item, and which list it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageToken {
    list: u64,
    last: i64,
}

impl PageToken {
    /// After the item with this row id, of the list that `list` describes (its name and its whole filter).
    #[must_use]
    pub fn after(list: &str, last: i64) -> Self {
        Self { list: fingerprint(list), last }
    }

    /// The row id after which the page starts; [`i64::MAX`] for the first page.
    ///
    /// # Errors
    /// A token that is none, or one of another list.
    pub fn start(list: &str, token: &str) -> Result<i64, Refusal> {
        if token.is_empty() {
            return Ok(i64::MAX);
        }
        let bytes: Option<[u8; 16]> = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| bytes.try_into().ok());
        let Some(bytes) = bytes else {
            return Err(Refusal::invalid(text!(
                de "page_token: kein Token dieses Servers; leer lassen für die erste Seite",
                en "page_token: not one of ours; leave it empty for the first page"
            )));
        };
        let (of, last) = bytes.split_at(8);
        if of != fingerprint(list).to_be_bytes() {
            return Err(Refusal::invalid(text!(
                de "page_token: gehört zu einer anderen Liste oder einem anderen Filter; leer lassen für die erste Seite",
                en "page_token: it belongs to another list or filter; leave it empty for the first page",
            )));
        }
        Ok(last.try_into().map_or(0, i64::from_be_bytes))
    }
}

impl std::fmt::Display for PageToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = [self.list.to_be_bytes(), self.last.to_be_bytes()].concat();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// FNV-1a, 64 bits: tells lists apart, keeps no secret.
pub(super) fn fingerprint(list: &str) -> u64 {
    list.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_bound_to_its_list() {
        // A token of one filter starts the next page of that filter and is refused by any other.
        let token = PageToken::after("images pool=1", 42).to_string();
        assert_eq!(PageToken::start("images pool=1", &token), Ok(42));
        assert_eq!(PageToken::start("images pool=1", ""), Ok(i64::MAX));
        let other = PageToken::start("images pool=2", &token).unwrap_err();
        assert!(other.to_string().contains("another list"), "{other}");
        for bad in ["x", "AAAA", &format!("{token}AA"), "ö"] {
            assert!(PageToken::start("images pool=1", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_size_of_a_page_has_a_default_and_a_limit() {
        for (asked, want) in [(0, PageAsk::DEFAULT), (7, 7), (u32::MAX, PageAsk::MAX)] {
            assert_eq!(PageAsk { size: asked, ..PageAsk::default() }.limit(), want);
        }
    }
}
