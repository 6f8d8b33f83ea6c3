//! `for … in … if …`: the generator of the items that pass.

use super::context::Context;
use super::loops::Items;
use super::{Env, Frame};
use crate::code::{LoopFilter, Target, Variable};
use crate::error::Result;
use crate::runtime::Runtime;
use crate::value::{Iterate, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

pub struct Filtered {
    cx: Rc<Context>,
    env: Rc<Env>,
    filter: Arc<LoopFilter>,
    over: Value,
    /// None until the first item is asked for.
    items: RefCell<Option<Items>>,
    /// After the last item, or an error.
    ended: Cell<bool>,
}

impl Filtered {
    pub fn new(cx: &Rc<Context>, outer: &Rc<Env>, filter: &Arc<LoopFilter>, over: Value) -> Filtered {
        let function = &cx.session.code.functions[filter.function];
        let env = Env::new(function, Some(outer.clone()), cx);
        let (cx, filter) = (cx.clone(), filter.clone());
        Filtered { cx, env, filter, over, items: RefCell::default(), ended: Cell::new(false) }
    }

    fn item(&self, rt: &Runtime) -> Result<Option<Value>> {
        let frame = Frame { rt, cx: &self.cx, env: &self.env };
        if self.items.borrow().is_none() {
            frame.enter(&self.cx.session.code.functions[self.filter.function].enter);
            *self.items.borrow_mut() = Some(Items::of(rt, &self.over)?);
        }
        loop {
            rt.step(1)?;
            let next = self.items.borrow_mut().as_mut().and_then(|items| items.next(rt));
            let Some(item) = next.transpose()? else { return Ok(None) };
            frame.assign(&self.filter.target, item)?;
            if frame.test(&self.filter.test)? {
                return Ok(value_of(&self.env, &self.filter.target));
            }
        }
    }
}

/// A target as an expression: a tuple of what it took apart.
fn value_of(env: &Env, target: &Target) -> Option<Value> {
    match target {
        Target::Variable(slot) => env.get(Variable { up: 0, slot: *slot }),
        Target::Tuple(items) => {
            items.iter().map(|item| value_of(env, item)).collect::<Option<_>>().map(Value::tuple)
        }
        Target::NamespaceAttribute(..) => None,
    }
}

impl Iterate for Filtered {
    fn next(&self, rt: &Runtime) -> Option<Result<Value>> {
        if self.ended.get() {
            return None;
        }
        let item = self.item(rt).transpose();
        self.ended.set(!matches!(item, Some(Ok(_))));
        item
    }
}
