//! Calls and their arguments.

use super::Frame;
use crate::access;
use crate::code::{Arguments, Call, Callee, Stars};
use crate::error::{type_error, Error, Kind, Result};
use crate::value::{Args, Value};
use std::sync::Arc;

impl Frame<'_> {
    #[inline(never)]
    pub(super) fn call(self, call: &Call, caller: Option<Value>) -> Result<Value> {
        self.rt.step(1)?;
        let called = match &call.callee {
            Callee::Method(object, name) => {
                let object = self.eval(object)?;
                let args = self.call_arguments(&call.arguments, caller)?;
                access::call_method(self.rt, &object, name, args)
            }
            Callee::Value(value) => {
                let value = self.eval(value)?;
                let args = self.call_arguments(&call.arguments, caller)?;
                access::call(self.rt, &value, args)
            }
        };
        called.map_err(|error| error.at(call.line))
    }

    /// The arguments of a filter or a test, of which the value that it is applied to is the first.
    pub(super) fn applied_arguments(self, to: Value, arguments: &Arguments) -> Result<Args> {
        let mut positional = Vec::with_capacity(1 + arguments.positional.len());
        positional.push(to);
        self.arguments(arguments, positional, None)
    }

    fn call_arguments(self, arguments: &Arguments, caller: Option<Value>) -> Result<Args> {
        let positional = Vec::with_capacity(arguments.positional.len());
        let mut args = self.arguments(arguments, positional, caller)?;
        if arguments.stars.is_some() {
            args.named.retain(|(name, _)| !matches!(&**name, "_loop_vars" | "_block_vars"));
        }
        Ok(args)
    }

    fn arguments(self, arguments: &Arguments, positional: Vec<Value>, caller: Option<Value>) -> Result<Args> {
        let mut args = Args { positional, named: Vec::with_capacity(arguments.named.len()) };
        for argument in &arguments.positional {
            args.positional.push(self.eval(argument)?);
        }
        let overrides = arguments.stars.as_ref().is_some_and(|stars| stars.overrides);
        for (name, value) in &arguments.named {
            let value = self.eval(value)?;
            add(&mut args.named, name, value, overrides)?;
        }
        if let Some(caller) = caller {
            args.named.push(("caller".into(), caller));
        }
        if let Some(stars) = &arguments.stars {
            self.stars(stars, &mut args)?;
        }
        Ok(args)
    }

    fn stars(self, stars: &Stars, args: &mut Args) -> Result<()> {
        if let Some(star) = &stars.star {
            let value = self.eval(star)?;
            let items = access::collect(self.rt, &value).map_err(|error| not_iterable(error, &value))?;
            args.positional.extend(items);
        }
        if let Some(double_star) = &stars.double_star {
            let value = self.eval(double_star)?;
            let Value::Dict(entries) = &value else {
                let name = value.type_name();
                return type_error(format!("argument after ** must be a mapping, not {name}"));
            };
            for (name, value) in entries.iter() {
                let (Value::Str(name) | Value::Markup(name)) = name else {
                    return type_error("keywords must be strings");
                };
                add(&mut args.named, name, value.clone(), stars.overrides)?;
            }
        }
        Ok(())
    }
}

fn not_iterable(mut error: Error, value: &Value) -> Error {
    if error.kind == Kind::Type && error.message.ends_with("object is not iterable") {
        error.message = format!("Value after * must be an iterable, not {}", value.type_name());
    }
    error
}

/// Adds a named argument; a second one of the same name is refused, unless it takes the first one's
/// place.
fn add(named: &mut Vec<(Arc<str>, Value)>, name: &Arc<str>, value: Value, overrides: bool) -> Result<()> {
    match named.iter_mut().find(|(found, _)| found == name) {
        Some((_, old)) if overrides => *old = value,
        Some(_) => return type_error(format!("got multiple values for keyword argument '{name}'")),
        None => named.push((name.clone(), value)),
    }
    Ok(())
}
