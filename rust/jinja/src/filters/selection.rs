//! map, select and reject, which call filters and tests by their names.

use super::arguments::bind;
use super::attributes::Path;
use super::{call, lazy};
use crate::access;
use crate::error::{type_error, Error, Kind, Result};
use crate::operations::truth;
use crate::runtime::Runtime;
use crate::tests;
use crate::value::{Args, Value};
use std::sync::Arc;

/// Splits what is filtered from the arguments that say how.
fn split(function: &str, mut args: Args) -> Result<(Value, Args)> {
    if args.named.iter().any(|(name, _)| matches!(&**name, "value" | "context")) {
        return type_error(format!("{function}() got multiple values for argument 'value'"));
    }
    if args.positional.is_empty() {
        return bind(function, ["value"], [], args).map(|([value], [])| (value, Args::default()));
    }
    let value = args.positional.remove(0);
    Ok((value, args))
}

fn argument_error<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::new(Kind::Runtime, message))
}

pub fn map(_rt: &Runtime, args: Args) -> Result<Value> {
    let (value, args) = split("sync_do_map", args)?;
    Ok(lazy::generator(move |rt| {
        if !truth(&value) {
            return Ok(lazy::nothing());
        }
        if args.positional.is_empty() && args.named.iter().any(|(name, _)| &**name == "attribute") {
            let path = attribute_path(args)?;
            let items = access::iterate(rt, &value)?;
            return Ok(lazy::each(items, move |rt, item| path.of(rt, &item).map(Some)));
        }
        let Some((name, rest)) = args.positional.split_first() else {
            return argument_error("map requires a filter argument");
        };
        let (name, args) = (name.clone(), Call::new(rest, &args));
        let items = access::iterate(rt, &value)?;
        Ok(lazy::each(items, move |rt, item| call(rt, &name, args.with(item)).map(Some)))
    }))
}

fn attribute_path(args: Args) -> Result<Path> {
    let (mut attribute, mut default) = (Value::None, None);
    for (name, value) in args.named {
        match &*name {
            "attribute" => attribute = value,
            "default" => default = Some(value),
            _ => return argument_error(format!("Unexpected keyword argument '{name}'")),
        }
    }
    Ok(Path::new(&attribute, false)?.or(default))
}

/// The arguments of a filter or a test, without the item that it is called with.
struct Call {
    positional: Vec<Value>,
    named: Vec<(Arc<str>, Value)>,
}

impl Call {
    fn new(positional: &[Value], args: &Args) -> Call {
        Call { positional: positional.to_vec(), named: args.named.clone() }
    }

    fn with(&self, item: Value) -> Args {
        let positional = std::iter::once(item).chain(self.positional.iter().cloned());
        Args { positional: positional.collect(), named: self.named.clone() }
    }
}

pub fn select(_rt: &Runtime, args: Args) -> Result<Value> {
    chosen("sync_do_select", args, false, true)
}

pub fn reject(_rt: &Runtime, args: Args) -> Result<Value> {
    chosen("sync_do_reject", args, false, false)
}

pub fn selectattr(_rt: &Runtime, args: Args) -> Result<Value> {
    chosen("sync_do_selectattr", args, true, true)
}

pub fn rejectattr(_rt: &Runtime, args: Args) -> Result<Value> {
    chosen("sync_do_rejectattr", args, true, false)
}

/// select_or_reject: the items for which a test, or their truth, is as wanted.
fn chosen(function: &str, args: Args, by_attribute: bool, wanted: bool) -> Result<Value> {
    let (value, args) = split(function, args)?;
    Ok(lazy::generator(move |rt| {
        if !truth(&value) {
            return Ok(lazy::nothing());
        }
        let mut rest = &args.positional[..];
        let mut path = None;
        if by_attribute {
            let Some((attribute, others)) = rest.split_first() else {
                return argument_error("Missing parameter for attribute name");
            };
            path = Some(Path::new(attribute, false)?);
            rest = others;
        }
        let test = rest.split_first().map(|(name, rest)| (name.clone(), Call::new(rest, &args)));
        let items = access::iterate(rt, &value)?;
        Ok(lazy::each(items, move |rt, item| {
            let tested = path.as_ref().map_or_else(|| Ok(item.clone()), |path| path.of(rt, &item))?;
            let passes = match &test {
                Some((name, args)) => tests::call(rt, name, args.with(tested))?,
                None => truth(&tested),
            };
            Ok((passes == wanted).then_some(item))
        }))
    }))
}
