//! What is said to people, in both languages side by side, and which of them somebody wants. Logs and scripts get English.

use std::fmt;

/// A language that people are spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Deutsch.
    #[default]
    De,
    /// English.
    En,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::De, Self::En];

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

    /// The first of an `Accept-Language` that is spoken here, by weight. Source: RFC 9110, section 12.5.4.
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
}

/// One sentence, or a part of one, in each [`Language`]: made by [`text!`](crate::text), which asks for both. `Display` is
/// the English one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    de: String,
    en: String,
}

impl Text {
    /// In both languages.
    #[must_use]
    pub const fn new(de: String, en: String) -> Self {
        Self { de, en }
    }

    /// The same in every language: a name, an address, what somebody else has said.
    pub fn verbatim(said: impl Into<String>) -> Self {
        let said = said.into();
        Self { de: said.clone(), en: said }
    }

    /// In one language.
    #[must_use]
    pub fn to(&self, language: Language) -> &str {
        match language {
            Language::De => &self.de,
            Language::En => &self.en,
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.en.is_empty()
    }

    /// Several with `between` them.
    #[must_use]
    pub fn join(texts: &[Self], between: &str) -> Self {
        let all = |language| texts.iter().map(|text| text.to(language)).collect::<Vec<_>>().join(between);
        Self { de: all(Language::De), en: all(Language::En) }
    }

    /// German and English, apart.
    #[must_use]
    pub fn into_parts(self) -> (String, String) {
        (self.de, self.en)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.en)
    }
}

/// A [`Text`] by two formats of the same arguments: `text!(de "kein Auftrag {id}", en "no job {id}")`. Arguments that are
/// [`Text`]s themselves are named after `with`.
#[macro_export]
macro_rules! text {
    (de $de:literal, en $en:literal, with $($text:ident),+ $(,)?) => {
        $crate::Text::new(
            { $(let $text = $text.to($crate::Language::De);)+ format!($de) },
            { $(let $text = $text.to($crate::Language::En);)+ format!($en) },
        )
    };
    (de $de:literal, en $en:literal $(, $argument:expr)* $(,)?) => {
        $crate::Text::new(format!($de $(, $argument)*), format!($en $(, $argument)*))
    };
}

/// What a fault says: in English, and where a person may read it in German too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub(crate) en: String,
    /// Boxed, so that a result with a fault stays small.
    pub(crate) de: Option<Box<str>>,
}

impl From<Text> for Said {
    fn from(text: Text) -> Self {
        Self { en: text.en, de: Some(text.de.into()) }
    }
}

impl From<String> for Said {
    fn from(en: String) -> Self {
        Self { en, de: None }
    }
}

impl From<&str> for Said {
    fn from(en: &str) -> Self {
        en.to_owned().into()
    }
}

impl From<&String> for Said {
    fn from(en: &String) -> Self {
        en.clone().into()
    }
}

impl Said {
    pub(crate) fn to(&self, language: Language) -> &str {
        match (language, &self.de) {
            (Language::De, Some(de)) => de,
            _ => &self.en,
        }
    }
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

    #[test]
    fn a_text_has_both_languages() {
        let (pool, size) = ("img1", 5);
        let text = text!(de "{pool} hat {} Bytes", en "{pool} has {} bytes", size);
        assert_eq!((text.to(Language::De), text.to_string()), ("img1 hat 5 Bytes", "img1 has 5 bytes".into()));
        let within = text!(de "ob {text}", en "if {text}", with text);
        assert_eq!(within.to(Language::De), "ob img1 hat 5 Bytes");
        let all = Text::join(&[text, Text::verbatim("x")], "; ");
        assert_eq!((all.to(Language::De), all.to(Language::En)), ("img1 hat 5 Bytes; x", "img1 has 5 bytes; x"));
    }
}
