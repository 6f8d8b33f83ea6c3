//! jinja2's context: the variables that are looked up by their names.

use super::Env;
use crate::code::{Code, NameId};
use crate::value::Value;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// What all contexts of a rendering share.
pub struct Session {
    pub code: Arc<Code>,
    /// How deep the running functions are in statements and expressions.
    pub depth: Cell<u32>,
    undefined: Vec<OnceCell<Value>>,
    pub pool: Vec<OnceCell<Value>>,
    /// Environments and contexts that functions of theirs may refer to.
    environments: RefCell<Vec<Rc<Env>>>,
    contexts: RefCell<Vec<Rc<Context>>>,
}

pub struct Context {
    pub session: Rc<Session>,
    /// What the template's top level has set.
    vars: RefCell<Vec<Option<Value>>>,
    parent: Parent,
}

enum Parent {
    /// The variables that the template is given, and the global functions.
    Given(Value, Vec<OnceCell<Option<Value>>>),
    /// What a scoped block sees.
    Derived(Vec<Option<Value>>),
}

fn cells<T>(count: usize) -> Vec<OnceCell<T>> {
    std::iter::repeat_with(OnceCell::new).take(count).collect()
}

impl Session {
    pub fn new(code: Arc<Code>) -> Session {
        Session {
            depth: Cell::new(0),
            undefined: cells(code.names.len()),
            pool: cells(code.pool_size),
            environments: RefCell::default(),
            contexts: RefCell::default(),
            code,
        }
    }

    /// The value of a name that is missing.
    pub fn undefined(&self, name: NameId) -> Value {
        let cell = &self.undefined[name as usize];
        cell.get_or_init(|| Value::undefined(format!("'{}' is undefined", self.code.names[name as usize])))
            .clone()
    }

    pub fn keep(&self, env: &Rc<Env>) {
        self.environments.borrow_mut().push(env.clone());
    }

    /// Breaks the circles of macros and the variables that they see.
    pub fn release(&self, root: &Context) {
        root.vars.borrow_mut().clear();
        let contexts = std::mem::take(&mut *self.contexts.borrow_mut());
        contexts.iter().for_each(|context| context.vars.borrow_mut().clear());
        let environments = std::mem::take(&mut *self.environments.borrow_mut());
        environments.iter().for_each(|env| env.clear());
    }
}

impl Context {
    pub fn root(session: Rc<Session>, variables: Value) -> Context {
        let count = session.code.names.len();
        let parent = Parent::Given(variables, cells(count));
        Context { session, vars: RefCell::new(vec![None; count]), parent }
    }

    /// context.derived(locals)
    pub fn derived(&self, locals: Vec<(NameId, Option<Value>)>) -> Rc<Context> {
        let count = self.session.code.names.len();
        let mut parent: Vec<_> = (0..count as NameId).map(|name| self.resolve(name)).collect();
        for (name, value) in locals {
            if value.is_some() {
                parent[name as usize] = value;
            }
        }
        let vars = RefCell::new(vec![None; count]);
        let context =
            Rc::new(Context { session: self.session.clone(), vars, parent: Parent::Derived(parent) });
        self.session.contexts.borrow_mut().push(context.clone());
        context
    }

    /// context.resolve_or_missing(name)
    pub fn resolve(&self, name: NameId) -> Option<Value> {
        if let Some(value) = &self.vars.borrow()[name as usize] {
            return Some(value.clone());
        }
        match &self.parent {
            Parent::Given(variables, found) => {
                found[name as usize].get_or_init(|| self.find(variables, name)).clone()
            }
            Parent::Derived(values) => values[name as usize].clone(),
        }
    }

    fn find(&self, variables: &Value, name: NameId) -> Option<Value> {
        let name = &self.session.code.names[name as usize];
        let given = match variables {
            Value::Dict(variables) => variables.get_str(name),
            _ => None,
        };
        given.cloned().or_else(|| crate::globals::find(name))
    }

    pub fn export(&self, name: NameId, value: Option<Value>) {
        let old = std::mem::replace(&mut self.vars.borrow_mut()[name as usize], value);
        drop(old);
    }
}
