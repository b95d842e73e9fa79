//! What a form offers to choose from.

/// One of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) is_chosen: bool,
}

/// Values with their labels, of which one may be chosen.
pub(crate) fn choices<V, L>(all: impl IntoIterator<Item = (V, L)>, chosen: &str) -> Vec<Choice>
where
    V: Into<String>,
    L: Into<String>,
{
    let choice = |(value, label): (V, L)| {
        let value = value.into();
        Choice { is_chosen: value == chosen, value, label: label.into() }
    };
    all.into_iter().map(choice).collect()
}
