//! Filters that call a method of str, or do little more.

use super::arguments::bind;
use super::words::{is_space, is_word};
use crate::access;
use crate::dict::Dict;
use crate::error::Result;
use crate::operations::{binary, Binary};
use crate::repr::str_of;
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use std::rc::Rc;

/// soft_str: a text as it is, with its markup; everything else as str().
pub fn soft(rt: &Runtime, value: Value) -> Result<Value> {
    match value {
        Value::Str(_) | Value::Markup(_) => Ok(value),
        _ => Ok(Value::str(str_of(rt, &value)?)),
    }
}

fn method(rt: &Runtime, value: Value, name: &str, positional: Vec<Value>) -> Result<Value> {
    access::call_method(rt, &soft(rt, value)?, name, Args { positional, named: Vec::new() })
}

pub fn upper(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_upper", ["s"], [], args)?;
    method(rt, value, "upper", Vec::new())
}

pub fn lower(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_lower", ["s"], [], args)?;
    method(rt, value, "lower", Vec::new())
}

pub fn capitalize(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_capitalize", ["s"], [], args)?;
    method(rt, value, "capitalize", Vec::new())
}

pub fn center(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [width]) = bind("do_center", ["value"], ["width"], args)?;
    method(rt, value, "center", vec![width.unwrap_or(Value::Int(80))])
}

pub fn trim(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [chars]) = bind("do_trim", ["value"], ["chars"], args)?;
    method(rt, value, "strip", vec![chars.unwrap_or(Value::None)])
}

pub fn string(rt: &Runtime, args: Args) -> Result<Value> {
    let [value] = super::arguments::exactly("soft_str", args)?;
    soft(rt, value)
}

pub fn replace(rt: &Runtime, args: Args) -> Result<Value> {
    let ([text, old, new], [count]) = bind("do_replace", ["s", "old", "new"], ["count"], args)?;
    let plain = |value: &Value| Ok(Value::str(str_of(rt, value)?));
    let count = count.filter(|count| !count.is_none()).unwrap_or(Value::Int(-1));
    method(rt, plain(&text)?, "replace", vec![plain(&old)?, plain(&new)?, count])
}

pub fn format(rt: &Runtime, args: Args) -> Result<Value> {
    let Args { mut positional, named } = args;
    if positional.is_empty() {
        return bind("do_format", ["value"], [], Args { positional, named }).map(|([value], [])| value);
    }
    let value = soft(rt, positional.remove(0))?;
    if positional.is_empty() && !named.is_empty() {
        let mut values = Dict::with_capacity(named.len());
        for (name, value) in named {
            values.set(Value::Str(name), value)?;
        }
        return binary(rt, Binary::Mod, &value, &Value::Dict(Rc::new(values)));
    }
    if !named.is_empty() {
        let what = "can't handle positional and keyword arguments at the same time";
        return Err(crate::error::Error::new(crate::error::Kind::Runtime, what));
    }
    binary(rt, Binary::Mod, &value, &Value::tuple(positional))
}

/// Words in titlecase, where a word begins after a space, a hyphen or an opening bracket.
pub fn title(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_title", ["s"], [], args)?;
    let text = str_of(rt, &value)?;
    let mut out = String::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(first) = rest.chars().next() {
        let between = is_between(first);
        let end = rest.find(|c| is_between(c) != between).unwrap_or(rest.len());
        let (head, tail) = rest[..end].split_at(first.len_utf8());
        cased(rt, head, "upper", &mut out)?;
        cased(rt, tail, "lower", &mut out)?;
        rest = &rest[end..];
    }
    Ok(Value::str(out))
}

fn is_between(c: char) -> bool {
    is_space(c) || matches!(c, '-' | '(' | '{' | '[' | '<')
}

fn cased(rt: &Runtime, text: &str, name: &str, out: &mut String) -> Result<()> {
    let cased = method(rt, Value::str(text), name, Vec::new())?;
    out.push_str(cased.as_str().unwrap_or_default());
    Ok(())
}

pub fn wordcount(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_wordcount", ["s"], [], args)?;
    let text = str_of(rt, &value)?;
    rt.step(text.len() as u64 / 64)?;
    let (mut count, mut within) = (0, false);
    for c in text.chars() {
        let word = is_word(c);
        count += i64::from(word && !within);
        within = word;
    }
    Ok(Value::Int(count))
}
