//! The configuration file: TOML into keys and values, each with its line.

use super::{ConfigError, Key, Origin, Value, keys};
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Every key that the file sets, in its order.
pub(super) fn read(path: &Path) -> Result<Vec<(&'static Key, Value, Origin)>, ConfigError> {
    let unreadable = |error: String| ConfigError::Unreadable(path.to_owned(), error);
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| unreadable(error.to_string()))?;
    let origin = |span: Range<usize>| Origin::File(path.to_owned(), line_at(&text, span.start));
    let table = DeTable::parse(&text).map_err(|error| {
        let message = error.message().replace('\n', ", ");
        ConfigError::Syntax(origin(error.span().unwrap_or_default()), message)
    })?;

    let mut found = Vec::new();
    flatten("", table.get_ref(), &mut found);
    found.sort_by_key(|(_, key, _)| key.start);
    let mut values = Vec::new();
    for (name, key_span, value) in found {
        if let Some(key) = Key::find(&name) {
            values.push((key, value_of(value.get_ref()), origin(value.span())));
        } else if Key::is_section(&name) {
            let error = format!("expected a section [{name}]");
            return Err(ConfigError::BadValue(origin(key_span), name, error));
        } else {
            let known = known_beside(&name);
            return Err(ConfigError::UnknownKey(origin(key_span), name, known));
        }
    }
    Ok(values)
}

type Found<'t, 'i> = (String, Range<usize>, &'t Spanned<DeValue<'i>>);

/// Goes down into known sections; everything else is a value, right or wrong.
fn flatten<'t, 'i>(section: &str, table: &'t DeTable<'i>, found: &mut Vec<Found<'t, 'i>>) {
    for (key, value) in table {
        let dot = if section.is_empty() { "" } else { "." };
        let name = format!("{section}{dot}{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) if Key::is_section(&name) => flatten(&name, inner, found),
            _ => found.push((name, key.span(), value)),
        }
    }
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number out of all bounds"), Value::Number),
        DeValue::Boolean(on) => Value::Switch(*on),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(_) => Value::Other("a table"),
        DeValue::Array(items) => {
            let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            };
            let items: Option<Vec<String>> = items.iter().map(text).collect();
            items.map_or(Value::Other("an array with other things than strings"), Value::List)
        }
    }
}

/// The keys of the section that this name stands in, and the sections if it stands in none.
fn known_beside(name: &str) -> String {
    let section = name.rsplit_once('.').map(|(section, _)| section);
    let mut known: Vec<String> =
        keys().filter(|key| key.section() == section).map(|key| key.leaf().to_owned()).collect();
    if section.is_none() {
        known.extend(keys().filter_map(Key::section).map(|section| format!("[{section}]")));
        known.dedup();
    }
    known.join(", ")
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
