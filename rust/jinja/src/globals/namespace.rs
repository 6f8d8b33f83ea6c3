//! namespace(), in the version of transformers: no name may begin with an underscore.

use super::mapping;
use crate::dict::Dict;
use crate::error::{unsupported, Error, Kind, Result};
use crate::repr::{repr, str_repr};
use crate::runtime::Runtime;
use crate::value::{Args, Object, Value};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The class TemplateNamespace; calling it makes a namespace.
pub struct Class;

impl Object for Class {
    fn type_name(&self) -> &str {
        "type"
    }
    fn repr(&self, _rt: &Runtime) -> Result<String> {
        Ok("<class 'transformers.utils.chat_template_utils._cached_compile_jinja_template.<locals>.\
            TemplateNamespace'>"
            .into())
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        let names = mapping::new(rt, args)?;
        names.iter().try_for_each(|(name, _)| check(name))?;
        Ok(Value::Object(Rc::new(Namespace {
            names: RefCell::new(names),
            printing: Cell::new(false),
            settings: Cell::new(0),
        })))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Namespace {
    names: RefCell<Dict>,
    /// Whether repr() is under way, so that a namespace that holds itself prints as "{...}" within.
    printing: Cell<bool>,
    /// How many names were set.
    settings: Cell<u32>,
}

/// Lists and dicts that a namespace may hold within each other. A loop can nest them without end, and
/// what is too deep cannot be dropped, compared or printed without too deep a recursion.
const DEEPEST: u32 = 1000;

/// How many settings one look at the depth is for.
const EVERY: u32 = 64;

/// `{% set object.name = value %}`; anything but a namespace is refused as jinja2 refuses it.
pub fn set_attribute(rt: &Runtime, object: &Value, name: &str, value: Value) -> Result<()> {
    let namespace = match object {
        Value::Object(object) => object.as_any().downcast_ref::<Namespace>(),
        _ => None,
    };
    let Some(namespace) = namespace else {
        return Err(Error::new(Kind::Runtime, "cannot assign attribute on non-namespace object"));
    };
    let name = Value::str(name);
    check(&name)?;
    namespace.settings.set(namespace.settings.get().wrapping_add(1));
    if namespace.settings.get() % EVERY == 0 && is_deeper(rt, &value, DEEPEST)? {
        return unsupported("the template nests lists or dicts too deeply");
    }
    namespace.names.borrow_mut().set(name, value)
}

fn is_deeper(rt: &Runtime, value: &Value, limit: u32) -> Result<bool> {
    let mut within: Box<dyn Iterator<Item = &Value>> = match value {
        Value::List(items) | Value::Tuple(items) => Box::new(items.iter()),
        Value::Dict(entries) => Box::new(entries.iter().map(|(_, item)| item)),
        _ => return Ok(false),
    };
    rt.step(1)?;
    if limit == 0 {
        return Ok(true);
    }
    within.try_fold(false, |deeper, item| Ok(deeper || is_deeper(rt, item, limit - 1)?))
}

fn check(name: &Value) -> Result<()> {
    match name.as_str() {
        Some(name) if name.starts_with('_') => Err(Error::new(
            Kind::Security,
            format!(
                "Chat templates cannot store underscore-prefixed attributes on a namespace, but got {}. \
                 Please rename the attribute.",
                str_repr(name)
            ),
        )),
        _ => Ok(()),
    }
}

impl Object for Namespace {
    fn type_name(&self) -> &str {
        "TemplateNamespace"
    }
    fn repr(&self, rt: &Runtime) -> Result<String> {
        if self.printing.replace(true) {
            return Ok("<Namespace {...}>".into());
        }
        let names = Value::dict(self.names.borrow().clone());
        let names = repr(rt, &names);
        self.printing.set(false);
        Ok(format!("<Namespace {}>", names?))
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        Ok(self.names.borrow().get_str(name).cloned())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
