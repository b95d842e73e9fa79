//! The settings as a form: what each one is called, what may be typed, and what differs from what was shown.

use pixelfox_proto::v1;

use super::amount::{self, Wrong};
use crate::{
    view::View,
    visit::Fields,
    words::{Settings, fill},
};

/// A setting. Switches are 0 and 1; only what is optional may be absent.
pub(crate) struct Setting {
    /// As in `Settings` of admin.proto.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What the service takes.
    low: u64,
    high: u64,
    get: fn(&v1::Settings) -> Option<u64>,
    set: fn(&mut v1::Settings, u64),
    /// Label, help, unit.
    words: fn(&Settings) -> [&'static str; 3],
}

/// How it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Switch,
    /// 0 is no limit where `limit`.
    Count {
        limit: bool,
    },
    Size {
        per_second: bool,
        optional: bool,
    },
}

const ANY: u64 = u32::MAX as u64;
const MOST_BYTES: u64 = 1 << 50;
const SIZE: Kind = Kind::Size { per_second: false, optional: false };
const RESERVE: Kind = Kind::Size { per_second: false, optional: true };
const RATE: Kind = Kind::Size { per_second: true, optional: false };
const LIMIT: Kind = Kind::Count { limit: true };
const COUNT: Kind = Kind::Count { limit: false };

macro_rules! setting {
    ($name:ident, $kind:expr, $low:literal..=$high:expr, $set:expr, $help:ident, $unit:expr) => {
        Setting {
            name: stringify!($name),
            kind: $kind,
            low: $low,
            high: $high,
            get: |settings| settings.$name.map(u64::from),
            set: |settings, value| settings.$name = Some($set(value)),
            words: |words| [words.$name, words.$help, $unit(words)],
        }
    };
}

/// In the order of the page: uploads, moves, space.
static UPLOADS: [Setting; 5] = [
    setting!(direct_upload_enabled, Kind::Switch, 0..=1, is_on, direct_upload_enabled_help, no_unit),
    setting!(public_uploads, Kind::Switch, 0..=1, is_on, public_uploads_help, no_unit),
    setting!(upload_max_bytes, SIZE, 1..=1 << 40, u64::from, upload_max_bytes_help, no_unit),
    setting!(upload_rate_limit_per_ip, LIMIT, 0..=ANY, small, per_ip_help, |words: &Settings| words.per_minute),
    setting!(upload_rate_limit_per_user, LIMIT, 0..=ANY, small, per_user_help, |words: &Settings| words.per_minute),
];
static MOVES: [Setting; 3] = [
    setting!(replication_require_checksum, Kind::Switch, 0..=1, is_on, replication_require_checksum_help, no_unit),
    setting!(move_bandwidth_per_node, RATE, 0..=MOST_BYTES, u64::from, move_bandwidth_per_node_help, no_unit),
    setting!(move_slots_per_node, COUNT, 1..=64, small, move_slots_per_node_help, |words: &Settings| words.at_a_time),
];
static SPACE: [Setting; 2] = [
    setting!(trash_hours, COUNT, 0..=87_600, small, trash_hours_help, |words: &Settings| words.hours),
    setting!(reserve_bytes, RESERVE, 0..=MOST_BYTES, u64::from, reserve_bytes_help, no_unit),
];

const fn is_on(value: u64) -> bool {
    value != 0
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

const fn no_unit(_: &Settings) -> &'static str {
    ""
}

/// A setting on the page: what stands in its field.
pub(crate) struct Line {
    pub(crate) setting: &'static Setting,
    pub(crate) label: &'static str,
    /// What may be typed stands in it, where that is said at all.
    pub(crate) help: String,
    pub(crate) unit_label: String,
    /// Number, or text that should have been one.
    pub(crate) typed: String,
    /// Unit beside the number: a word, or the choice of a size.
    pub(crate) unit: &'static str,
    pub(crate) is_on: bool,
    /// The value that was shown when typing began; empty: absent.
    pub(crate) was: String,
    pub(crate) fault: String,
}

/// A part of the page.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<Line>,
}

impl Line {
    pub(crate) fn is_switch(&self) -> bool {
        self.setting.kind == Kind::Switch
    }

