//! Generators, as the filters that jinja2 writes with `yield` return them.

use crate::access;
use crate::error::{value_error, Result};
use crate::runtime::Runtime;
use crate::value::{Iterate, Value};
use std::cell::RefCell;
use std::rc::Rc;

/// The rest of a generator: gives its next item at each call.
pub type Rest = Box<dyn FnMut(&Runtime) -> Option<Result<Value>>>;

type Start = Box<dyn FnOnce(&Runtime) -> Result<Rest>>;

enum State {
    New(Start),
    Suspended(Rest),
    Running,
    Finished,
}

struct Body(RefCell<State>);

thread_local! {
    /// The bodies that wait to be dropped, while another is.
    static DROPPED: RefCell<Option<Vec<State>>> = const { RefCell::new(None) };
}

impl Drop for Body {
    /// Drops generators of generators, which a loop can nest without end, one after the other.
    fn drop(&mut self) {
        let state = self.0.replace(State::Finished);
        let waits = |waiting: &RefCell<Option<Vec<State>>>| match &mut *waiting.borrow_mut() {
            Some(others) => {
                others.push(state);
                None
            }
            none => {
                *none = Some(Vec::new());
                Some(state)
            }
        };
        let mut next = DROPPED.try_with(waits).unwrap_or(None);
        while let Some(state) = next {
            drop(state);
            next = DROPPED.with(|waiting| waiting.borrow_mut().as_mut().and_then(Vec::pop));
            if next.is_none() {
                DROPPED.with(|waiting| waiting.take());
            }
        }
    }
}

/// A generator whose body begins, with `start`, when its first item is asked for.
pub fn generator(start: impl FnOnce(&Runtime) -> Result<Rest> + 'static) -> Value {
    let body = Body(RefCell::new(State::New(Box::new(start))));
    access::generator(Box::new(move |rt| {
        let state = &body.0;
        let mut rest = match state.replace(State::Running) {
            State::New(start) => match start(rt) {
                Ok(rest) => rest,
                Err(error) => {
                    state.replace(State::Finished);
                    return Some(Err(error));
                }
            },
            State::Suspended(rest) => rest,
            State::Running => return Some(value_error("generator already executing")),
            State::Finished => {
                state.replace(State::Finished);
                return None;
            }
        };
        let item = rest(rt);
        let goes_on = matches!(item, Some(Ok(_)));
        state.replace(if goes_on { State::Suspended(rest) } else { State::Finished });
        item
    }))
}

/// A generator's rest that gives nothing.
pub fn nothing() -> Rest {
    Box::new(|_| None)
}

/// A generator's rest that gives each item for which `keep` makes something.
pub fn each(
    items: Rc<dyn Iterate>,
    mut keep: impl FnMut(&Runtime, Value) -> Result<Option<Value>> + 'static,
) -> Rest {
    Box::new(move |rt| loop {
        let kept = match items.next(rt)? {
            Ok(item) => keep(rt, item),
            Err(error) => Err(error),
        };
        if let Some(kept) = kept.transpose() {
            return Some(kept);
        }
    })
}
