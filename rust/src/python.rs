//! Formats values as Python does: what `{{ value }}` prints in jinja2, and `tojson` in
//! transformers.

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// str(value): text unchanged, everything else as repr().
pub fn str_of(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.to_string(),
        _ => repr(value),
    }
}

fn repr(value: &Value) -> String {
    match value.kind() {
        ValueKind::None => "None".into(),
        ValueKind::Undefined => "Undefined".into(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.into(),
        ValueKind::Number => number(value),
        ValueKind::String => quoted(value.as_str().unwrap_or_default()),
        ValueKind::Map => {
            let items = entries(value).map(|(k, v)| format!("{}: {}", repr(&k), repr(&v)));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = elements(value).map(|v| repr(&v));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        _ => value.to_string(),
    }
}

fn elements(value: &Value) -> impl Iterator<Item = Value> {
    value.try_iter().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (Value, Value)> + '_ {
    elements(value).map(|key| {
        let item = value.get_item(&key).unwrap_or_default();
        (key, item)
    })
}

/// Quotes text as Python does: with single quotes, unless it holds single and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float)
}

/// repr() of a Python float: the shortest digits that identify it, with an exponent below 1e-4 and
/// from 1e16 on.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.into();
    }
    let size = number.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(rest) => ('-', rest),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    let text = number.to_string();
    if text.contains('.') { text } else { text + ".0" }
}

struct Style {
    indent: Option<usize>,
    item: String,
    key: String,
    ascii: bool,
    sorted: bool,
}

/// transformers' `tojson`: json.dumps with ensure_ascii=False and no escaping for HTML.
pub fn tojson(value: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<Value> = kwargs.get("indent")?;
    let indent = match indent.filter(|v| !v.is_none()) {
        Some(v) => Some(usize::try_from(v)?),
        None => None,
    };
    let separators: Option<Vec<String>> = kwargs.get("separators")?;
    let mut style = Style {
        indent,
        item: if indent.is_some() { "," } else { ", " }.into(),
        key: ": ".into(),
        ascii: kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sorted: kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    if let Some([item, key]) = separators.as_deref() {
        (style.item, style.key) = (item.clone(), key.clone());
    }
    kwargs.assert_all_used()?;
    let mut out = String::new();
    write_json(&mut out, &value, &style, 0)?;
    Ok(Value::from(out))
}

fn write_json(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => out.push_str(&json_number(value)),
        ValueKind::String => json_string(out, value.as_str().unwrap_or_default(), style.ascii),
        ValueKind::Map => write_map(out, value, style, depth)?,
        ValueKind::Seq | ValueKind::Iterable => write_list(out, value, style, depth)?,
        kind => {
            let message = format!("Object of type {kind} is not JSON serializable");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    }
    Ok(())
}

fn json_number(value: &Value) -> String {
    match number(value).as_str() {
        "nan" => "NaN".into(),
        "inf" => "Infinity".into(),
        "-inf" => "-Infinity".into(),
        text => text.into(),
    }
}

fn write_list(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    let items: Vec<Value> = elements(value).collect();
    out.push('[');
    for (i, item) in items.iter().enumerate() {
        separate(out, style, i, depth + 1);
        write_json(out, item, style, depth + 1)?;
    }
    close(out, style, items.is_empty(), depth, ']');
    Ok(())
}

fn write_map(out: &mut String, value: &Value, style: &Style, depth: usize) -> Result<(), Error> {
    let mut items: Vec<(String, Value)> = entries(value).map(|(k, v)| (json_key(&k), v)).collect();
    if style.sorted {
        items.sort_by(|a, b| a.0.cmp(&b.0));
    }
    out.push('{');
    for (i, (key, item)) in items.iter().enumerate() {
        separate(out, style, i, depth + 1);
        json_string(out, key, style.ascii);
        out.push_str(&style.key);
        write_json(out, item, style, depth + 1)?;
    }
    close(out, style, items.is_empty(), depth, '}');
    Ok(())
}

fn json_key(key: &Value) -> String {
    match key.kind() {
        ValueKind::String => key.to_string(),
        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.into(),
        ValueKind::None => "null".into(),
        _ => json_number(key),
    }
}

fn separate(out: &mut String, style: &Style, number: usize, depth: usize) {
    if number > 0 {
        out.push_str(&style.item);
    }
    line(out, style, depth);
}

fn close(out: &mut String, style: &Style, empty: bool, depth: usize, bracket: char) {
    if !empty {
        line(out, style, depth);
    }
    out.push(bracket);
}

fn line(out: &mut String, style: &Style, depth: usize) {
    if let Some(width) = style.indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', width * depth));
    }
}

fn json_string(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || (ascii && !c.is_ascii()) => escape(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}
