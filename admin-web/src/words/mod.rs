//! Every word that a page shows, in both languages side by side. A word that one language lacks does not compile, and
//! one that no page shows is a warning.

/// A struct of words with its two constants: `field: "Deutsch", "English";`
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $de:literal, $en:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name { $(pub(crate) $field: &'static str,)* }
        impl $name {
            pub(crate) const DE: Self = Self { $($field: $de,)* };
            pub(crate) const EN: Self = Self { $($field: $en,)* };
        }
    };
}

mod audit;
mod dashboard;
mod diagnose;
mod frame;
mod gate;
mod images;
mod jobs;
mod nodes;
mod public;
mod queues;
mod settings;
mod storage;
mod units;

pub(crate) use self::{
    audit::Audit,
    dashboard::Dashboard,
    diagnose::Diagnose,
    frame::Frame,
    gate::Gate,
    images::{Images, Selection},
    jobs::Jobs,
    nodes::Nodes,
    public::Public,
    queues::Queues,
    settings::Settings,
    storage::Storage,
    units::Units,
};

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Deutsch.
    #[default]
    De,
    /// English.
    En,
}

/// All words of one language, by page.
#[derive(Debug)]
pub(crate) struct Words {
    pub(crate) audit: Audit,
    pub(crate) dashboard: Dashboard,
    pub(crate) diagnose: Diagnose,
    pub(crate) frame: Frame,
    pub(crate) gate: Gate,
    pub(crate) nodes: Nodes,
    pub(crate) public: Public,
    pub(crate) settings: Settings,
    pub(crate) images: Images,
    pub(crate) jobs: Jobs,
    pub(crate) queues: Queues,
    pub(crate) selection: Selection,
    pub(crate) storage: Storage,
    pub(crate) units: Units,
}

static DE: Words = Words {
    audit: Audit::DE,
    dashboard: Dashboard::DE,
    diagnose: Diagnose::DE,
    frame: Frame::DE,
    gate: Gate::DE,
    nodes: Nodes::DE,
    public: Public::DE,
    settings: Settings::DE,
    images: Images::DE,
    jobs: Jobs::DE,
    queues: Queues::DE,
    selection: Selection::DE,
    storage: Storage::DE,
    units: Units::DE,
};
static EN: Words = Words {
    audit: Audit::EN,
    dashboard: Dashboard::EN,
    diagnose: Diagnose::EN,
    frame: Frame::EN,
    gate: Gate::EN,
    nodes: Nodes::EN,
    public: Public::EN,
    settings: Settings::EN,
    images: Images::EN,
    jobs: Jobs::EN,
    queues: Queues::EN,
    selection: Selection::EN,
    storage: Storage::EN,
    units: Units::EN,
};

impl Language {
    /// `de` or `en`.
    #[must_use]
    pub const fn tag(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
        }
    }

    /// From a tag as a cookie or a query has it.
    #[must_use]
    pub fn of_tag(tag: &str) -> Option<Self> {
        match tag {
            "de" => Some(Self::De),
            "en" => Some(Self::En),
            _ => None,
        }
    }

    /// The first of an `Accept-Language` that the pages speak, by weight. Source: RFC 9110, section 12.5.4.
    #[must_use]
    pub fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        for part in header.split(',') {
            let mut pieces = part.split(';');
            let tag = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
            let weight = pieces.find_map(|piece| piece.trim().strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            let Some(language) = Self::of_tag(tag.split('-').next().unwrap_or_default()) else { continue };
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::De => &DE,
            Self::En => &EN,
        }
    }
}

/// `text` with each `{name}` replaced.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_a_browser_asks_for() {
        for (header, want) in [
            ("de-AT,de;q=0.9,en;q=0.8", Some(Language::De)),
            ("fr, en-GB;q=0.7, de;q=0.3", Some(Language::En)),
            ("en;q=0, de;q=0.1", Some(Language::De)),
            ("fr", None),
            ("", None),
            ("de;q=x", Some(Language::De)),
        ] {
            assert_eq!(Language::accepted(header), want, "{header}");
        }
    }
}
