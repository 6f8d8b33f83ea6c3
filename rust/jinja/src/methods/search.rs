//! Methods of str that look for parts of it.

use super::arguments::{between, bound, index, one, range};
use super::text::part;
use crate::error::{type_error, value_error, Error, Kind, Result};
use crate::operations::claim;
use crate::{runtime::Runtime, value::Args, value::Value};
use std::sync::Arc;

/// A text from start to end, with the number of characters before it; None where start is behind end.
fn window<'t>(text: &'t str, bounds: &[Value]) -> Result<Option<(&'t str, usize)>> {
    if bounds.is_empty() {
        return Ok(Some((text, 0)));
    }
    let (start, end) = (bound(bounds.first())?, bound(bounds.get(1))?);
    let ascii = text.is_ascii();
    let length = if ascii { text.len() } else { text.chars().count() };
    let (start, end) = range(start, end, length);
    if start > end {
        return Ok(None);
    }
    let byte = |at: usize| match ascii {
        true => at,
        false => text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte),
    };
    Ok(Some((&text[byte(start)..byte(end)], start)))
}

fn needle<'a>(name: &str, args: &'a Args) -> Result<(&'a Value, &'a [Value])> {
    if args.positional.is_empty() && args.named.is_empty() {
        return type_error(format!("{name}() takes at least 1 argument (0 given)"));
    }
    let args = between(name, args, 1, 3)?;
    Ok((&args[0], &args[1..]))
}

fn text_needle<'a>(name: &str, args: &'a Args) -> Result<(&'a str, &'a [Value])> {
    let (needle, bounds) = needle(name, args)?;
    match needle.as_str() {
        Some(needle) => Ok((needle, bounds)),
        None => type_error(format!("must be str, not {}", needle.type_name())),
    }
}

pub fn find(text: &str, name: &str, args: &Args) -> Result<Value> {
    let (needle, bounds) = text_needle(name, args)?;
    let from_right = name.starts_with('r');
    let found = window(text, bounds)?.and_then(|(window, before)| {
        let at = if from_right { window.rfind(needle) } else { window.find(needle) };
        at.map(|at| before + window[..at].chars().count())
    });
    match found {
        Some(at) => Ok(Value::Int(at as i64)),
        None if name.ends_with("index") => value_error("substring not found"),
        None => Ok(Value::Int(-1)),
    }
}

pub fn count(rt: &Runtime, text: &str, args: &Args) -> Result<Value> {
    let (needle, bounds) = text_needle("count", args)?;
    rt.step(text.len() as u64 / 64)?;
    Ok(Value::Int(match window(text, bounds)? {
        None => 0,
        Some((window, _)) if needle.is_empty() => window.chars().count() as i64 + 1,
        Some((window, _)) => window.matches(needle).count() as i64,
    }))
}

/// startswith and endswith
pub fn affix(text: &str, name: &str, args: &Args) -> Result<bool> {
    let (affix, bounds) = needle(name, args)?;
    let window = window(text, bounds)?;
    let fits = |affix: &str| {
        window.is_some_and(|(text, _)| match name == "startswith" {
            true => text.starts_with(affix),
            false => text.ends_with(affix),
        })
    };
    match affix {
        Value::Str(affix) | Value::Markup(affix) => Ok(fits(affix)),
        Value::Tuple(several) => {
            for affix in several.iter() {
                let Some(affix) = affix.as_str() else {
                    let found = affix.type_name();
                    return type_error(format!("tuple for {name} must only contain str, not {found}"));
                };
                if fits(affix) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => {
            let found = other.type_name();
            type_error(format!("{name} first arg must be str or a tuple of str, not {found}"))
        }
    }
}

pub fn replace(rt: &Runtime, text: &Arc<str>, args: &Args) -> Result<Value> {
    let args = between("replace", args, 2, 3)?;
    let (old, new) = match (args[0].as_str(), args[1].as_str()) {
        (Some(old), Some(new)) => (old, new),
        (old, _) => {
            let (at, wrong) = if old.is_none() { (1, &args[0]) } else { (2, &args[1]) };
            return type_error(format!("replace() argument {at} must be str, not {}", wrong.type_name()));
        }
    };
    let most = match args.get(2).map_or(Ok(-1), index)? {
        count if count < 0 => usize::MAX,
        count => count as usize,
    };
    let found = match old.is_empty() {
        true => text.chars().count() + 1,
        false => text.matches(old).count(),
    };
    let times = found.min(most);
    if times == 0 {
        return Ok(Value::Str(text.clone()));
    }
    let length = new.len().checked_mul(times).map(|added| added.saturating_add(text.len()));
    claim(rt, length.ok_or_else(|| Error::new(Kind::Overflow, "replace string is too long"))?)?;
    Ok(Value::str(text.replacen(old, new, times)))
}

pub fn remove_affix(text: &Arc<str>, name: &str, args: &Args) -> Result<Value> {
    let affix = one(&format!("str.{name}"), args)?;
    let Some(affix) = affix.as_str() else {
        return type_error(format!("{name}() argument must be str, not {}", affix.type_name()));
    };
    let rest = match name == "removeprefix" {
        true => text.strip_prefix(affix),
        false => text.strip_suffix(affix),
    };
    Ok(part(text, rest.unwrap_or(text)))
}
