//! The variable `loop`.

use super::context::Context;
use super::loops::{Items, Source};
use super::Env;
use crate::access;
use crate::code::FunctionId;
use crate::error::{type_error, Kind, Result};
use crate::operations;
use crate::runtime::Runtime;
use crate::value::{Args, Iterate, Object, Value};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// How a recursive loop is run again.
pub struct Recurse {
    pub cx: Rc<Context>,
    pub outer: Rc<Env>,
    pub function: FunctionId,
}

/// LoopContext of jinja2.
pub struct Loop {
    me: Weak<Loop>,
    items: RefCell<Items>,
    sized: Option<Value>,
    length: Cell<Option<i64>>,
    index0: Cell<i64>,
    depth0: i64,
    /// The next item, if it was looked at already.
    after: RefCell<Option<Value>>,
    current: RefCell<Option<Value>>,
    before: RefCell<Option<Value>>,
    changed: RefCell<Option<Vec<Value>>>,
    recurse: Option<Recurse>,
}

impl Loop {
    pub fn new(source: Source, recurse: Option<Recurse>, depth0: i64) -> Rc<Loop> {
        Rc::new_cyclic(|me| Loop {
            me: me.clone(),
            items: RefCell::new(source.items),
            sized: source.sized,
            length: Cell::new(None),
            index0: Cell::new(-1),
            depth0,
            after: RefCell::default(),
            current: RefCell::default(),
            before: RefCell::default(),
            changed: RefCell::default(),
            recurse,
        })
    }

    /// Goes on to the next item.
    pub fn advance(&self, rt: &Runtime) -> Option<Result<Value>> {
        let after = self.after.borrow_mut().take();
        let item = match after {
            Some(item) => item,
            None => match self.draw(rt)? {
                Ok(item) => item,
                Err(error) => return Some(Err(error)),
            },
        };
        self.index0.set(self.index0.get() + 1);
        let before = self.current.replace(Some(item.clone()));
        self.before.replace(before);
        Some(Ok(item))
    }

    fn draw(&self, rt: &Runtime) -> Option<Result<Value>> {
        let iterator = match &mut *self.items.borrow_mut() {
            Items::Iterator(iterator) => iterator.clone(),
            items => return items.next(rt),
        };
        iterator.next(rt)
    }

    fn peek(&self, rt: &Runtime) -> Result<Option<Value>> {
        if self.after.borrow().is_none() {
            let next = self.draw(rt).transpose()?;
            self.after.replace(next);
        }
        Ok(self.after.borrow().clone())
    }

    fn index(&self) -> i64 {
        self.index0.get() + 1
    }

    fn length(&self, rt: &Runtime) -> Result<i64> {
        if let Some(length) = self.length.get() {
            return Ok(length);
        }
        let length = match self.sized.as_ref().map(|sized| access::length(rt, sized)) {
            Some(Ok(length)) => length as i64,
            Some(Err(error)) if error.kind != Kind::Type => return Err(error),
            _ => self.drain(rt)?,
        };
        self.length.set(Some(length));
        Ok(length)
    }

    /// Draws all items that are left, in order to count them.
    fn drain(&self, rt: &Runtime) -> Result<i64> {
        let mut rest = Vec::new();
        while let Some(item) = self.draw(rt) {
            rt.step(1)?;
            rest.push(item?);
        }
        let count = rest.len() as i64;
        self.items.replace(Items::Vec(Rc::new(rest), 0));
        Ok(count + self.index() + self.after.borrow().is_some() as i64)
    }

    fn previous(&self) -> Value {
        match &*self.before.borrow() {
            Some(item) if self.index0.get() != 0 => item.clone(),
            _ => Value::undefined("there is no previous item"),
        }
    }

    fn cycle(&self, args: &Args) -> Result<Value> {
        if !args.named.is_empty() {
            return type_error("LoopContext.cycle() got an unexpected keyword argument");
        }
        match args.positional.len() {
            0 => type_error("no items for cycling given"),
            count => Ok(args.positional[self.index0.get().rem_euclid(count as i64) as usize].clone()),
        }
    }

    fn has_changed(&self, rt: &Runtime, args: Args) -> Result<Value> {
        if !args.named.is_empty() {
            return type_error("LoopContext.changed() got an unexpected keyword argument");
        }
        let before = Value::tuple(self.changed.borrow().clone().unwrap_or_default());
        let now = Value::tuple(args.positional.clone());
        if self.changed.borrow().is_some() && operations::equals(rt, &before, &now)? {
            return Ok(Value::Bool(false));
        }
        self.changed.replace(Some(args.positional));
        Ok(Value::Bool(true))
    }

    fn method(&self, changed: bool) -> Result<Option<Value>> {
        let method = |owner| Value::Object(Rc::new(LoopMethod { owner, changed }) as Rc<dyn Object>);
        Ok(self.me.upgrade().map(method))
    }
}

impl Object for Loop {
    fn type_name(&self) -> &str {
        "LoopContext"
    }
    fn repr(&self, rt: &Runtime) -> Result<String> {
        Ok(format!("<LoopContext {}/{}>", self.index(), self.length(rt)?))
    }
    fn attribute(&self, rt: &Runtime, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "index" => Value::Int(self.index()),
            "index0" => Value::Int(self.index0.get()),
            "first" => Value::Bool(self.index0.get() == 0),
            "last" => Value::Bool(self.peek(rt)?.is_none()),
            "length" => Value::Int(self.length(rt)?),
            "revindex" => Value::Int(self.length(rt)? - self.index0.get()),
            "revindex0" => Value::Int(self.length(rt)? - self.index()),
            "previtem" => self.previous(),
            "nextitem" => self.peek(rt)?.unwrap_or_else(|| Value::undefined("there is no next item")),
            "depth" => Value::Int(self.depth0 + 1),
            "depth0" => Value::Int(self.depth0),
            "cycle" => return self.method(false),
            "changed" => return self.method(true),
            _ => return Ok(None),
        }))
    }
    fn length(&self) -> Option<usize> {
        self.length.get().and_then(|length| length.try_into().ok())
    }
    fn iterator(self: Rc<Self>, _rt: &Runtime) -> Result<Option<Rc<dyn Iterate>>> {
        Ok(Some(self))
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        let mut positional =
            args.positional.into_iter().chain(args.named.into_iter().map(|(_, value)| value));
        let (Some(over), None) = (positional.next(), positional.next()) else {
            return type_error("LoopContext.__call__() takes 1 argument: 'iterable'");
        };
        let Some(again) = &self.recurse else {
            return type_error("The loop must have the 'recursive' marker to be called recursively.");
        };
        let depth = self.depth0 + 1;
        super::loops::recurse(rt, &again.cx, &again.outer, again.function, over, depth).map(Value::str)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Iterate for Loop {
    fn next(&self, rt: &Runtime) -> Option<Result<Value>> {
        let me = Value::Object(self.me.upgrade()?);
        Some(self.advance(rt)?.map(|item| Value::tuple(vec![item, me])))
    }
}

/// `loop.cycle` and `loop.changed`
struct LoopMethod {
    owner: Rc<Loop>,
    changed: bool,
}

impl Object for LoopMethod {
    fn type_name(&self) -> &str {
        "method"
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        match self.changed {
            true => self.owner.has_changed(rt, args),
            false => self.owner.cycle(&args),
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
