//! markupsafe.Markup: a str that escapes what is joined to it.

use super::arguments::{named, nothing, one};
use super::{text, unicode};
use crate::error::{type_error, unsupported, Result};
use crate::format::{self, Style};
use crate::operations::claim;
use crate::repr::str_of;
use crate::{access, runtime::Runtime, value::Args, value::Value};
use std::borrow::Cow;
use std::sync::Arc;

/// markupsafe.escape of a text.
pub fn escape(text: &str) -> Cow<'_, str> {
    let special = |c: char| matches!(c, '&' | '<' | '>' | '\'' | '"');
    if !text.contains(special) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// markupsafe.escape: Markup is left as it is.
pub fn escape_value(rt: &Runtime, value: &Value) -> Result<Arc<str>> {
    Ok(match value {
        Value::Markup(text) => text.clone(),
        other => escape(&str_of(rt, other)?).into(),
    })
}

pub fn call(rt: &Runtime, text: &Arc<str>, name: &str, mut args: Args) -> Option<Result<Value>> {
    let result = match name {
        "escape" => one("Markup.escape", &args).and_then(|value| escape_value(rt, value)).map(Value::Markup),
        "unescape" => nothing("Markup.unescape", &args).and_then(|()| unescape(text)).map(Value::str),
        "striptags" => nothing("Markup.striptags", &args).and_then(|()| strip_tags(text)).map(Value::str),
        "join" => join(rt, text, &args),
        "format" => format::format_markup(rt, text, &args),
        "format_map" => text::format_map_argument(&args)
            .and_then(|mapping| format::format_map(rt, text, mapping, Style::Markup))
            .map(|text| Value::Markup(text.into())),
        "removesuffix" => remove_suffix(text, &args),
        "replace" | "ljust" | "rjust" | "center" => {
            if let Err(error) = escape_second(rt, &mut args) {
                return Some(Err(error));
            }
            text::call(rt, text, name, &args)?
        }
        _ => text::call(rt, text, name, &args)?,
    };
    Some(if keeps_str(name) { result } else { result.map(wrap) })
}

/// The methods that Markup has from str as they are.
fn keeps_str(name: &str) -> bool {
    name.starts_with("is")
        || matches!(
            name,
            "count" | "encode" | "endswith" | "find" | "index" | "maketrans" | "rfind" | "rindex"
        )
        || matches!(name, "startswith" | "unescape" | "striptags")
}

/// Texts as Markup, those in lists and tuples too.
fn wrap(value: Value) -> Value {
    let each = |items: &[Value]| items.iter().cloned().map(wrap).collect();
    match value {
        Value::Str(text) => Value::Markup(text),
        Value::List(items) => Value::list(each(&items)),
        Value::Tuple(items) => Value::tuple(each(&items)),
        other => other,
    }
}

fn escape_second(rt: &Runtime, args: &mut Args) -> Result<()> {
    if let Some(argument) = args.positional.get_mut(1) {
        *argument = Value::Markup(escape_value(rt, argument)?);
    }
    Ok(())
}

fn remove_suffix(text: &Arc<str>, args: &Args) -> Result<Value> {
    let [suffix] = named("Markup.removesuffix", args, ["suffix"])?;
    match suffix.map(|suffix| (suffix.as_str(), suffix)) {
        Some((Some(suffix), _)) => Ok(text::part(text, text.strip_suffix(suffix).unwrap_or(text))),
        Some((None, other)) => {
            type_error(format!("removesuffix() argument must be str, not {}", other.type_name()))
        }
        None => type_error("Markup.removesuffix() missing 1 required positional argument: 'suffix'"),
    }
}

fn join(rt: &Runtime, text: &str, args: &Args) -> Result<Value> {
    let mut out = String::new();
    for (at, item) in access::collect(rt, one("Markup.join", args)?)?.iter().enumerate() {
        if at > 0 {
            out.push_str(text);
        }
        out.push_str(&escape_value(rt, item)?);
    }
    claim(rt, out.len())?;
    Ok(Value::str(out))
}

/// Markup(text).striptags()
pub fn strip_tags(text: &str) -> Result<String> {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find('<') {
        let tag = &rest[start..];
        let end = match tag.starts_with("<!--") {
            true => tag[4..].find("-->").map(|at| at + 7),
            false => tag.find('>').map(|at| at + 1),
        };
        let Some(end) = end else { break };
        kept.push_str(&rest[..start]);
        rest = &tag[end..];
    }
    kept.push_str(rest);
    let words: Vec<&str> = kept.split(unicode::is_space).filter(|word| !word.is_empty()).collect();
    unescape(&words.join(" "))
}

/// html.unescape(text), which knows the numbers and a few of the names; others are refused.
pub fn unescape(text: &str) -> Result<String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        rest = match rest.strip_prefix('#') {
            Some(number) => character_number(&mut out, rest, number)?,
            None => entity(&mut out, rest)?,
        };
    }
    out.push_str(rest);
    Ok(out)
}

/// Reads a number behind `&#`, and gives back what follows.
fn character_number<'t>(out: &mut String, rest: &'t str, number: &'t str) -> Result<&'t str> {
    let (base, digits) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits),
        None => (10, number),
    };
    let length = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    if length == 0 {
        out.push('&');
        return Ok(rest);
    }
    push_number(out, u32::from_str_radix(&digits[..length], base).unwrap_or(u32::MAX))?;
    let after = &digits[length..];
    Ok(after.strip_prefix(';').unwrap_or(after))
}

fn push_number(out: &mut String, code: u32) -> Result<()> {
    match code {
        0 | 0xd800..=0xdfff | 0x110000.. => out.push('\u{fffd}'),
        0x0d => out.push('\r'),
        0x80..=0x9f => return unsupported("the template unescapes a control character"),
        0x01..=0x08 | 0x0b | 0x0e..=0x1f | 0x7f | 0xfdd0..=0xfdef => {}
        _ if code & 0xfffe == 0xfffe => {}
        _ => out.extend(char::from_u32(code)),
    }
    Ok(())
}

const NAMES: [(&str, &str); 8] = [
    ("amp;", "&"),
    ("lt;", "<"),
    ("gt;", ">"),
    ("quot;", "\""),
    ("apos;", "'"),
    ("nbsp;", "\u{a0}"),
    ("copy;", "\u{a9}"),
    ("raquo;", "\u{bb}"),
];

/// Reads a name behind `&`, and gives back what follows.
fn entity<'t>(out: &mut String, rest: &'t str) -> Result<&'t str> {
    for (name, character) in NAMES {
        if let Some(after) = rest.strip_prefix(name) {
            out.push_str(character);
            return Ok(after);
        }
    }
    // No name has one letter only.
    let name = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    if name > 1 {
        return unsupported("the template unescapes an entity of HTML that is not known here");
    }
    out.push('&');
    Ok(rest)
}
