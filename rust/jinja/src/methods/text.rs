//! The methods of str.

use super::arguments::{between, index, named, nothing, one};
use super::{case, search, split, translate, unicode};
use crate::error::{type_error, unsupported, Error, Kind, Result};
use crate::format;
use crate::operations::{claim, MAX_TEXT};
use crate::{access, runtime::Runtime, value::Args, value::Value};
use std::sync::Arc;

pub fn has(name: &str) -> bool {
    matches!(
        name,
        "capitalize"
            | "casefold"
            | "center"
            | "count"
            | "encode"
            | "endswith"
            | "expandtabs"
            | "find"
            | "format"
    ) || matches!(name, "format_map" | "index" | "isalnum" | "isalpha" | "isascii" | "isdecimal" | "isdigit")
        || matches!(name, "isidentifier" | "islower" | "isnumeric" | "isprintable" | "isspace" | "istitle")
        || matches!(name, "isupper" | "join" | "ljust" | "lower" | "lstrip" | "maketrans" | "partition")
        || matches!(name, "removeprefix" | "removesuffix" | "replace" | "rfind" | "rindex" | "rjust")
        || matches!(
            name,
            "rpartition" | "rsplit" | "rstrip" | "split" | "splitlines" | "startswith" | "strip"
        )
        || matches!(name, "swapcase" | "title" | "translate" | "upper" | "zfill")
}

pub fn call(rt: &Runtime, text: &Arc<str>, name: &str, args: &Args) -> Option<Result<Value>> {
    Some(match name {
        "strip" | "lstrip" | "rstrip" => strip(text, name, args),
        "split" => split::split(rt, text, args),
        "rsplit" => split::rsplit(rt, text, args),
        "splitlines" => split::lines(rt, text, args),
        "partition" => split::partition(text, args),
        "rpartition" => split::rpartition(text, args),
        "startswith" | "endswith" => search::affix(text, name, args).map(Value::Bool),
        "find" | "rfind" | "index" | "rindex" => search::find(text, name, args),
        "count" => search::count(rt, text, args),
        "replace" => search::replace(rt, text, args),
        "removeprefix" | "removesuffix" => search::remove_affix(text, name, args),
        "join" => join(rt, text, args),
        "format" => format::format(rt, text, args).map(Value::str),
        "format_map" => format_map_argument(args)
            .and_then(|mapping| format::format_map(rt, text, mapping, format::Style::Plain))
            .map(Value::str),
        "upper" => changed(text, name, args, case::upper),
        "lower" => changed(text, name, args, case::lower),
        "title" => changed(text, name, args, case::title),
        "capitalize" => changed(text, name, args, case::capitalize),
        "swapcase" => changed(text, name, args, case::swapcase),
        "casefold" => changed(text, name, args, case::casefold),
        "center" | "ljust" | "rjust" => justify(rt, text, name, args),
        "zfill" => zfill(rt, text, args),
        "expandtabs" => expandtabs(rt, text, args),
        "translate" => translate::translate(rt, text, args),
        "maketrans" => translate::maketrans(args),
        "encode" => unsupported("the template makes bytes"),
        _ => return is(text, name, args),
    })
}

fn changed(text: &str, name: &str, args: &Args, change: fn(&str) -> String) -> Result<Value> {
    nothing_of(name, args)?;
    Ok(Value::str(change(text)))
}

fn nothing_of(name: &str, args: &Args) -> Result<()> {
    match args.positional.is_empty() && args.named.is_empty() {
        true => Ok(()),
        false => nothing(&format!("str.{name}"), args),
    }
}

/// isalpha and its like: of every character, and of none in an empty text.
fn is(text: &str, name: &str, args: &Args) -> Option<Result<Value>> {
    let all = |test: fn(char) -> bool| !text.is_empty() && text.chars().all(test);
    let answer = match name {
        "isascii" => text.is_ascii(),
        "isprintable" => text.chars().all(unicode::is_printable),
        "isalpha" => all(unicode::is_alpha),
        "isdecimal" => all(unicode::is_decimal),
        "isdigit" => all(unicode::is_digit),
        "isnumeric" => all(unicode::is_numeric),
        "isspace" => all(unicode::is_space),
        "isalnum" => all(|c| unicode::is_alpha(c) || unicode::is_numeric(c)),
        "islower" => case::is_lower(text),
        "isupper" => case::is_upper(text),
        "istitle" => case::is_title(text),
        "isidentifier" if !text.is_ascii() => {
            return Some(unsupported("isidentifier() is only known for ASCII"));
        }
        "isidentifier" => {
            !text.starts_with(|c: char| c.is_ascii_digit()) && all(|c| c == '_' || c.is_ascii_alphanumeric())
        }
        _ => return None,
    };
    Some(nothing_of(name, args).map(|()| Value::Bool(answer)))
}

