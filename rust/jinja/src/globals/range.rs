//! range(), bounded as jinja2's sandbox bounds it.

use super::function::Function;
use crate::access::iterator_value;
use crate::dict::Key;
use crate::error::{type_error, unsupported, value_error, Error, Kind, Result};
use crate::filters::arguments::{exactly, index};
use crate::operations::equals;
use crate::runtime::Runtime;
use crate::value::{Args, Iterate, Object, Value};
use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

/// jinja2.sandbox.MAX_RANGE
const LONGEST: i128 = 100_000;

#[derive(Clone, Copy)]
pub(crate) struct Range {
    start: i64,
    stop: i64,
    step: i64,
}

pub fn range(_rt: &Runtime, args: Args) -> Result<Value> {
    if !args.named.is_empty() {
        return type_error("safe_range() got an unexpected keyword argument");
    }
    let numbers = args.positional.iter().map(bound).collect::<Result<Vec<i64>>>()?;
    let (start, stop, step) = match numbers[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        [start, stop, step] => (start, stop, step),
        [] => return type_error("range expected at least 1 argument, got 0"),
        _ => return type_error(format!("range expected at most 3 arguments, got {}", numbers.len())),
    };
    if step == 0 {
        return value_error("range() arg 3 must not be zero");
    }
    let range = Range { start, stop, step };
    if range.count() > LONGEST {
        return Err(Error::new(
            Kind::Overflow,
            format!("Range too big. The sandbox blocks ranges larger than MAX_RANGE ({LONGEST})."),
        ));
    }
    Ok(range.value())
}

fn bound(value: &Value) -> Result<i64> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::Bool(flag) => Ok(i64::from(*flag)),
        Value::Big(_) => unsupported("a bound of range() is beyond 64 bits"),
        _ => type_error(format!("'{}' object cannot be interpreted as an integer", value.type_name())),
    }
}

impl Range {
    fn value(self) -> Value {
        Value::Object(Rc::new(self))
    }

    /// len(range), in a type that no range overflows.
    fn count(&self) -> i128 {
        let (start, stop, step) = (i128::from(self.start), i128::from(self.stop), i128::from(self.step));
        let span = if step > 0 { stop - start } else { start - stop };
        (span + step.abs() - 1).div_euclid(step.abs()).max(0)
    }

    fn len(&self) -> usize {
        self.count() as usize
    }

    fn at(&self, position: usize) -> Value {
        Value::Int(self.start + position as i64 * self.step)
    }

    fn position(&self, rt: &Runtime, needle: &Value) -> Result<Option<usize>> {
        match needle {
            Value::Bool(flag) => Ok(self.position_of(i64::from(*flag))),
            Value::Int(number) => Ok(self.position_of(*number)),
            Value::Big(_) => Ok(None),
            _ => self.search(rt, needle),
        }
    }

    fn position_of(&self, number: i64) -> Option<usize> {
        let (offset, step) = (i128::from(number) - i128::from(self.start), i128::from(self.step));
        let position = offset / step;
        (offset % step == 0 && (0..self.count()).contains(&position)).then_some(position as usize)
    }

    fn search(&self, rt: &Runtime, needle: &Value) -> Result<Option<usize>> {
        rt.step(self.len() as u64)?;
        for position in 0..self.len() {
            if equals(rt, &self.at(position), needle)? {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    pub(crate) fn reversed(self) -> Value {
        let iterator = RangeIterator { range: self, at: Cell::new(self.len()), backwards: true };
        iterator_value("range_iterator", Rc::new(iterator))
    }
}

impl Object for Range {
    fn type_name(&self) -> &str {
        "range"
    }
    fn repr(&self, _rt: &Runtime) -> Result<String> {
        Ok(match self.step {
            1 => format!("range({}, {})", self.start, self.stop),
            step => format!("range({}, {}, {step})", self.start, self.stop),
        })
    }
    fn truth(&self) -> bool {
        self.count() > 0
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        let range = *self;
        Ok(Some(match name {
            "start" => Value::Int(self.start),
            "stop" => Value::Int(self.stop),
            "step" => Value::Int(self.step),
            "index" => Function::value(move |rt: &Runtime, args| {
                let [needle] = exactly("range.index()", args)?;
                match range.position(rt, &needle)? {
                    Some(position) => Ok(Value::Int(position as i64)),
                    None => value_error(format!("{} is not in range", crate::repr::repr(rt, &needle)?)),
                }
            }),
            "count" => Function::value(move |rt: &Runtime, args| {
                let [needle] = exactly("range.count()", args)?;
                Ok(Value::Int(range.position(rt, &needle)?.is_some().into()))
            }),
            _ => return Ok(None),
        }))
    }
    fn item(&self, _rt: &Runtime, key: &Value) -> Result<Option<Value>> {
        let Ok(position) = index(key) else {
            return type_error(format!("range indices must be integers or slices, not {}", key.type_name()));
        };
        let count = self.len() as i64;
        let position = if position < 0 { position.saturating_add(count) } else { position };
        if (0..count).contains(&position) {
            return Ok(Some(self.at(position as usize)));
        }
        Err(Error::new(Kind::Index, "range object index out of range"))
    }
    fn length(&self) -> Option<usize> {
        Some(self.len())
    }
    fn iterator(self: Rc<Self>, _rt: &Runtime) -> Result<Option<Rc<dyn Iterate>>> {
        Ok(Some(Rc::new(RangeIterator { range: *self, at: Cell::new(0), backwards: false })))
    }
    fn equals(&self, other: &Value) -> Option<bool> {
        let Value::Object(other) = other else { return None };
        let other = other.as_any().downcast_ref::<Range>()?;
        let count = self.count();
        let same_start = count == 0 || self.start == other.start;
        Some(count == other.count() && same_start && (count < 2 || self.step == other.step))
    }
    fn key(&self) -> Option<Key> {
        let count = self.len() as i64;
        let start = if count > 0 { self.start } else { 0 };
        let step = if count > 1 { self.step } else { 0 };
        // No object is at the address 1.
        Some(Key::Tuple(vec![Key::Object(1), Key::Int(count), Key::Int(start), Key::Int(step)]))
    }
    fn contains(&self, rt: &Runtime, needle: &Value) -> Result<Option<bool>> {
        Ok(Some(self.position(rt, needle)?.is_some()))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct RangeIterator {
    range: Range,
    at: Cell<usize>,
    backwards: bool,
}

impl Iterate for RangeIterator {
    fn next(&self, rt: &Runtime) -> Option<Result<Value>> {
        self.left().filter(|&left| left > 0)?;
        if let Err(error) = rt.step(1) {
            return Some(Err(error));
        }
        let at = self.at.get();
        self.at.set(if self.backwards { at - 1 } else { at + 1 });
        Some(Ok(self.range.at(if self.backwards { at - 1 } else { at })))
    }
    fn left(&self) -> Option<usize> {
        let at = self.at.get();
        Some(if self.backwards { at } else { self.range.len().saturating_sub(at) })
    }
}
