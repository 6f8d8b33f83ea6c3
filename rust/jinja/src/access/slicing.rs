//! `value[start:stop:step]`.

use super::{not_subscriptable, undefined_error};
use crate::error::{type_error, unsupported, value_error, Result};
use crate::methods::bound;
use crate::{globals, runtime::Runtime, value::Args, value::Object, value::Value};
use std::rc::Rc;

/// `value[start:stop:step]`; what is left out is Value::None. jinja2 leaves slices to Python, so that
/// what cannot be sliced is an error, and nothing is undefined.
pub fn slice(rt: &Runtime, value: &Value, start: &Value, stop: &Value, step: &Value) -> Result<Value> {
    let bounds = || Bounds::of(start, stop, step);
    Ok(match value {
        Value::List(items) => match bounds()? {
            all if all.is_all() => Value::List(items.clone()),
            bounds => Value::list(bounds.items(rt, items)?),
        },
        Value::Tuple(items) => Value::tuple(bounds()?.items(rt, items)?),
        Value::Str(text) => Value::str(bounds()?.text(rt, text)?),
        Value::Markup(text) => Value::Markup(bounds()?.text(rt, text)?.into()),
        Value::Undefined(message) => return Err(undefined_error(message)),
        Value::Dict(_) => return type_error("unhashable type: 'slice'"),
        Value::Object(object) => match object.as_tuple() {
            Some(items) => Value::tuple(bounds()?.items(rt, &items)?),
            None if object.type_name() == "range" && matches!(step, Value::Big(_)) => {
                return unsupported("the template takes a slice of a range with a step beyond 64 bits");
            }
            None if object.type_name() == "range" => bounds()?.range(rt, object)?,
            None => return not_subscriptable(value),
        },
        _ => return not_subscriptable(value),
    })
}

struct Bounds {
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
}

impl Bounds {
    fn of(start: &Value, stop: &Value, step: &Value) -> Result<Bounds> {
        let step = bound(Some(step))?;
        if step == Some(0) {
            return value_error("slice step cannot be zero");
        }
        let (start, stop) = (bound(Some(start))?, bound(Some(stop))?);
        Ok(Bounds { start, stop, step: step.unwrap_or(1).max(-i64::MAX) })
    }

    fn is_all(&self) -> bool {
        self.start.is_none() && self.stop.is_none() && self.step == 1
    }

    /// slice.indices(length), and how many items there are from start on.
    fn indices(&self, length: usize) -> (i64, i64, usize) {
        let length = length as i64;
        let (low, high) = if self.step > 0 { (0, length) } else { (-1, length - 1) };
        let place = |at: Option<i64>, otherwise: i64| match at {
            None => otherwise,
            Some(at) if at < 0 => at.saturating_add(length).max(low),
            Some(at) => at.min(high),
        };
        let (first, last) = if self.step > 0 { (low, high) } else { (high, low) };
        let (start, stop) = (place(self.start, first), place(self.stop, last));
        let distance = if self.step > 0 { stop - start } else { start - stop };
        let count = match distance {
            1.. => (distance - 1) / self.step.abs() + 1,
            _ => 0,
        };
        (start, stop, count as usize)
    }

    fn items(&self, rt: &Runtime, items: &[Value]) -> Result<Vec<Value>> {
        let (start, _, count) = self.indices(items.len());
        rt.step(count as u64 / 4)?;
        let at = |i: usize| items[(start + i as i64 * self.step) as usize].clone();
        Ok((0..count).map(at).collect())
    }

    fn text(&self, rt: &Runtime, text: &str) -> Result<String> {
        rt.step(text.len() as u64 / 64)?;
        let ascii = text.is_ascii();
        let length = if ascii { text.len() } else { text.chars().count() };
        let (start, _, count) = self.indices(length);
        if count == 0 {
            return Ok(String::new());
        }
        if self.step == 1 {
            let byte = |at: usize| match ascii {
                true => at,
                false => text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte),
            };
            return Ok(text[byte(start as usize)..byte(start as usize + count)].to_string());
        }
        // The characters from the first to the last that is taken, in the order of the text.
        let end = start + (count as i64 - 1) * self.step;
        let (stride, from) = (self.step.unsigned_abs() as usize, start.min(end) as usize);
        let taken = text.chars().skip(from).step_by(stride).take(count);
        match self.step > 0 {
            true => Ok(taken.collect()),
            false => Ok(taken.collect::<Vec<_>>().into_iter().rev().collect()),
        }
    }

    /// A slice of a range is a range, and not longer than that.
    fn range(&self, rt: &Runtime, range: &Rc<dyn Object>) -> Result<Value> {
        let part = |name| match range.attribute(rt, name)? {
            Some(Value::Int(i)) => Ok(i),
            _ => unsupported("the template takes a slice of a range that is too large"),
        };
        let (first, stride) = (part("start")?, part("step")?);
        let (start, stop, _) = self.indices(range.length().unwrap_or(0));
        let place = |at: i64| at.checked_mul(stride).and_then(|at| first.checked_add(at));
        let ends = (place(start), place(stop), stride.checked_mul(self.step));
        let ((Some(start), Some(stop), Some(step)), Some(class)) = (ends, globals::find("range")) else {
            return unsupported("the template takes a slice of a range that is too large");
        };
        let positional = vec![Value::Int(start), Value::Int(stop), Value::Int(step)];
        super::call(rt, &class, Args { positional, named: Vec::new() })
    }
}
