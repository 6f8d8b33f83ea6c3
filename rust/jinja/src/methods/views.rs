//! dict.items(), dict.keys() and dict.values().

use crate::dict::Dict;
use crate::error::{unsupported, Result};
use crate::operations::{compare, equals, Comparison};
use crate::repr::repr;
use crate::{runtime::Runtime, value::Iterate, value::Object, value::Value};
use std::cell::Cell;
use std::rc::Rc;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Keys,
    Values,
    Items,
}

pub struct DictView {
    dict: Rc<Dict>,
    part: Part,
}

struct DictIterator {
    dict: Rc<Dict>,
    part: Part,
    at: Cell<usize>,
}

fn part_of(dict: &Dict, part: Part, at: usize) -> Option<Value> {
    let (key, value) = dict.entry(at)?;
    Some(match part {
        Part::Keys => key.clone(),
        Part::Values => value.clone(),
        Part::Items => Value::tuple(vec![key.clone(), value.clone()]),
    })
}

/// iter(dict)
pub fn iterate_keys(dict: &Rc<Dict>) -> Rc<dyn Iterate> {
    Rc::new(DictIterator { dict: dict.clone(), part: Part::Keys, at: Cell::new(0) })
}

impl DictView {
    fn of(dict: &Rc<Dict>, part: Part) -> Value {
        Value::Object(Rc::new(DictView { dict: dict.clone(), part }))
    }
    pub fn items(dict: &Rc<Dict>) -> Value {
        DictView::of(dict, Part::Items)
    }
    pub fn keys(dict: &Rc<Dict>) -> Value {
        DictView::of(dict, Part::Keys)
    }
    pub fn values(dict: &Rc<Dict>) -> Value {
        DictView::of(dict, Part::Values)
    }
    pub fn len(&self) -> usize {
        self.dict.len()
    }
    pub fn is_empty(&self) -> bool {
        self.dict.is_empty()
    }
    pub fn entry(&self, at: usize) -> Option<Value> {
        part_of(&self.dict, self.part, at)
    }
    /// Keys and items compare as sets do.
    pub fn is_set(&self) -> bool {
        self.part != Part::Values
    }
    /// reversed() and the like need all entries.
    pub fn entries(&self) -> Vec<Value> {
        (0..self.len()).filter_map(|at| self.entry(at)).collect()
    }
}

impl Object for DictView {
    fn type_name(&self) -> &str {
        match self.part {
            Part::Keys => "dict_keys",
            Part::Values => "dict_values",
            Part::Items => "dict_items",
        }
    }
    fn repr(&self, rt: &Runtime) -> Result<String> {
        let entries = repr(rt, &Value::list(self.entries()))?;
        Ok(format!("{}({entries})", self.type_name()))
    }
    fn truth(&self) -> bool {
        !self.dict.is_empty()
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        match name {
            "mapping" => unsupported("the template asks for a dict view's mapping"),
            "isdisjoint" if self.is_set() => unsupported("the template asks whether dict views are disjoint"),
            _ => Ok(None),
        }
    }
    fn length(&self) -> Option<usize> {
        Some(self.dict.len())
    }
    fn iterator(self: Rc<Self>, _rt: &Runtime) -> Result<Option<Rc<dyn Iterate>>> {
        Ok(Some(Rc::new(DictIterator { dict: self.dict.clone(), part: self.part, at: Cell::new(0) })))
    }
    fn contains(&self, rt: &Runtime, needle: &Value) -> Result<Option<bool>> {
        Ok(match (self.part, needle) {
            (Part::Keys, _) => Some(self.dict.get(needle)?.is_some()),
            (Part::Items, Value::Tuple(pair)) => match &pair[..] {
                [key, value] => match self.dict.get(key)? {
                    Some(found) => Some(equals(rt, found, value)?),
                    None => Some(false),
                },
                _ => Some(false),
            },
            (Part::Items, _) => Some(false),
            (Part::Values, _) => {
                let values = Value::list(self.entries());
                Some(compare(rt, Comparison::In, needle, &values)?)
            }
        })
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Iterate for DictIterator {
    fn next(&self, _rt: &Runtime) -> Option<Result<Value>> {
        let entry = part_of(&self.dict, self.part, self.at.get())?;
        self.at.set(self.at.get() + 1);
        Some(Ok(entry))
    }
    fn left(&self) -> Option<usize> {
        Some(self.dict.len().saturating_sub(self.at.get()))
    }
}
