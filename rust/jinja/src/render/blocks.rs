//! {% block %}, `self` and `super()`. Without inheritance, a block is rendered where it stands.

use super::context::Context;
use super::output::Output;
use super::{call_function, Env, Frame};
use crate::code::{Block, FunctionId};
use crate::error::{type_error, Error, Kind, Result};
use crate::repr::str_repr;
use crate::runtime::Runtime;
use crate::value::{Args, Object, Value};
use std::any::Any;
use std::rc::Rc;

impl Frame<'_> {
    pub(super) fn block(self, block: &Block, out: &mut Output) -> Result<()> {
        if block.required {
            let message = format!("Required block {} not found", str_repr(&block.name));
            return Err(Error::new(Kind::Runtime, message));
        }
        let Some(function) = find(self.cx, &block.name) else { return Ok(()) };
        match &block.scoped {
            None => run(self.rt, self.cx, function, &block.name, out),
            Some(variables) => {
                let locals = variables.iter().map(|(name, variable)| (*name, self.env.get(*variable)));
                let cx = self.cx.derived(locals.collect());
                run(self.rt, &cx, function, &block.name, out)
            }
        }
    }
}

fn find(cx: &Context, name: &str) -> Option<FunctionId> {
    cx.session.code.blocks.iter().find(|(found, _)| **found == *name).map(|(_, function)| *function)
}

fn no_parent(name: &str) -> Value {
    Value::undefined(format!("there is no parent block called {}.", str_repr(name)))
}

fn run(rt: &Runtime, cx: &Rc<Context>, id: FunctionId, name: &str, out: &mut Output) -> Result<()> {
    let function = &cx.session.code.functions[id];
    call_function(rt, cx, function, || {
        let env = Env::new(function, None, cx);
        let frame = Frame { rt, cx, env: &env };
        if let Some(slot) = function.own {
            env.set(slot, Some(template_reference(cx)));
        }
        if let Some(slot) = function.parent {
            env.set(slot, Some(no_parent(name)));
        }
        frame.enter(&function.enter);
        frame.body(&function.body, out)?;
        Ok(())
    })
}

/// `self`
pub fn template_reference(cx: &Rc<Context>) -> Value {
    Value::Object(Rc::new(TemplateReference { cx: cx.clone() }))
}

struct TemplateReference {
    cx: Rc<Context>,
}

impl Object for TemplateReference {
    fn type_name(&self) -> &str {
        "TemplateReference"
    }
    fn repr(&self, _rt: &Runtime) -> Result<String> {
        Ok("<TemplateReference None>".to_string())
    }
    fn item(&self, _rt: &Runtime, key: &Value) -> Result<Option<Value>> {
        let Some(name) = key.as_str() else { return Ok(None) };
        let reference = |function| BlockReference { cx: self.cx.clone(), function, name: name.to_string() };
        Ok(find(&self.cx, name).map(|function| Value::Object(Rc::new(reference(function)))))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `self.name`
struct BlockReference {
    cx: Rc<Context>,
    function: FunctionId,
    name: String,
}

impl Object for BlockReference {
    fn type_name(&self) -> &str {
        "BlockReference"
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        Ok(match name {
            "name" => Some(Value::str(&*self.name)),
            "super" => Some(no_parent(&self.name)),
            _ => None,
        })
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        if !args.positional.is_empty() || !args.named.is_empty() {
            return type_error("BlockReference.__call__() takes 1 positional argument");
        }
        let mut out = Output::buffer();
        run(rt, &self.cx, self.function, &self.name, &mut out)?;
        Ok(Value::str(out.text))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
