//! Loops.

use super::context::Context;
use super::filtered::Filtered;
use super::loop_object::{Loop, Recurse};
use super::output::Output;
use super::{call_function, Env, Flow, Frame};
use crate::access;
use crate::code::{Expr, For, FunctionId, LoopFilter, Pass};
use crate::error::Result;
use crate::runtime::Runtime;
use crate::value::{Iterate, Value};
use std::rc::Rc;
use std::sync::Arc;

/// What a loop goes through.
pub enum Items {
    Vec(Rc<Vec<Value>>, usize),
    Iterator(Rc<dyn Iterate>),
}

impl Items {
    pub fn of(rt: &Runtime, value: &Value) -> Result<Items> {
        Ok(match value {
            Value::List(items) | Value::Tuple(items) => Items::Vec(items.clone(), 0),
            _ => Items::Iterator(access::iterate(rt, value)?),
        })
    }

    pub fn next(&mut self, rt: &Runtime) -> Option<Result<Value>> {
        match self {
            Items::Vec(items, at) => {
                let item = items.get(*at)?.clone();
                *at += 1;
                Some(Ok(item))
            }
            Items::Iterator(iterator) => iterator.next(rt),
        }
    }
}

/// The items of a loop, and what it goes through, where that has a length.
pub struct Source {
    pub items: Items,
    pub sized: Option<Value>,
}

impl Frame<'_> {
    pub(super) fn for_loop(self, node: &For, out: &mut Output) -> Result<Flow> {
        let over = self.eval(&node.over)?;
        let source = self.source(over, node.filter.as_ref(), self.env)?;
        self.pass(&node.pass, source, None, 0, out)
    }

    /// `env` is the environment around the loop, in which the filter is.
    fn source(self, over: Value, filter: Option<&Arc<LoopFilter>>, env: &Rc<Env>) -> Result<Source> {
        Ok(match filter {
            None => Source { items: Items::of(self.rt, &over)?, sized: Some(over) },
            Some(filter) => {
                let filtered = Filtered::new(self.cx, env, filter, over);
                Source { items: Items::Iterator(Rc::new(filtered)), sized: None }
            }
        })
    }

    pub(super) fn recursive_for(self, over: &Expr, function: FunctionId, out: &mut Output) -> Result<()> {
        let over = self.eval(over)?;
        let text = recurse(self.rt, self.cx, self.env, function, over, 0)?;
        out.write(self.rt, &text)
    }

    fn pass(
        self,
        pass: &Pass,
        source: Source,
        recurse: Option<Recurse>,
        depth: i64,
        out: &mut Output,
    ) -> Result<Flow> {
        let completed = match pass.special {
            None => {
                let mut items = source.items;
                self.iterate(pass, || items.next(self.rt), out)?
            }
            Some(slot) => {
                let special = Loop::new(source, recurse, depth);
                let value = Value::Object(special.clone());
                let next = || {
                    let item = special.advance(self.rt);
                    self.env.set(slot, Some(value.clone()));
                    item
                };
                self.iterate(pass, next, out)?
            }
        };
        self.leave(&pass.scope.leave);
        match &pass.otherwise {
            Some((scope, body)) if !completed => {
                self.enter(&scope.enter);
                let flow = self.body(body, out)?;
                self.leave(&scope.leave);
                Ok(flow)
            }
            _ => Ok(Flow::Next),
        }
    }

    /// Runs the body for each item. Whether one run came to its end: `else` is for when none did,
    /// be it for `continue`.
    fn iterate(
        self,
        pass: &Pass,
        mut next: impl FnMut() -> Option<Result<Value>>,
        out: &mut Output,
    ) -> Result<bool> {
        let mut completed = false;
        while let Some(item) = next() {
            self.rt.step(1)?;
            self.assign(&pass.target, item?)?;
            self.enter(&pass.scope.enter);
            match self.body(&pass.body, out)? {
                Flow::Next => completed = true,
                Flow::Continue => {}
                Flow::Break => break,
            }
        }
        Ok(completed)
    }
}

/// Runs a recursive loop over an iterable.
pub fn recurse(
    rt: &Runtime,
    cx: &Rc<Context>,
    outer: &Rc<Env>,
    id: FunctionId,
    over: Value,
    depth: i64,
) -> Result<String> {
    let function = &cx.session.code.functions[id];
    let Some(recursion) = &function.recursion else { return Ok(String::new()) };
    call_function(rt, cx, function, || {
        let env = Env::new(function, Some(outer.clone()), cx);
        let frame = Frame { rt, cx, env: &env };
        let source = frame.source(over, recursion.filter.as_ref(), outer)?;
        let again = Recurse { cx: cx.clone(), outer: outer.clone(), function: id };
        let mut out = Output::buffer();
        frame.pass(&recursion.pass, source, Some(again), depth, &mut out)?;
        Ok(out.text)
    })
}
