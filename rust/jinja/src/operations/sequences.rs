//! `+` and `*` over texts, lists and tuples.

use super::{operand_error, Binary, Number};
use crate::error::{type_error, unsupported, Error, Kind, Result};
use crate::methods::markup;
use crate::{runtime::Runtime, value::Value};
use std::rc::Rc;
use std::sync::Arc;

/// The longest text in bytes, and the longest list, that a template may make.
pub const MAX_TEXT: usize = 1 << 28;
pub const MAX_ITEMS: usize = 1 << 24;

/// Takes the work for a text of so many bytes, or refuses it.
pub fn claim(rt: &Runtime, bytes: usize) -> Result<()> {
    if bytes > MAX_TEXT {
        return unsupported("the template makes a text that is too long");
    }
    rt.step(bytes as u64 / 64)
}

fn claim_items(rt: &Runtime, count: usize) -> Result<()> {
    if count > MAX_ITEMS {
        return unsupported("the template makes a list that is too long");
    }
    rt.step(count as u64 / 4)
}

fn join(rt: &Runtime, left: &str, right: &str) -> Result<Arc<str>> {
    claim(rt, left.len() + right.len())?;
    let mut text = String::with_capacity(left.len() + right.len());
    text.push_str(left);
    text.push_str(right);
    Ok(text.into())
}

pub fn concat(rt: &Runtime, left: &Arc<str>, right: &Arc<str>) -> Result<Value> {
    if left.is_empty() {
        return Ok(Value::Str(right.clone()));
    }
    if right.is_empty() {
        return Ok(Value::Str(left.clone()));
    }
    join(rt, left, right).map(Value::Str)
}

pub fn add(rt: &Runtime, left: &Value, right: &Value) -> Result<Value> {
    match (left, right) {
        (Value::Str(a), Value::Str(b)) => concat(rt, a, b),
        (Value::Markup(a), Value::Markup(b)) => join(rt, a, b).map(Value::Markup),
        (Value::Markup(a), Value::Str(b)) => join(rt, a, &markup::escape(b)).map(Value::Markup),
        (Value::Str(a), Value::Markup(b)) => join(rt, &markup::escape(a), b).map(Value::Markup),
        (Value::List(a), Value::List(b)) => chain(rt, a, b).map(Value::List),
        (Value::Tuple(a), Value::Tuple(b)) => chain(rt, a, b).map(Value::Tuple),
        (Value::Str(_) | Value::List(_) | Value::Tuple(_), _) => {
            let (kind, other) = (left.type_name(), right.type_name());
            type_error(format!("can only concatenate {kind} (not \"{other}\") to {kind}"))
        }
        _ => operand_error(Binary::Add, left, right),
    }
}

fn chain(rt: &Runtime, left: &[Value], right: &[Value]) -> Result<Rc<Vec<Value>>> {
    claim_items(rt, left.len() + right.len())?;
    Ok(Rc::new(left.iter().chain(right).cloned().collect()))
}

fn is_sequence(value: &Value) -> bool {
    matches!(value, Value::Str(_) | Value::Markup(_) | Value::List(_) | Value::Tuple(_))
}

pub fn multiply(rt: &Runtime, left: &Value, right: &Value) -> Result<Value> {
    let (sequence, count) = match (is_sequence(left), is_sequence(right)) {
        (true, _) => (left, right),
        (false, true) => (right, left),
        (false, false) => return operand_error(Binary::Mul, left, right),
    };
    match Number::of(count) {
        Some(Number::Int(count)) => repeat(rt, sequence, usize::try_from(count).unwrap_or(0)),
        Some(Number::Big(_)) => {
            Err(Error::new(Kind::Overflow, "cannot fit 'int' into an index-sized integer"))
        }
        _ => type_error(format!("can't multiply sequence by non-int of type '{}'", count.type_name())),
    }
}

fn repeat(rt: &Runtime, sequence: &Value, count: usize) -> Result<Value> {
    let text = |text: &Arc<str>| -> Result<Arc<str>> {
        claim(rt, text.len().saturating_mul(count))?;
        Ok(if count == 1 {
            text.clone()
        } else {
            text.repeat(if text.is_empty() { 0 } else { count }).into()
        })
    };
    let items = |items: &Rc<Vec<Value>>| -> Result<Rc<Vec<Value>>> {
        claim_items(rt, items.len().saturating_mul(count))?;
        let count = if items.is_empty() { 0 } else { count };
        Ok(Rc::new(std::iter::repeat_n(items.iter(), count).flatten().cloned().collect()))
    };
    Ok(match sequence {
        Value::Str(s) => Value::Str(text(s)?),
        Value::Markup(s) => Value::Markup(text(s)?),
        Value::List(list) => Value::List(items(list)?),
        Value::Tuple(list) => Value::Tuple(items(list)?),
        other => other.clone(),
    })
}