    /// The choice of units, for a size.
    pub(crate) fn units(&self) -> &'static [(&'static str, u64)] {
        if matches!(self.setting.kind, Kind::Size { .. }) { &amount::UNITS } else { &[] }
    }

    pub(crate) fn per_second(&self) -> &'static str {
        if matches!(self.setting.kind, Kind::Size { per_second: true, .. }) { "/s" } else { "" }
    }

    fn new(v: &View, setting: &'static Setting) -> Self {
        let w = &v.w.settings;
        let [label, help, unit] = (setting.words)(w);
        let unit_label = fill(w.unit, &[("name", label)]);
        let (typed, is_on, was, fault) = (String::new(), false, String::new(), String::new());
        let mut line = Self { setting, label, help: help.to_owned(), unit_label, typed, unit, is_on, was, fault };
        if line.has_range() {
            let [low, high] = line.range(v);
            line.help = format!("{} {help}", fill(w.range, &[("low", &low), ("high", &high)])).trim_end().to_owned();
        }
        line
    }

    fn show(&mut self, value: Option<u64>) {
        self.was = value.map(|value| value.to_string()).unwrap_or_default();
        match (self.setting.kind, value) {
            (Kind::Switch, _) => self.is_on = value == Some(1),
            (Kind::Count { .. }, _) => self.typed.clone_from(&self.was),
            (Kind::Size { .. }, None) => self.unit = "GiB",
            (Kind::Size { .. }, Some(value)) => (self.typed, self.unit) = amount::typed(value),
        }
    }

    /// In the unit that was chosen before, where the value is a number of it.
    fn keep_unit(&mut self, chosen: &str, value: Option<u64>) {
        let known = amount::UNITS.iter().map(|(name, _)| *name).find(|name| *name == chosen);
        let Some(unit) = known.filter(|_| !self.units().is_empty()) else { return };
        match value.map(|value| amount::typed_in(value, unit)) {
            Some(Some(typed)) => (self.typed, self.unit) = (typed, unit),
            Some(None) => {}
            None => self.unit = unit,
        }
    }

    /// Whether the help says what may be typed: then the fault need not say it again.
    const fn has_range(&self) -> bool {
        self.setting.high < ANY && !matches!(self.setting.kind, Kind::Switch)
            || matches!(self.setting.kind, Kind::Size { .. }) && self.setting.high < MOST_BYTES
    }

    /// What may be typed.
    fn range(&self, v: &View) -> [String; 2] {
        let is_size = !self.units().is_empty();
        [self.setting.low, self.setting.high]
            .map(|value| if is_size { v.show.limit(value).short + self.per_second() } else { v.show.count(value) })
    }

    /// What came back from the browser, as it was typed.
    fn take(&mut self, fields: &Fields) {
        self.is_on = fields.has(self.setting.name);
        fields.text(self.setting.name).clone_into(&mut self.typed);
        fields.text(&format!("was.{}", self.setting.name)).clone_into(&mut self.was);
        if !self.units().is_empty() {
            let unit = fields.text(&format!("unit.{}", self.setting.name)).to_owned();
            self.unit = amount::UNITS.iter().map(|(name, _)| *name).find(|name| *name == unit).unwrap_or("");
        }
    }

    fn value(&self) -> Result<Option<u64>, Wrong> {
        let value = match self.setting.kind {
            Kind::Switch => u64::from(self.is_on),
            Kind::Count { .. } => amount::count(&self.typed)?,
            Kind::Size { optional: true, .. } if self.typed.is_empty() => return Ok(None),
            Kind::Size { .. } => amount::bytes(&self.typed, self.unit)?,
        };
        let fits = (self.setting.low..=self.setting.high).contains(&value);
        if fits { Ok(Some(value)) } else { Err(Wrong::TooMuch) }
    }

    fn say(&self, v: &View, wrong: Wrong) -> String {
        let w = &v.w.settings;
        let is_size = !self.units().is_empty();
        match wrong {
            Wrong::Missing => w.missing.to_owned(),
            Wrong::NoNumber => if is_size { w.no_size } else { w.no_count }.to_owned(),
            Wrong::NoUnit => w.no_unit.to_owned(),
            Wrong::TooMuch if self.has_range() => w.not_in_range.to_owned(),
            Wrong::TooMuch => {
                let [low, high] = self.range(v);
                fill(w.outside, &[("low", &low), ("high", &high)])
            }
        }
    }

    /// The value as people say it.
    fn in_words(&self, v: &View, value: Option<u64>) -> String {
        let w = &v.w.settings;
        match (self.setting.kind, value) {
            (Kind::Switch, _) => if value == Some(1) { w.on } else { w.off }.to_owned(),
            (Kind::Size { .. }, None) => w.automatic.to_owned(),
            (_, None) => String::new(),
            (Kind::Count { limit: true } | Kind::Size { per_second: true, .. }, Some(0)) => w.no_limit.to_owned(),
            (Kind::Count { .. }, Some(value)) => v.show.count(value),
            (Kind::Size { .. }, Some(value)) => v.show.limit(value).short + self.per_second(),
        }
    }
}

