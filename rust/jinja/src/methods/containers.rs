//! The methods of list, tuple and dict that change nothing.

use super::arguments::{between, nothing, one};
use super::views::DictView;
use crate::dict::Dict;
use crate::error::{type_error, value_error, Result};
use crate::operations::same_item;
use crate::repr::repr;
use crate::{access, runtime::Runtime, value::Args, value::Value};
use std::rc::Rc;

pub fn sequence(
    rt: &Runtime,
    value: &Value,
    items: &Rc<Vec<Value>>,
    name: &str,
    args: &Args,
) -> Option<Result<Value>> {
    Some(match name {
        "count" => count(rt, value, items, args),
        "index" => position(rt, value, items, args),
        "copy" if matches!(value, Value::List(_)) => {
            nothing("list.copy", args).map(|()| Value::List(items.clone()))
        }
        _ => return None,
    })
}

fn count(rt: &Runtime, value: &Value, items: &[Value], args: &Args) -> Result<Value> {
    let wanted = one(&format!("{}.count", value.type_name()), args)?;
    let mut count = 0;
    rt.step(items.len() as u64 / 4)?;
    for item in items {
        count += same_item(rt, item, wanted)? as i64;
    }
    Ok(Value::Int(count))
}

fn bound(value: Option<&Value>, otherwise: usize, length: usize) -> Result<usize> {
    let Some(value) = value else { return Ok(otherwise) };
    let at = match (value, super::arguments::bound(Some(value))) {
        (Value::None, _) | (_, Err(_)) => {
            return type_error("slice indices must be integers or have an __index__ method");
        }
        (_, Ok(at)) => at.unwrap_or(0),
    };
    Ok(match at {
        0.. => at as usize,
        _ => length.saturating_sub(at.unsigned_abs() as usize),
    })
}

fn position(rt: &Runtime, value: &Value, items: &[Value], args: &Args) -> Result<Value> {
    let args = between("index", args, 1, 3)?;
    let start = bound(args.get(1), 0, items.len())?;
    let end = bound(args.get(2), items.len(), items.len())?.min(items.len());
    rt.step(items.len() as u64 / 4)?;
    for (at, item) in items.iter().enumerate().take(end).skip(start) {
        if same_item(rt, item, &args[0])? {
            return Ok(Value::Int(at as i64));
        }
    }
    match value {
        Value::Tuple(_) => value_error("tuple.index(x): x not in tuple"),
        _ => value_error(format!("{} is not in list", repr(rt, &args[0]).unwrap_or_default())),
    }
}

pub fn mapping(rt: &Runtime, dict: &Rc<Dict>, name: &str, args: &Args) -> Option<Result<Value>> {
    Some(match name {
        "get" => get(dict, args),
        "items" => nothing("dict.items", args).map(|()| DictView::items(dict)),
        "keys" => nothing("dict.keys", args).map(|()| DictView::keys(dict)),
        "values" => nothing("dict.values", args).map(|()| DictView::values(dict)),
        "copy" => nothing("dict.copy", args).map(|()| Value::Dict(dict.clone())),
        "fromkeys" => from_keys(rt, args),
        _ => return None,
    })
}

fn get(dict: &Dict, args: &Args) -> Result<Value> {
    let args = between("get", args, 1, 2)?;
    let otherwise = || args.get(1).cloned().unwrap_or(Value::None);
    Ok(dict.get(&args[0])?.cloned().unwrap_or_else(otherwise))
}

/// dict.fromkeys(keys, value=None)
pub fn from_keys(rt: &Runtime, args: &Args) -> Result<Value> {
    let args = between("fromkeys", args, 1, 2)?;
    let value = args.get(1).unwrap_or(&Value::None);
    let mut dict = Dict::default();
    for key in access::collect(rt, &args[0])? {
        dict.set(key, value.clone())?;
    }
    Ok(Value::dict(dict))
}
