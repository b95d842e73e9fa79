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

use pixelfox_proto::Language;

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

/// The words of a language.
pub(crate) const fn of(language: Language) -> &'static Words {
    match language {
        Language::De => &DE,
        Language::En => &EN,
    }
}

/// `text` with each `{name}` replaced.
pub(crate) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}
