//! Functions and bound methods that are written in Rust.

use crate::error::Result;
use crate::runtime::Runtime;
use crate::value::{Args, Object, Value};
use std::any::Any;
use std::rc::Rc;

pub struct Function<F>(F);

impl<F: Fn(&Runtime, Args) -> Result<Value> + 'static> Function<F> {
    pub fn new(body: F) -> Self {
        Function(body)
    }

    pub fn value(body: F) -> Value {
        Value::Object(Rc::new(Function(body)))
    }
}

impl<F: Fn(&Runtime, Args) -> Result<Value> + 'static> Object for Function<F> {
    fn type_name(&self) -> &str {
        "function"
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        (self.0)(rt, args)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
