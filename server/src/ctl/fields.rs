//! `field=value` on the command line: fields of a message by their names in the proto, and messages shown field by field.

use prost::Name;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage as _, Value};

use super::{Trouble, json, show, table, terminal::Out};

/// Fields that are bytes: shown and taken as sizes.
const SIZES: &[&str] = &[
    "max_size",
    "used_size",
    "filesystem_free",
    "filesystem_total",
    "trash_size",
    "unowned_size",
    "reserved_size",
    "size",
    "bytes_done",
    "bytes_total",
    "upload_max_bytes",
    "move_bandwidth_per_node",
    "reserve_bytes",
];

/// Source: docs/configuration.md, "Settings".
const MAX_TRASH_HOURS: i64 = 87_600;

/// `message` with the given fields, and their names.
///
/// # Errors
/// A word that is no `field=value`, a field that there is not or that can't be set, a value of another kind.
pub(super) fn assigned<M: Name + Default>(
    message: &M,
    settable: &[&str],
    words: &[String],
) -> Result<(M, Vec<String>), Trouble> {
    let (mut dynamic, mut names) = (json::dynamic(message), Vec::new());
    for word in words {
        let (name, text) = word.split_once('=').ok_or_else(|| {
            Trouble::Usage(format!("`{word}` is not field=value; the fields are {}", settable.join(", ")))
        })?;
        let known = settable.contains(&name).then(|| dynamic.descriptor().get_field_by_name(name)).flatten();
        let field = known.ok_or_else(|| Trouble::Usage(unknown(name, settable)))?;
        let value = value(&field, text)
            .ok_or_else(|| Trouble::Usage(format!("{name}: `{text}` is not {}", expected(&field))))?;
        if names.iter().any(|there| there == name) {
            return Err(Trouble::Usage(format!("{name}: is given twice")));
        }
        dynamic.set_field(&field, value);
        names.push(name.to_owned());
    }
    let message =
        dynamic.transcode_to().map_err(|error| Trouble::Failed(format!("could not make the request: {error}")))?;
    Ok((message, names))
}

fn unknown(name: &str, settable: &[&str]) -> String {
    let nearest = settable.iter().min_by_key(|known| strsim::osa_distance(known, name));
    let nearest = nearest.filter(|known| strsim::osa_distance(known, name) <= 3);
    let meant = nearest.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    format!("no field `{name}` that can be set{meant}\nThe fields are {}", settable.join(", "))
}

fn value(field: &FieldDescriptor, text: &str) -> Option<Value> {
    Some(match field.kind() {
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Value::Bool(true),
            "0" | "false" | "no" | "off" => Value::Bool(false),
            _ => return None,
        },
        Kind::Uint64 if SIZES.contains(&field.name()) => Value::U64(show::parse_size(text).ok()?),
        Kind::Uint64 => Value::U64(text.parse().ok()?),
        Kind::Uint32 => Value::U32(text.parse().ok()?),
        Kind::Int32 => Value::I32(text.parse().ok()?),
        Kind::String => Value::String(text.to_owned()),
        _ => return None,
    })
}

fn expected(field: &FieldDescriptor) -> String {
    let between = |least: i64, most: i64| format!("a whole number from {least} to {most}");
    match (field.kind(), field.name()) {
        (Kind::Bool, _) => "true or false".to_owned(),
        (Kind::Uint64, name) if SIZES.contains(&name) => "a size, for instance 512MiB or 2GB".to_owned(),
        (_, "trash_hours") => between(0, MAX_TRASH_HOURS),
        (Kind::Int32, _) => between(i32::MIN.into(), i32::MAX.into()),
        (Kind::Uint32, _) => between(0, u32::MAX.into()),
        _ => "a whole number, 0 or more".to_owned(),
    }
}

/// Every field below one another, by its name in the proto.
pub(super) fn print<M: Name>(out: &mut Out, message: &M) -> Result<(), Trouble> {
    let dynamic = json::dynamic(message);
    let fields: Vec<FieldDescriptor> = dynamic.descriptor().fields().collect();
    let mut pairs = Vec::new();
    for field in &fields {
        let lists_messages = field.is_list() && matches!(field.kind(), Kind::Message(_));
        if !lists_messages {
            pairs.push((field.name(), shown(&dynamic, field)));
        }
    }
    table::pairs(out, &pairs)
}

fn shown(message: &DynamicMessage, field: &FieldDescriptor) -> String {
    if field.supports_presence() && !message.has_field(field) {
        return "-".into();
    }
    match &*message.get_field(field) {
        Value::U64(size) if SIZES.contains(&field.name()) && *size >= 1000 => {
            format!("{} ({size})", show::chosen(*size))
        }
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(it) => it.to_string(),
        Value::I32(it) => it.to_string(),
        Value::I64(it) => it.to_string(),
        Value::U32(it) => it.to_string(),
        Value::U64(it) => it.to_string(),
        Value::F32(it) => it.to_string(),
        Value::F64(it) => format!("{it:.3}"),
        Value::String(it) => it.clone(),
        Value::Bytes(it) => it.iter().map(|byte| format!("{byte:02x}")).collect(),
        Value::EnumNumber(it) => it.to_string(),
        Value::List(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Map(_) => String::new(),
        Value::Message(it) => {
            let time = it.transcode_to::<prost_types::Timestamp>().ok();
            time.filter(|_| it.descriptor().full_name() == "google.protobuf.Timestamp")
                .map_or_else(String::new, |at| show::time(Some(&at)))
        }
    }
}

#[cfg(test)]
mod tests {
    use pixelfox_proto::v1::Settings;

    use super::*;

    fn set(words: &[&str]) -> Result<(Settings, Vec<String>), Trouble> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let settable = ["trash_hours", "upload_max_bytes", "public_uploads", "move_slots_per_node"];
        assigned(&Settings::default(), &settable, &words)
    }

    #[test]
    fn fields_are_set_by_their_names_and_only_those() {
        let (settings, names) = set(&["trash_hours=0", "upload_max_bytes=512MiB", "public_uploads=no"]).unwrap();
        let want = Settings {
            trash_hours: Some(0),
            upload_max_bytes: Some(512 << 20),
            public_uploads: Some(false),
            ..Settings::default()
        };
        assert_eq!((settings, names.join(" ").as_str()), (want, "trash_hours upload_max_bytes public_uploads"));
    }

    #[test]
    fn what_can_not_be_set_is_named_with_what_was_meant() {
        for (word, want) in [
            ("trash_hour=1", "no field `trash_hour` that can be set; did you mean trash_hours?"),
            ("strip_location=1", "no field `strip_location` that can be set\n"),
            ("trash_hours", "`trash_hours` is not field=value"),
            ("trash_hours=many", "trash_hours: `many` is not a whole number"),
            ("trash_hours=-1", "trash_hours: `-1` is not a whole number from 0 to 87600"),
            ("move_slots_per_node=-1", "`-1` is not a whole number from 0 to 4294967295"),
            ("upload_max_bytes=5 apples", "upload_max_bytes: `5 apples` is not a size"),
            ("public_uploads=maybe", "public_uploads: `maybe` is not true or false"),
        ] {
            let trouble = set(&[word]).unwrap_err();
            assert!(trouble.to_string().contains(want), "{word}: {trouble}");
        }
        assert!(set(&["trash_hours=1", "trash_hours=2"]).unwrap_err().to_string().contains("given twice"));
    }
}
