//! indent and truncate, which work on anything that behaves as a text does.

use super::arguments::{bind, repeated};
use super::words::lines;
use crate::access::{self, undefined_error};
use crate::error::{Error, Kind, Result};
use crate::operations::{binary, compare, truth, Binary, Comparison};
use crate::repr::repr;
use crate::runtime::Runtime;
use crate::value::{Args, Value};

pub fn indent(rt: &Runtime, args: Args) -> Result<Value> {
    let ([text], [width, first, blank]) = bind("do_indent", ["s"], ["width", "first", "blank"], args)?;
    let markup = matches!(text, Value::Markup(_));
    let same_kind = |text: &str| if markup { Value::Markup(text.into()) } else { Value::str(text) };
    let width = width.unwrap_or(Value::Int(4));
    let indention = match &width {
        Value::Markup(_) => width,
        Value::Str(text) => same_kind(text),
        count => same_kind(&repeated(rt, " ", count)?),
    };
    let newline = same_kind("\n");
    let text = binary(rt, Binary::Add, &text, &newline)?;
    let Some(whole) = text.as_str() else {
        return Err(no_method(&text, "splitlines"));
    };
    let lines: Vec<Value> = lines(whole).into_iter().map(same_kind).collect();
    let add = |left: &Value, right: &Value| binary(rt, Binary::Add, left, right);
    let set = |flag: Option<Value>| flag.is_some_and(|flag| truth(&flag));
    let mut out = if set(blank) {
        join(rt, &add(&newline, &indention)?, lines)?
    } else {
        indented(rt, &newline, &indention, lines)?
    };
    if set(first) {
        out = add(&indention, &out)?;
    }
    Ok(out)
}

/// The first line as it is, and each other that is not blank with the indention before it.
fn indented(rt: &Runtime, newline: &Value, indention: &Value, lines: Vec<Value>) -> Result<Value> {
    let mut lines = lines.into_iter();
    let first = lines.next().unwrap_or_else(|| Value::str(""));
    let rest =
        lines.map(|line| if truth(&line) { binary(rt, Binary::Add, indention, &line) } else { Ok(line) });
    let rest = rest.collect::<Result<Vec<_>>>()?;
    if rest.is_empty() {
        return Ok(first);
    }
    let rest = binary(rt, Binary::Add, newline, &join(rt, newline, rest)?)?;
    binary(rt, Binary::Add, &first, &rest)
}

/// separator.join(items)
pub fn join(rt: &Runtime, separator: &Value, items: Vec<Value>) -> Result<Value> {
    let args = Args { positional: vec![Value::list(items)], named: Vec::new() };
    access::call_method(rt, separator, "join", args)
}

pub fn no_method(value: &Value, name: &str) -> Error {
    match value {
        Value::Undefined(message) => undefined_error(message),
        _ => {
            let what = format!("'{}' object has no attribute '{name}'", value.type_name());
            Error::new(Kind::Attribute, what)
        }
    }
}

/// What jinja2's policies have for truncate.leeway.
const LEEWAY: i64 = 5;

pub fn truncate(rt: &Runtime, args: Args) -> Result<Value> {
    let optional = ["length", "killwords", "end", "leeway"];
    let ([text], [length, kill, end, leeway]) = bind("do_truncate", ["s"], optional, args)?;
    let length = length.unwrap_or(Value::Int(255));
    let end = end.unwrap_or_else(|| Value::str("..."));
    let leeway = leeway.filter(|leeway| !leeway.is_none()).unwrap_or(Value::Int(LEEWAY));
    let end_length = Value::Int(access::length(rt, &end)? as i64);
    at_least(rt, "length", &length, &end_length)?;
    at_least(rt, "leeway", &leeway, &Value::Int(0))?;
    let have = Value::Int(access::length(rt, &text)? as i64);
    if compare(rt, Comparison::Le, &have, &binary(rt, Binary::Add, &length, &leeway)?)? {
        return Ok(text);
    }
    let stop = binary(rt, Binary::Sub, &length, &end_length)?;
    let mut kept = access::slice(rt, &text, &Value::None, &stop, &Value::None)?;
    if !kill.is_some_and(|flag| truth(&flag)) {
        kept = match kept {
            Value::Str(text) => Value::str(without_last_word(&text)),
            Value::Markup(text) => Value::Markup(without_last_word(&text).into()),
            other => return Err(no_method(&other, "rsplit")),
        };
    }
    binary(rt, Binary::Add, &kept, &end)
}

/// text.rsplit(" ", 1)[0]
fn without_last_word(text: &str) -> &str {
    text.rsplit_once(' ').map_or(text, |(words, _)| words)
}

fn at_least(rt: &Runtime, what: &str, value: &Value, least: &Value) -> Result<()> {
    if compare(rt, Comparison::Ge, value, least)? {
        return Ok(());
    }
    let what = format!("expected {what} >= {}, got {}", repr(rt, least)?, repr(rt, value)?);
    Err(Error::new(Kind::Other, what))
}