fn strip(text: &Arc<str>, name: &str, args: &Args) -> Result<Value> {
    let chars = match between(name, args, 0, 1)?.first() {
        None | Some(Value::None) => None,
        Some(Value::Str(chars) | Value::Markup(chars)) => Some(&**chars),
        Some(_) => return type_error(format!("{name} arg must be None or str")),
    };
    let unwanted = |c: char| chars.map_or_else(|| unicode::is_space(c), |chars| chars.contains(c));
    let mut rest = &**text;
    if name != "rstrip" {
        rest = rest.trim_start_matches(unwanted);
    }
    if name != "lstrip" {
        rest = rest.trim_end_matches(unwanted);
    }
    Ok(part(text, rest))
}

/// A part of a text, or the text itself where it is all of it.
pub fn part(text: &Arc<str>, part: &str) -> Value {
    match part.len() == text.len() {
        true => Value::Str(text.clone()),
        false => Value::str(part),
    }
}

fn join(rt: &Runtime, text: &str, args: &Args) -> Result<Value> {
    let items = one("str.join", args)?;
    if !access::is_iterable(items) {
        return type_error("can only join an iterable");
    }
    let items = access::collect(rt, items)?;
    if let [Value::Str(only)] = &items[..] {
        return Ok(Value::Str(only.clone()));
    }
    let mut out = String::new();
    for (at, item) in items.iter().enumerate() {
        let Some(item) = item.as_str() else {
            let found = item.type_name();
            return type_error(format!("sequence item {at}: expected str instance, {found} found"));
        };
        if at > 0 {
            out.push_str(text);
        }
        out.push_str(item);
        if out.len() > MAX_TEXT {
            break;
        }
    }
    claim(rt, out.len())?;
    Ok(Value::str(out))
}

pub fn format_map_argument(args: &Args) -> Result<&Value> {
    match &args.positional[..] {
        _ if !args.named.is_empty() => type_error("format_map() takes no keyword arguments"),
        [mapping] => Ok(mapping),
        other => type_error(format!("format_map() takes exactly one argument ({} given)", other.len())),
    }
}

fn padding(rt: &Runtime, text: &str, width: i64, unit: usize) -> Result<usize> {
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(text.chars().count());
    claim(rt, missing.saturating_mul(unit).saturating_add(text.len()))?;
    Ok(missing)
}

fn justify(rt: &Runtime, text: &Arc<str>, name: &str, args: &Args) -> Result<Value> {
    let args = between(name, args, 1, 2)?;
    let width = index(&args[0])?;
    let fill = match args.get(1) {
        None => ' ',
        Some(fill) => {
            let Some(fill) = fill.as_str() else {
                let found = fill.type_name();
                return type_error(format!("The fill character must be a unicode character, not {found}"));
            };
            let mut chars = fill.chars();
            match (chars.next(), chars.next()) {
                (Some(c), None) => c,
                _ => return type_error("The fill character must be exactly one character long"),
            }
        }
    };
    let missing = padding(rt, text, width, fill.len_utf8())?;
    if missing == 0 {
        return Ok(Value::Str(text.clone()));
    }
    let left = match name {
        "ljust" => 0,
        "rjust" => missing,
        // CPython puts the odd one to the left where the width is odd.
        _ => missing / 2 + (missing & width as usize & 1),
    };
    let fill = |count| std::iter::repeat_n(fill, count);
    Ok(Value::str(fill(left).chain(text.chars()).chain(fill(missing - left)).collect::<String>()))
}

fn zfill(rt: &Runtime, text: &Arc<str>, args: &Args) -> Result<Value> {
    let missing = padding(rt, text, index(one("str.zfill", args)?)?, 1)?;
    if missing == 0 {
        return Ok(Value::Str(text.clone()));
    }
    let (sign, digits) = text.split_at(text.starts_with(['+', '-']) as usize);
    Ok(Value::str([sign, &"0".repeat(missing), digits].concat()))
}

fn expandtabs(rt: &Runtime, text: &str, args: &Args) -> Result<Value> {
    let [size] = named("expandtabs", args, ["tabsize"])?;
    let size = match size.map_or(Ok(8), index)? {
        size if size > MAX_TEXT as i64 => return unsupported("the template makes a text that is too long"),
        size => size.max(0) as usize,
    };
    let (mut out, mut column) = (String::with_capacity(text.len()), 0);
    for c in text.chars() {
        match c {
            '\t' if size == 0 => {}
            '\t' => {
                let count = size - column % size;
                claim(rt, out.len() + count)?;
                out.extend(std::iter::repeat_n(' ', count));
                column += count;
            }
            _ => {
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
                out.push(c);
            }
        }
    }
    Ok(Value::str(out))
}

/// The truth of an argument that CPython takes as a C int.
pub fn flag(value: Option<&Value>) -> Result<bool> {
    let number = value.map_or(Ok(0), index)?;
    match i32::try_from(number) {
        Ok(number) => Ok(number != 0),
        Err(_) => Err(Error::new(Kind::Overflow, "Python int too large to convert to C int")),
    }
}
