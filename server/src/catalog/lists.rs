//! Long lists: which order, where a page ended, how many fit. A page of a narrow search may be short, even empty, and
//! still have a next one: as many rows were looked at as one page may cost. Pure.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pixelfox_proto::text;

use super::{Refusal, page::fingerprint};

/// How many fit a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Total {
    /// So many.
    Exact(u64),
    /// So many were found where counting ended.
    AtLeast(u64),
}

impl Total {
    /// The number.
    #[must_use]
    pub const fn count(self) -> u64 {
        match self {
            Self::Exact(count) | Self::AtLeast(count) => count,
        }
    }

    /// Whether there may be more.
    #[must_use]
    pub const fn is_at_least(self) -> bool {
        matches!(self, Self::AtLeast(_))
    }
}

/// What a page may cost, in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Rows that are read and sorted for one page at most.
    pub gathered: i64,
    /// Rows that are counted one by one at most.
    pub counted: i64,
    /// Rows that one page walks along at most where the index has all that is looked at,
    pub walked: i64,
    /// where they lie in the table as in the index,
    pub walked_beside: i64,
    /// and where they are all over it.
    pub walked_across: i64,
    /// A walk's first step; each further one is four times as long.
    pub step: i64,
}

impl Bounds {
    /// About 0.1 s on one core.
    pub const PAGE: Self = Self {
        gathered: 5_000,
        counted: 10_000,
        walked: 100_000,
        walked_beside: 30_000,
        walked_across: 8_000,
        step: 1_000,
    };
}

/// A page of a long list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// For the next page; empty: this is the last.
    pub next_page_token: String,
    /// How many fit the filter, as counted for the first page.
    pub total: Total,
}

/// What a list is sorted by, of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// A time, a size, an id.
    Number(i64),
    /// A name.
    Name(String),
}

/// A place between two items of a list: the next page begins after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What the item before it is sorted by.
    pub key: SortKey,
    /// Its row.
    pub id: i64,
    /// What was counted for the first page.
    pub total: Total,
}

/// Bytes of a token before the key: list, row, count, kind.
const HEAD: usize = 25;
const AT_LEAST: u8 = 1;
const NAME: u8 = 2;

impl Place {
    /// As a token of the list that `list` describes (its name and its whole filter and order).
    #[must_use]
    pub fn token(&self, list: &str) -> String {
        let mut kind = if self.total.is_at_least() { AT_LEAST } else { 0 };
        let key = match &self.key {
            SortKey::Number(number) => number.to_be_bytes().to_vec(),
            SortKey::Name(name) => {
                kind |= NAME;
                name.as_bytes().to_vec()
            }
        };
        let (id, total) = (self.id.to_be_bytes(), self.total.count().to_be_bytes());
        URL_SAFE_NO_PAD.encode([&fingerprint(list).to_be_bytes()[..], &id, &total, &[kind], &key].concat())
    }

    /// From a token of that list; `None` for the first page.
    ///
    /// # Errors
    /// A token that is none, or one of another list.
    pub fn of(list: &str, token: &str) -> Result<Option<Self>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        let none = || {
            Refusal::invalid(text!(
                de "page_token: kein Token dieses Servers; leer lassen für die erste Seite",
                en "page_token: not one of ours; leave it empty for the first page"
            ))
        };
        let (head, key) = bytes.split_at_checked(HEAD).ok_or_else(none)?;
        let number = |at: usize| head[at..at + 8].try_into().map_or(0, u64::from_be_bytes);
        let key = match head[24] & NAME {
            0 => SortKey::Number(i64::from_be_bytes(key.try_into().map_err(|_| none())?)),
            _ => SortKey::Name(String::from_utf8(key.to_vec()).map_err(|_| none())?),
        };
        if number(0) != fingerprint(list) {
            return Err(Refusal::invalid(text!(
                de "page_token: gehört zu einer anderen Liste oder einem anderen Filter; leer lassen für die erste Seite",
                en "page_token: it belongs to another list or filter; leave it empty for the first page",
            )));
        }
        let total = if head[24] & AT_LEAST == 0 { Total::Exact(number(16)) } else { Total::AtLeast(number(16)) };
        Ok(Some(Self { key, id: number(8).cast_signed(), total }))
    }
}

/// How a list of images is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ImageOrder {
    /// Uploaded last first.
    #[default]
    Newest,
    /// Uploaded first first.
    Oldest,
    /// Most bytes first.
    Largest,
    /// Fewest bytes first.
    Smallest,
    /// By name, in any case of letters.
    Name,
}

impl ImageOrder {
    /// Every one.
    pub const ALL: &'static [Self] = &[Self::Newest, Self::Oldest, Self::Largest, Self::Smallest, Self::Name];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Largest => "largest",
            Self::Smallest => "smallest",
            Self::Name => "name",
        }
    }

    /// From that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_token_of_another_list_or_none_at_all_is_refused() {
        let place = Place { key: SortKey::Number(-3), id: 42, total: Total::AtLeast(10_000) };
        let token = place.token("images pool=1");
        assert_eq!(Place::of("images pool=1", &token), Ok(Some(place)));
        assert_eq!(Place::of("images pool=1", ""), Ok(None));
        let other = Place::of("images pool=2", &token).unwrap_err();
        assert!(other.to_string().contains("another list"), "{other}");
        for bad in ["x", "AAAA", &format!("{token}AA"), "ö", &token[..30]] {
            assert!(Place::of("images pool=1", bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_a_token_says_is_what_it_was_made_of(name: String, number: i64, id: i64, count: u64, more: bool) {
            // Names and numbers alike, whatever stands in them.
            let total = if more { Total::AtLeast(count) } else { Total::Exact(count) };
            for key in [SortKey::Name(name), SortKey::Number(number)] {
                let place = Place { key, id, total };
                prop_assert_eq!(Place::of("list", &place.token("list")), Ok(Some(place)));
            }
        }
    }
}
