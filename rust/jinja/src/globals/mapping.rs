//! dict(), which transformers replaces by an object that makes dicts.

use super::function::Function;
use crate::access::{self, undefined_error};
use crate::dict::Dict;
use crate::error::{type_error, value_error, Result};
use crate::runtime::Runtime;
use crate::value::{Args, Object, Value};
use std::any::Any;
use std::rc::Rc;

pub struct TemplateDict;

impl Object for TemplateDict {
    fn type_name(&self) -> &str {
        "TemplateDict"
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        Ok((name == "fromkeys").then(|| Function::value(from_keys)))
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        Ok(Value::Dict(Rc::new(new(rt, args)?)))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// dict(*args, **kwargs)
pub fn new(rt: &Runtime, args: Args) -> Result<Dict> {
    let mut dict = match &args.positional[..] {
        [] => Dict::default(),
        [Value::Dict(other)] => (**other).clone(),
        [Value::Undefined(message)] => return Err(undefined_error(message)),
        [pairs] => of_pairs(rt, pairs)?,
        more => return type_error(format!("dict expected at most 1 argument, got {}", more.len())),
    };
    for (name, value) in args.named {
        dict.set(Value::Str(name), value)?;
    }
    Ok(dict)
}

fn of_pairs(rt: &Runtime, pairs: &Value) -> Result<Dict> {
    let mut dict = Dict::default();
    let pairs = access::iterate(rt, pairs)?;
    let mut at = 0;
    while let Some(pair) = pairs.next(rt) {
        let pair = pair?;
        let iterator = access::iterate(rt, &pair).or_else(|_| {
            type_error(format!("cannot convert dictionary update sequence element #{at} to a sequence"))
        })?;
        let items = std::iter::from_fn(|| iterator.next(rt)).collect::<Result<Vec<_>>>()?;
        let count = items.len();
        let Ok([key, value]) = <[Value; 2]>::try_from(items) else {
            let what = format!("dictionary update sequence element #{at} has length {count}; 2 is required");
            return value_error(what);
        };
        dict.set(key, value)?;
        at += 1;
    }
    Ok(dict)
}

fn from_keys(rt: &Runtime, args: Args) -> Result<Value> {
    if !args.named.is_empty() {
        return type_error("dict.fromkeys() takes no keyword arguments");
    }
    let (keys, value) = match &args.positional[..] {
        [keys] => (keys, Value::None),
        [keys, value] => (keys, value.clone()),
        [] => return type_error("fromkeys expected at least 1 argument, got 0"),
        more => return type_error(format!("fromkeys expected at most 2 arguments, got {}", more.len())),
    };
    let mut dict = Dict::default();
    let keys = access::iterate(rt, keys)?;
    while let Some(key) = keys.next(rt) {
        dict.set(key?, value.clone())?;
    }
    Ok(Value::dict(dict))
}
