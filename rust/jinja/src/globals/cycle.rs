//! cycler() and joiner().

use super::function::Function;
use crate::error::{unsupported, Error, Kind, Result};
use crate::filters::arguments::bind;
use crate::runtime::Runtime;
use crate::value::{Args, Object, Value};
use std::any::Any;
use std::cell::Cell;
use std::rc::Rc;

/// The classes jinja2.utils.Cycler and jinja2.utils.Joiner.
#[derive(Clone, Copy)]
pub enum Class {
    Cycler,
    Joiner,
}

impl Object for Class {
    fn type_name(&self) -> &str {
        "type"
    }
    fn repr(&self, _rt: &Runtime) -> Result<String> {
        Ok(match self {
            Class::Cycler => "<class 'jinja2.utils.Cycler'>".into(),
            Class::Joiner => "<class 'jinja2.utils.Joiner'>".into(),
        })
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        match (self, name) {
            (Class::Cycler, "next" | "reset" | "current") => {
                unsupported(format!("the template takes {name} from the class of all cyclers"))
            }
            _ => Ok(None),
        }
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, _rt: &Runtime, args: Args) -> Result<Value> {
        match self {
            Class::Cycler => cycler(args),
            Class::Joiner => joiner(args),
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn cycler(args: Args) -> Result<Value> {
    let items: Rc<Vec<Value>> = Rc::new(args.positional);
    if let Some((name, _)) = args.named.first() {
        let what = format!("Cycler.__init__() got an unexpected keyword argument '{name}'");
        return crate::error::type_error(what);
    }
    if items.is_empty() {
        return Err(Error::new(Kind::Runtime, "at least one item has to be provided"));
    }
    Ok(Value::Object(Rc::new(Cycler { items, at: Rc::new(Cell::new(0)) })))
}

struct Cycler {
    items: Rc<Vec<Value>>,
    at: Rc<Cell<usize>>,
}

impl Object for Cycler {
    fn type_name(&self) -> &str {
        "Cycler"
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        let (items, at) = (self.items.clone(), self.at.clone());
        Ok(Some(match name {
            "items" => Value::Tuple(items),
            "pos" => Value::Int(at.get() as i64),
            "current" => items[at.get()].clone(),
            "next" => Function::value(move |_: &Runtime, args| {
                let ([], []) = bind("Cycler.next", [], [], args)?;
                let current = items[at.get()].clone();
                at.set((at.get() + 1) % items.len());
                Ok(current)
            }),
            "reset" => Function::value(move |_: &Runtime, args| {
                let ([], []) = bind("Cycler.reset", [], [], args)?;
                at.set(0);
                Ok(Value::None)
            }),
            _ => return Ok(None),
        }))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn joiner(args: Args) -> Result<Value> {
    let ([], [separator]) = bind("Joiner.__init__", [], ["sep"], args)?;
    let separator = separator.unwrap_or_else(|| Value::str(", "));
    Ok(Value::Object(Rc::new(Joiner { separator, used: Cell::new(false) })))
}

struct Joiner {
    separator: Value,
    used: Cell<bool>,
}

impl Object for Joiner {
    fn type_name(&self) -> &str {
        "Joiner"
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "sep" => Some(self.separator.clone()),
            "used" => Some(Value::Bool(self.used.get())),
            _ => None,
        })
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, _rt: &Runtime, args: Args) -> Result<Value> {
        let ([], []) = bind("Joiner.__call__", [], [], args)?;
        Ok(if self.used.replace(true) { self.separator.clone() } else { Value::str("") })
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
