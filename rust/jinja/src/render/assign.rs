//! Assignments.

use super::Frame;
use crate::access;
use crate::code::Target;
use crate::error::{type_error, unsupported, value_error, Kind, Result};
use crate::value::Value;

impl Frame<'_> {
    pub(super) fn assign(self, target: &Target, value: Value) -> Result<()> {
        match target {
            Target::Variable(slot) => {
                self.env.set(*slot, Some(value));
                Ok(())
            }
            Target::Tuple(targets) => self.unpack(targets, &value, Self::assign),
            Target::NamespaceAttribute(variable, name) => {
                let object = self.env.get(*variable).unwrap_or(Value::None);
                crate::globals::set_attribute(self.rt, &object, name, value)
            }
        }
    }

    /// An assignment of {% set %} with a body, for which jinja2 does not ask for a namespace.
    pub(super) fn assign_block(self, target: &Target, value: Value) -> Result<()> {
        match target {
            Target::NamespaceAttribute(variable, _) => match self.env.get(*variable) {
                Some(Value::Dict(_)) => unsupported("the template changes a dict"),
                Some(Value::Object(_)) => self.assign(target, value),
                Some(Value::List(_)) => type_error("list indices must be integers or slices, not str"),
                object => {
                    let name = object.as_ref().map_or("_MissingType", Value::type_name);
                    type_error(format!("'{name}' object does not support item assignment"))
                }
            },
            Target::Tuple(targets) => self.unpack(targets, &value, Self::assign_block),
            Target::Variable(_) => self.assign(target, value),
        }
    }

    fn unpack(
        self,
        targets: &[Target],
        value: &Value,
        assign: fn(Self, &Target, Value) -> Result<()>,
    ) -> Result<()> {
        let items = match value {
            Value::List(items) | Value::Tuple(items) => {
                check_length(targets.len(), items.len())?;
                return targets
                    .iter()
                    .zip(items.iter())
                    .try_for_each(|(t, item)| assign(self, t, item.clone()));
            }
            _ => self.unpacked(value, targets.len())?,
        };
        targets.iter().zip(items).try_for_each(|(target, item)| assign(self, target, item))
    }

    /// Exactly so many items of a value.
    fn unpacked(self, value: &Value, count: usize) -> Result<Vec<Value>> {
        let iterator = access::iterate(self.rt, value).map_err(|mut error| {
            if error.kind == Kind::Type {
                error.message = format!("cannot unpack non-iterable {} object", value.type_name());
            }
            error
        })?;
        let mut items = Vec::new();
        while items.len() <= count {
            match iterator.next(self.rt) {
                Some(item) => items.push(item?),
                None => break,
            }
        }
        check_length(count, items.len())?;
        Ok(items)
    }
}

fn check_length(expected: usize, got: usize) -> Result<()> {
    match got {
        _ if got < expected => {
            value_error(format!("not enough values to unpack (expected {expected}, got {got})"))
        }
        _ if got > expected => value_error(format!("too many values to unpack (expected {expected})")),
        _ => Ok(()),
    }
}
