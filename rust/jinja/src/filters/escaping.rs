//! Markup: what escapes, what removes it, and attributes.

use super::arguments::{bind, exactly};
use super::sequences::entries;
use crate::access;
use crate::error::{type_error, value_error, Result};
use crate::methods::markup;
use crate::operations::truth;
use crate::repr::{repr, str_of};
use crate::runtime::Runtime;
use crate::value::{Args, Value};

pub fn escape(rt: &Runtime, args: Args) -> Result<Value> {
    let [value] = exactly("escape", args)?;
    match value {
        Value::Markup(_) => Ok(value),
        _ => Ok(Value::Markup(markup::escape_value(rt, &value)?)),
    }
}

pub fn forceescape(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_forceescape", ["value"], [], args)?;
    Ok(Value::Markup(markup::escape(&str_of(rt, &value)?).into()))
}

pub fn safe(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_mark_safe", ["value"], [], args)?;
    match value {
        Value::Markup(_) => Ok(value),
        _ => Ok(Value::Markup(str_of(rt, &value)?.into())),
    }
}

pub fn striptags(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_striptags", ["value"], [], args)?;
    let markup = Value::Markup(str_of(rt, &value)?.into());
    access::call_method(rt, &markup, "striptags", Args::default())
}

pub fn xmlattr(rt: &Runtime, args: Args) -> Result<Value> {
    let ([attributes], [space]) = bind("do_xmlattr", ["d"], ["autospace"], args)?;
    let mut written = Vec::new();
    for (key, value) in entries(&attributes)?.iter() {
        if value.is_none() || value.is_undefined() {
            continue;
        }
        let Some(name) = key.as_str() else {
            let kind = key.type_name();
            return type_error(format!("expected string or bytes-like object, got '{kind}'"));
        };
        if name.contains(|c| matches!(c, '\t'..='\r' | ' ' | '/' | '>' | '=')) {
            return value_error(format!("Invalid character in attribute name: {}", repr(rt, key)?));
        }
        written.push(format!("{}=\"{}\"", markup::escape_value(rt, key)?, markup::escape_value(rt, value)?));
    }
    let mut out = written.join(" ");
    if !out.is_empty() && space.as_ref().is_none_or(truth) {
        out.insert(0, ' ');
    }
    Ok(Value::str(out))
}
