//! A dict: its entries in the order in which their keys were first set, found by Python's equality.

use crate::error::{type_error, Error, Kind, Result};
use crate::value::Value;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

/// From this many entries on, keys are found through an index.
const INDEXED: usize = 12;
/// How deep a key's tuples may be.
const DEEPEST: u32 = 900;

#[derive(Default, Clone)]
pub struct Dict {
    entries: Vec<(Value, Value)>,
    index: OnceCell<HashMap<Key, usize>>,
}

/// A hashable value; equal where Python's values are equal and hash alike (1, 1.0 and True are).
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Key {
    None,
    Int(i64),
    Big(Rc<num_bigint::BigInt>),
    /// The bits of a float that is no i64.
    Float(u64),
    Str(std::sync::Arc<str>),
    Tuple(Vec<Key>),
    /// An object, by its identity.
    Object(usize),
}

impl Key {
    /// Refuses unhashable values, as Python does: TypeError.
    pub fn of(value: &Value) -> Result<Key> {
        Key::within(value, 0)
    }

    /// The key of a value that is so deep within tuples.
    fn within(value: &Value, depth: u32) -> Result<Key> {
        if depth > DEEPEST {
            return Err(Error::new(Kind::Recursion, "maximum recursion depth exceeded"));
        }
        let deeper = |item: &Value| Key::within(item, depth + 1);
        Ok(match value {
            Value::None => Key::None,
            Value::Bool(b) => Key::Int(*b as i64),
            Value::Int(i) => Key::Int(*i),
            Value::Big(big) => Key::Big(big.clone()),
            Value::Float(f) => Key::float(*f),
            Value::Str(text) | Value::Markup(text) => Key::Str(text.clone()),
            Value::Tuple(items) => Key::Tuple(items.iter().map(deeper).collect::<Result<_>>()?),
            Value::Object(object) if object.as_tuple().is_some() => {
                value.subtuple().map_or(Ok(Key::None), |tuple| deeper(&tuple))?
            }
            // These are sets to Python, and no set is hashable.
            Value::Object(object) if matches!(object.type_name(), "dict_keys" | "dict_items") => {
                return type_error(format!("unhashable type: '{}'", value.type_name()))
            }
            Value::Object(object) if object.key().is_some() => object.key().unwrap_or(Key::None),
            Value::Object(object) => Key::Object(Rc::as_ptr(object).cast::<()>() as usize),
            // jinja2's Undefined hashes by its type, so that all are one key.
            Value::Undefined(_) => Key::Object(0),
            Value::List(_) | Value::Dict(_) => {
                return type_error(format!("unhashable type: '{}'", value.type_name()))
            }
        })
    }

    fn float(f: f64) -> Key {
        if f.fract() == 0.0 && f.abs() < 9.2e18 {
            return Key::Int(f as i64);
        }
        match <num_bigint::BigInt as num_traits::FromPrimitive>::from_f64(f) {
            Some(big) if f.fract() == 0.0 => Key::Big(Rc::new(big)),
            _ => Key::Float(f.to_bits()),
        }
    }
}

impl Dict {
    pub fn with_capacity(count: usize) -> Dict {
        Dict { entries: Vec::with_capacity(count), index: OnceCell::new() }
    }
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&Value, &Value)> + ExactSizeIterator {
        self.entries.iter().map(|(key, value)| (key, value))
    }
    /// The entry at a position, in the dict's order.
    pub fn entry(&self, at: usize) -> Option<(&Value, &Value)> {
        self.entries.get(at).map(|(key, value)| (key, value))
    }
    /// The value of a key; an unhashable key is an error.
    pub fn get(&self, key: &Value) -> Result<Option<&Value>> {
        match key.as_str() {
            Some(text) => Ok(self.get_str(text)),
            None => Ok(self.position(&Key::of(key)?).map(|at| &self.entries[at].1)),
        }
    }
    pub fn get_str(&self, key: &str) -> Option<&Value> {
        let at = if self.len() < INDEXED {
            self.entries.iter().position(|(k, _)| k.as_str() == Some(key))
        } else {
            self.position(&Key::Str(key.into()))
        };
        at.map(|at| &self.entries[at].1)
    }
    /// Sets a key; one that is there keeps its place and its own spelling (1 stays 1 under True).
    pub fn set(&mut self, key: Value, value: Value) -> Result<()> {
        let hashed = Key::of(&key)?;
        if let Some(at) = self.position(&hashed) {
            self.entries[at].1 = value;
            return Ok(());
        }
        if let Some(index) = self.index.get_mut() {
            index.insert(hashed, self.entries.len());
        }
        self.entries.push((key, value));
        Ok(())
    }

    fn position(&self, key: &Key) -> Option<usize> {
        if self.len() < INDEXED {
            return self.entries.iter().position(|(k, _)| Key::of(k).is_ok_and(|k| k == *key));
        }
        let index = self.index.get_or_init(|| {
            let keys = self.entries.iter().enumerate();
            keys.filter_map(|(at, (k, _))| Key::of(k).ok().map(|k| (k, at))).collect()
        });
        index.get(key).copied()
    }
}