/// The form that shows these settings.
/// `units`: what was chosen for a size the last time, as [`units`] writes it.
pub(crate) fn shown(v: &View, settings: &v1::Settings, units: &str) -> Vec<Section> {
    sections(v, |line| {
        let value = (line.setting.get)(settings);
        line.show(value);
        let mut chosen = units.split('~').filter_map(|one| one.split_once('.'));
        if let Some((_, unit)) = chosen.find(|(name, _)| *name == line.setting.name) {
            line.keep_unit(unit, value);
        }
    })
}

/// `upload_max_bytes.MB~reserve_bytes.GiB`: the units that were chosen, for the address of the page that comes next.
pub(crate) fn units(form: &[Section]) -> String {
    let lines = form.iter().flat_map(|section| &section.lines).filter(|line| !line.units().is_empty());
    lines.map(|line| format!("{}.{}", line.setting.name, line.unit)).collect::<Vec<_>>().join("~")
}

/// The form with what was typed.
pub(crate) fn typed(v: &View, fields: &Fields) -> Vec<Section> {
    sections(v, |line| line.take(fields))
}

fn sections(v: &View, mut each: impl FnMut(&mut Line)) -> Vec<Section> {
    let w = &v.w.settings;
    let parts: [(&'static str, &'static [Setting]); 3] = [(w.uploads, &UPLOADS), (w.moves, &MOVES), (w.space, &SPACE)];
    let mut line = |setting| {
        let mut line = Line::new(v, setting);
        each(&mut line);
        line
    };
    parts.map(|(title, settings)| Section { title, lines: settings.iter().map(&mut line).collect() }).into()
}

/// What is to be changed: only what the person changed, so that two people can work on different settings at a time.
pub(crate) struct Change {
    pub(crate) settings: v1::Settings,
    /// `Größte Datei: 1 GiB`, each.
    pub(crate) said: Vec<String>,
}

/// Looks at what was typed, against what holds `now`. Faults stand at their lines afterwards.
pub(crate) fn change(v: &View, form: &mut [Section], fields: &Fields, now: &v1::Settings) -> Change {
    let (mut settings, mut said) = (v1::Settings::default(), Vec::new());
    for line in form.iter_mut().flat_map(|section| &mut section.lines) {
        let present = (line.setting.get)(now);
        let value = match line.value() {
            Ok(value) => value,
            Err(wrong) => {
                line.fault = line.say(v, wrong);
                continue;
            }
        };
        let was = if fields.has(&format!("was.{}", line.setting.name)) { line.was.parse().ok() } else { present };
        if value == was || value == present {
            continue;
        }
        if present != was {
            line.was = present.map(|value| value.to_string()).unwrap_or_default();
            line.fault = fill(v.w.settings.stale, &[("now", &line.in_words(v, present))]);
            continue;
        }
        match value {
            Some(value) => (line.setting.set)(&mut settings, value),
            // The reserve alone can be absent.
            None => settings.reserve_automatic = Some(true),
        }
        said.push(format!("{}: {}", line.label, line.in_words(v, value)));
    }
    Change { settings, said }
}

/// The lines that are not right.
pub(crate) fn faults(form: &[Section]) -> Vec<&Line> {
    form.iter().flat_map(|section| &section.lines).filter(|line| !line.fault.is_empty()).collect()
}

/// The service's `name: why` at the line that it names; `false` where it names none.
pub(crate) fn refused(form: &mut [Section], message: &str) -> bool {
    let Some((name, why)) = message.split_once(": ") else { return false };
    let line = form.iter_mut().flat_map(|section| &mut section.lines).find(|line| line.setting.name == name);
    if let Some(line) = line {
        why.clone_into(&mut line.fault);
        return true;
    }
    false
}
