//! Python's values, as far as a chat template can make them.

use crate::dict::Dict;
use crate::error::{type_error, Result};
use crate::runtime::Runtime;
use num_bigint::BigInt;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone)]
pub enum Value {
    /// jinja2.Undefined: prints as nothing, and every other use of it is an error with this message.
    Undefined(Rc<str>),
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond i64; operations::integer() keeps to this rule.
    Big(Rc<BigInt>),
    Float(f64),
    Str(Arc<str>),
    /// markupsafe.Markup, a str whose operators and methods escape what is joined to it.
    Markup(Arc<str>),
    /// The sandbox forbids what would change a list or a dict, so they are shared.
    List(Rc<Vec<Value>>),
    Tuple(Rc<Vec<Value>>),
    Dict(Rc<Dict>),
    /// Everything else: iterators, functions, bound methods, range, namespace, loop, macros.
    Object(Rc<dyn Object>),
}

/// The arguments of a call.
#[derive(Default)]
pub struct Args {
    pub positional: Vec<Value>,
    pub named: Vec<(Arc<str>, Value)>,
}

/// A value whose behaviour is its own. The defaults are those of a plain Python object; hooks return
/// Ok(None) for "there is no such thing".
pub trait Object {
    /// type(x).__name__
    fn type_name(&self) -> &str;
    /// repr(x); str(x) too. Refused by default, because Python's shows an address.
    fn repr(&self, _rt: &Runtime) -> Result<String> {
        crate::error::unsupported(format!(
            "the template prints a {}, which Python shows by its address",
            self.type_name()
        ))
    }
    fn truth(&self) -> bool {
        true
    }
    /// x.name
    fn attribute(&self, _rt: &Runtime, _name: &str) -> Result<Option<Value>> {
        Ok(None)
    }
    /// x[key]; the default says that there are no items (TypeError).
    fn item(&self, _rt: &Runtime, _key: &Value) -> Result<Option<Value>> {
        type_error(format!("'{}' object is not subscriptable", self.type_name()))
    }
    /// len(x)
    fn length(&self) -> Option<usize> {
        None
    }
    /// iter(x); an iterator returns itself, and can be used once.
    fn iterator(self: Rc<Self>, _rt: &Runtime) -> Result<Option<Rc<dyn Iterate>>> {
        Ok(None)
    }
    fn callable(&self) -> bool {
        false
    }
    fn call(&self, _rt: &Runtime, _args: Args) -> Result<Value> {
        type_error(format!("'{}' object is not callable", self.type_name()))
    }
    /// x == other, where other is an object too; identity by default.
    fn equals(&self, _other: &Value) -> Option<bool> {
        None
    }
    /// `needle in x`, where that is more than a search through the iteration.
    fn contains(&self, _rt: &Runtime, _needle: &Value) -> Result<Option<bool>> {
        Ok(None)
    }
    /// isinstance(x, collections.abc.Mapping / Sequence), as the tests of these names ask.
    fn is_mapping(&self) -> bool {
        false
    }
    /// What hash(x) goes by, where that is not the identity.
    fn key(&self) -> Option<crate::dict::Key> {
        None
    }
    /// The items, where type(x) is a subclass of tuple.
    fn as_tuple(&self) -> Option<Rc<Vec<Value>>> {
        None
    }
    fn as_any(&self) -> &dyn std::any::Any;
}

/// A Python iterator.
pub trait Iterate {
    /// next(x); None at the end. Lazy: errors come when the item is asked for.
    fn next(&self, rt: &Runtime) -> Option<Result<Value>>;
    /// How many items are left, where Python's __length_hint__ would know without asking for them.
    fn left(&self) -> Option<usize> {
        None
    }
}

impl Value {
    pub fn str(text: impl Into<Arc<str>>) -> Value {
        Value::Str(text.into())
    }
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Rc::new(items))
    }
    pub fn tuple(items: Vec<Value>) -> Value {
        Value::Tuple(Rc::new(items))
    }
    pub fn dict(items: Dict) -> Value {
        Value::Dict(Rc::new(items))
    }
    pub fn undefined(message: impl Into<Rc<str>>) -> Value {
        Value::Undefined(message.into())
    }
    /// The text of a str or a Markup.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) | Value::Markup(text) => Some(text),
            _ => None,
        }
    }
    /// The tuple that an object is, where its type is a subclass of tuple.
    pub fn subtuple(&self) -> Option<Value> {
        match self {
            Value::Object(object) => object.as_tuple().map(Value::Tuple),
            _ => None,
        }
    }
    pub fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined(_))
    }
    pub fn is_none(&self) -> bool {
        matches!(self, Value::None)
    }
    /// type(x).__name__
    pub fn type_name(&self) -> &str {
        match self {
            Value::Undefined(_) => "Undefined",
            Value::None => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::Big(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) => "str",
            Value::Markup(_) => "Markup",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Dict(_) => "dict",
            Value::Object(object) => object.type_name(),
        }
    }
}
