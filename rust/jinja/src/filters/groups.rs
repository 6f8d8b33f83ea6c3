//! Filters that make lists of the items of a list: groupby, batch and slice.

use super::arguments::{bind, index};
use super::attributes::Path;
use super::{lazy, sorting};
use crate::access::{self, undefined_error};
use crate::error::{type_error, Error, Kind, Result};
use crate::operations::{compare, equals, truth, Comparison};
use crate::repr::repr;
use crate::runtime::Runtime;
use crate::value::{Args, Iterate, Object, Value};
use std::any::Any;
use std::rc::Rc;

pub fn groupby(rt: &Runtime, args: Args) -> Result<Value> {
    let (required, optional) = (["value", "attribute"], ["default", "case_sensitive"]);
    let ([value, attribute], [default, case]) = bind("do_groupby", required, optional, args)?;
    let case_sensitive = case.is_some_and(|flag| truth(&flag));
    let path = Path::new(&attribute, !case_sensitive)?.or(default.clone());
    let items = access::collect(rt, &value)?.into_iter();
    let keyed = items.map(|item| path.of(rt, &item).map(|key| (key.clone(), (key, item))));
    let sorted = sorting::sorted(rt, keyed.collect::<Result<Vec<_>>>()?, false)?;
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for (key, item) in sorted {
        match groups.last_mut() {
            Some((last, items)) if equals(rt, last, &key)? => items.push(item),
            _ => groups.push((key, vec![item])),
        }
    }
    // Without regard to case, a group is named as its first item is.
    let shown = Path::new(&attribute, false)?.or(default);
    let groups = groups.into_iter().map(|(key, items)| {
        let key = if case_sensitive { key } else { shown.of(rt, &items[0])? };
        Ok(Group::value(key, items))
    });
    Ok(Value::list(groups.collect::<Result<_>>()?))
}

/// jinja2.filters._GroupTuple: a tuple whose items have names too.
struct Group(Rc<Vec<Value>>);

impl Group {
    fn value(key: Value, items: Vec<Value>) -> Value {
        Value::Object(Rc::new(Group(Rc::new(vec![key, Value::list(items)]))))
    }
}

impl Object for Group {
    fn type_name(&self) -> &str {
        "_GroupTuple"
    }
    fn repr(&self, rt: &Runtime) -> Result<String> {
        repr(rt, &Value::Tuple(self.0.clone()))
    }
    fn attribute(&self, rt: &Runtime, name: &str) -> Result<Option<Value>> {
        match name {
            "grouper" => Ok(self.0.first().cloned()),
            "list" => Ok(self.0.last().cloned()),
            "count" | "index" => access::attribute(rt, &Value::Tuple(self.0.clone()), name).map(Some),
            _ => Ok(None),
        }
    }
    fn item(&self, rt: &Runtime, key: &Value) -> Result<Option<Value>> {
        let at = match index(key) {
            Ok(at) => at,
            Err(_) => {
                let what = format!("tuple indices must be integers or slices, not {}", key.type_name());
                return type_error(what);
            }
        };
        rt.step(1)?;
        match at {
            0 | -2 => Ok(self.0.first().cloned()),
            1 | -1 => Ok(self.0.last().cloned()),
            _ => Err(Error::new(Kind::Index, "tuple index out of range")),
        }
    }
    fn length(&self) -> Option<usize> {
        Some(self.0.len())
    }
    fn iterator(self: Rc<Self>, rt: &Runtime) -> Result<Option<Rc<dyn Iterate>>> {
        access::iterate(rt, &Value::Tuple(self.0.clone())).map(Some)
    }
    fn as_tuple(&self) -> Option<Rc<Vec<Value>>> {
        Some(self.0.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Lists of `linecount` items each, one by one.
pub fn batch(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([value, count], [fill]) = bind("do_batch", ["value", "linecount"], ["fill_with"], args)?;
    let fill = fill.filter(|fill| !fill.is_none());
    Ok(lazy::generator(move |rt| {
        let items = access::iterate(rt, &value)?;
        let mut line: Vec<Value> = Vec::new();
        let mut ended = false;
        Ok(Box::new(move |rt| {
            while !ended {
                let Some(item) = items.next(rt) else {
                    ended = true;
                    return last_batch(rt, std::mem::take(&mut line), &count, fill.as_ref()).transpose();
                };
                let full =
                    item.and_then(|item| Ok((equals(rt, &Value::Int(line.len() as i64), &count)?, item)));
                match full {
                    Ok((true, item)) => {
                        return Some(Ok(Value::list(std::mem::replace(&mut line, vec![item]))))
                    }
                    Ok((false, item)) => line.push(item),
                    Err(error) => return Some(Err(error)),
                }
            }
            None
        }))
    }))
}

fn last_batch(
    rt: &Runtime,
    mut line: Vec<Value>,
    count: &Value,
    fill: Option<&Value>,
) -> Result<Option<Value>> {
    if line.is_empty() {
        return Ok(None);
    }
    if let Some(fill) = fill {
        let length = Value::Int(line.len() as i64);
        if compare(rt, Comparison::Lt, &length, count)? {
            let Ok(count) = index(count) else {
                return type_error("can't multiply sequence by non-int of type 'float'");
            };
            rt.step(count.unsigned_abs())?;
            line.resize(count as usize, fill.clone());
        }
    }
    Ok(Some(Value::list(line)))
}

/// `slices` lists, of as equal a length as can be, one by one.
pub fn slice(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([value, slices], [fill]) = bind("do_slice", ["value", "slices"], ["fill_with"], args)?;
    let fill = fill.filter(|fill| !fill.is_none());
    Ok(lazy::generator(move |rt| {
        let items = access::collect(rt, &value)?;
        let slices = slice_count(&slices)?;
        let (per_slice, extra) = (items.len().checked_div(slices), items.len().checked_rem(slices));
        let (per_slice, extra) = (per_slice.unwrap_or(0), extra.unwrap_or(0));
        let mut number = 0;
        let mut begin = 0;
        Ok(Box::new(move |rt| {
            if number >= slices {
                return None;
            }
            if let Err(error) = rt.step(1) {
                return Some(Err(error));
            }
            let end = begin + per_slice + usize::from(number < extra);
            let mut slice = items[begin..end].to_vec();
            if number >= extra {
                slice.extend(fill.clone());
            }
            (number, begin) = (number + 1, end);
            Some(Ok(Value::list(slice)))
        }))
    }))
}

fn slice_count(slices: &Value) -> Result<usize> {
    if let Value::Undefined(message) = slices {
        return Err(undefined_error(message));
    }
    match index(slices)? {
        0 => Err(Error::new(Kind::ZeroDivision, "integer division or modulo by zero")),
        count => Ok(usize::try_from(count).unwrap_or(0)),
    }
}
