//! Methods of str that take it apart.

use super::arguments::{index, named, one};
use super::text::{flag, part};
use super::unicode::{is_line_break, is_space};
use crate::error::{type_error, value_error, Result};
use crate::{runtime::Runtime, value::Args, value::Value};
use std::sync::Arc;

/// The separator, None for whitespace, and the most splits.
fn separator<'a>(name: &str, args: &'a Args) -> Result<(Option<&'a str>, usize)> {
    let [separator, most] = named(name, args, ["sep", "maxsplit"])?;
    let most = match most.map_or(Ok(-1), index)? {
        most if most < 0 => usize::MAX,
        most => most as usize,
    };
    match separator {
        None | Some(Value::None) => Ok((None, most)),
        Some(Value::Str(text) | Value::Markup(text)) if text.is_empty() => value_error("empty separator"),
        Some(Value::Str(text) | Value::Markup(text)) => Ok((Some(text), most)),
        Some(other) => type_error(format!("must be str or None, not {}", other.type_name())),
    }
}

fn list(rt: &Runtime, text: &Arc<str>, parts: Vec<&str>) -> Result<Value> {
    rt.step(text.len() as u64 / 64 + parts.len() as u64 / 4)?;
    Ok(Value::list(parts.into_iter().map(|piece| part(text, piece)).collect()))
}

pub fn split(rt: &Runtime, text: &Arc<str>, args: &Args) -> Result<Value> {
    let (separator, most) = separator("split", args)?;
    let parts = match separator {
        Some(separator) => text.splitn(most.saturating_add(1), separator).collect(),
        None => words(text, most),
    };
    list(rt, text, parts)
}

fn words(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        let end = rest.find(is_space).unwrap_or(rest.len());
        parts.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_space);
    }
    parts
}

pub fn rsplit(rt: &Runtime, text: &Arc<str>, args: &Args) -> Result<Value> {
    let (separator, most) = separator("rsplit", args)?;
    let mut parts = match separator {
        Some(separator) => text.rsplitn(most.saturating_add(1), separator).collect(),
        None => last_words(text, most),
    };
    parts.reverse();
    list(rt, text, parts)
}

fn last_words(text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text.trim_end_matches(is_space);
    while !rest.is_empty() {
        if parts.len() == most {
            parts.push(rest);
            break;
        }
        let word = rest.rsplit(is_space).next().unwrap_or(rest);
        parts.push(word);
        rest = rest[..rest.len() - word.len()].trim_end_matches(is_space);
    }
    parts
}

pub fn lines(rt: &Runtime, text: &Arc<str>, args: &Args) -> Result<Value> {
    let [keep] = named("splitlines", args, ["keepends"])?;
    let keep = flag(keep)?;
    let (mut parts, mut rest) = (Vec::new(), &**text);
    while !rest.is_empty() {
        let end = rest.find(is_line_break).unwrap_or(rest.len());
        let mut broken = rest[end..].chars();
        let length = match (broken.next(), broken.next()) {
            (Some('\r'), Some('\n')) => 2,
            (Some(c), _) => c.len_utf8(),
            (None, _) => 0,
        };
        parts.push(&rest[..end + if keep { length } else { 0 }]);
        rest = &rest[end + length..];
    }
    list(rt, text, parts)
}

fn part_separator<'a>(name: &str, args: &'a Args) -> Result<&'a str> {
    let separator = one(name, args)?;
    match separator.as_str() {
        Some("") => value_error("empty separator"),
        Some(text) => Ok(text),
        None => type_error(format!("must be str, not {}", separator.type_name())),
    }
}

fn triple(first: Value, middle: Value, last: Value) -> Result<Value> {
    Ok(Value::tuple(vec![first, middle, last]))
}

pub fn partition(text: &Arc<str>, args: &Args) -> Result<Value> {
    let separator = part_separator("str.partition", args)?;
    match text.split_once(separator) {
        Some((left, right)) => triple(Value::str(left), Value::str(separator), Value::str(right)),
        None => triple(Value::Str(text.clone()), Value::str(""), Value::str("")),
    }
}

pub fn rpartition(text: &Arc<str>, args: &Args) -> Result<Value> {
    let separator = part_separator("str.rpartition", args)?;
    match text.rsplit_once(separator) {
        Some((left, right)) => triple(Value::str(left), Value::str(separator), Value::str(right)),
        None => triple(Value::str(""), Value::str(""), Value::Str(text.clone())),
    }
}
