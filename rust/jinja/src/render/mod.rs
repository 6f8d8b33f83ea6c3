//! Runs a compiled template.

mod assign;
mod blocks;
mod calls;
mod context;
mod expressions;
mod filtered;
mod loop_object;
mod loops;
mod macros;
mod output;
mod statements;

use crate::code::{Code, Function, Load, Variable, ROOT};
use crate::error::{Error, Kind, Result};
use crate::runtime::Runtime;
use crate::value::Value;
use context::{Context, Session};
use output::Output;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// The text of a template with these variables.
pub fn render(code: &Arc<Code>, rt: &Runtime, variables: &Value) -> Result<String> {
    let session = Rc::new(Session::new(code.clone()));
    let cx = Rc::new(Context::root(session.clone(), variables.clone()));
    let mut out = Output::top(code.has_generation);
    let result = run_root(rt, &cx, &mut out);
    session.release(&cx);
    result.map(|()| out.text)
}

fn run_root(rt: &Runtime, cx: &Rc<Context>, out: &mut Output) -> Result<()> {
    let function = &cx.session.code.functions[ROOT];
    let env = Env::new(function, None, cx);
    let frame = Frame { rt, cx, env: &env };
    frame.enter(&function.enter);
    if let Some(slot) = function.own {
        env.set(slot, Some(blocks::template_reference(cx)));
    }
    frame.body(&function.body, out)?;
    Ok(())
}

/// The variables of one call of a function; None is jinja2's `missing`.
pub struct Env {
    slots: RefCell<Vec<Option<Value>>>,
    /// Those of the call of the function around it, at the time when this one was made.
    parent: Option<Rc<Env>>,
}

impl Env {
    fn new(function: &Function, parent: Option<Rc<Env>>, cx: &Context) -> Rc<Env> {
        let env = Rc::new(Env { slots: RefCell::new(vec![None; function.slots]), parent });
        if function.has_inner {
            cx.session.keep(&env);
        }
        env
    }

    fn set(&self, slot: u32, value: Option<Value>) {
        let old = std::mem::replace(&mut self.slots.borrow_mut()[slot as usize], value);
        drop(old);
    }

    fn get(&self, variable: Variable) -> Option<Value> {
        let mut env = self;
        for _ in 0..variable.up {
            env = env.parent.as_ref()?;
        }
        env.slots.borrow()[variable.slot as usize].clone()
    }

    fn set_outer(&self, variable: Variable, value: Value) {
        let mut env = self;
        for _ in 0..variable.up {
            let Some(parent) = &env.parent else { return };
            env = parent;
        }
        env.set(variable.slot, Some(value));
    }

    /// Forgets all variables, which may refer to their own environment.
    fn clear(&self) {
        let slots = std::mem::take(&mut *self.slots.borrow_mut());
        drop(slots);
    }
}

/// How a statement ended.
#[derive(Clone, Copy, PartialEq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// Where statements and expressions are run.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    rt: &'a Runtime,
    cx: &'a Rc<Context>,
    env: &'a Rc<Env>,
}

/// How deep statements and expressions may be within one another over all calls, so that a stack of
/// two MiB holds them. Code that is not optimized takes several times as much of it.
const STACK: u32 = if cfg!(debug_assertions) { 700 } else { 2500 };

impl Frame<'_> {
    fn enter(self, loads: &[Load]) {
        for load in loads {
            match load {
                Load::Resolve(slot, name) => self.env.set(*slot, self.cx.resolve(*name)),
                Load::Alias(slot, outer) => self.env.set(*slot, self.env.get(*outer)),
                Load::Clear(slot) => self.env.set(*slot, None),
            }
        }
    }

    fn leave(self, slots: &[u32]) {
        slots.iter().for_each(|slot| self.env.set(*slot, None));
    }
}

/// Calls a function of the template, unless the stack gets too deep.
fn call_function<T>(
    rt: &Runtime,
    cx: &Context,
    function: &Function,
    body: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let depth = &cx.session.depth;
    let before = depth.get();
    if before + function.height > STACK {
        return Err(Error::new(Kind::Recursion, "maximum recursion depth exceeded"));
    }
    depth.set(before + function.height);
    let result = rt.deeper(body);
    depth.set(before);
    result
}
