//! Macros, and the callers of call blocks.

use super::context::Context;
use super::output::Output;
use super::{call_function, Env, Frame};
use crate::code::MacroInfo;
use crate::dict::Dict;
use crate::error::{type_error, Result};
use crate::repr::str_repr;
use crate::runtime::Runtime;
use crate::value::{Args, Object, Value};
use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

pub struct Macro {
    cx: Rc<Context>,
    /// The variables around the macro.
    env: Rc<Env>,
    info: Arc<MacroInfo>,
}

impl Macro {
    pub fn new(cx: &Rc<Context>, env: &Rc<Env>, info: &Arc<MacroInfo>) -> Macro {
        Macro { cx: cx.clone(), env: env.clone(), info: info.clone() }
    }

    pub fn value(cx: &Rc<Context>, env: &Rc<Env>, info: &Arc<MacroInfo>) -> Value {
        Value::Object(Rc::new(Macro::new(cx, env, info)))
    }

    /// The text of the macro with these arguments.
    pub fn invoke(&self, rt: &Runtime, args: Args) -> Result<String> {
        let function = &self.cx.session.code.functions[self.info.function];
        call_function(rt, &self.cx, function, || {
            let env = Env::new(function, Some(self.env.clone()), &self.cx);
            self.take_arguments(&env, args)?;
            let frame = Frame { rt, cx: &self.cx, env: &env };
            frame.enter(&function.enter);
            self.set_defaults(frame)?;
            let mut out = Output::buffer();
            frame.body(&function.body, &mut out)?;
            Ok(out.text)
        })
    }

    /// Macro.__call__ of jinja2, up to the call of the function.
    fn take_arguments(&self, env: &Env, mut args: Args) -> Result<()> {
        let info = &*self.info;
        let count = info.parameters.len();
        let given = args.positional.len();
        let varargs = args.positional.split_off(given.min(count));
        let mut found_caller = given >= count && info.parameters.iter().any(|p| &*p.name == "caller");
        for (at, value) in args.positional.into_iter().enumerate() {
            env.set(info.parameters[at].slot, Some(value));
        }
        for parameter in info.parameters.iter().skip(given) {
            found_caller |= &*parameter.name == "caller";
            env.set(parameter.slot, take_named(&mut args.named, &parameter.name));
        }
        if info.accesses_caller && !found_caller {
            let caller = take_named(&mut args.named, "caller").filter(|caller| !caller.is_none());
            if let Some(slot) = info.caller {
                env.set(slot, Some(caller.unwrap_or_else(|| Value::undefined("No caller defined"))));
            }
        }
        self.take_rest(env, args.named, varargs)
    }

    fn take_rest(&self, env: &Env, named: Vec<(Arc<str>, Value)>, varargs: Vec<Value>) -> Result<()> {
        match (self.info.kwargs, named.first()) {
            (Some(slot), _) => {
                let mut kwargs = Dict::with_capacity(named.len());
                for (name, value) in named {
                    kwargs.set(Value::Str(name), value)?;
                }
                env.set(slot, Some(Value::dict(kwargs)));
            }
            (None, Some((first, _))) => return self.refuse_named(&named, first),
            (None, None) => {}
        }
        match self.info.varargs {
            Some(slot) => env.set(slot, Some(Value::tuple(varargs))),
            None if varargs.is_empty() => {}
            None => {
                let (name, count) = (self.shown_name(), self.info.parameters.len());
                return type_error(format!("macro {name} takes not more than {count} argument(s)"));
            }
        }
        Ok(())
    }

    fn refuse_named(&self, named: &[(Arc<str>, Value)], first: &str) -> Result<()> {
        let name = self.shown_name();
        if named.iter().any(|(name, _)| &**name == "caller") {
            return type_error(format!(
                "macro {name} was invoked with two values for the special caller argument. This is most \
                 likely a bug."
            ));
        }
        type_error(format!("macro {name} takes no keyword argument {}", str_repr(first)))
    }

    fn shown_name(&self) -> String {
        self.info.name.as_ref().map_or("None".to_string(), |name| str_repr(name))
    }

    fn set_defaults(&self, frame: Frame) -> Result<()> {
        for parameter in &self.info.parameters {
            let variable = crate::code::Variable { up: 0, slot: parameter.slot };
            if frame.env.get(variable).is_some() {
                continue;
            }
            let value = match &parameter.default {
                Some(default) => frame.eval(default)?,
                None => Value::undefined(format!("parameter {} was not provided", str_repr(&parameter.name))),
            };
            frame.env.set(parameter.slot, Some(value));
        }
        Ok(())
    }
}

/// kwargs.pop(name)
fn take_named(named: &mut Vec<(Arc<str>, Value)>, name: &str) -> Option<Value> {
    let at = named.iter().position(|(found, _)| **found == *name)?;
    Some(named.remove(at).1)
}

impl Object for Macro {
    fn type_name(&self) -> &str {
        "Macro"
    }
    fn repr(&self, _rt: &Runtime) -> Result<String> {
        Ok(match &self.info.name {
            Some(name) => format!("<Macro {}>", str_repr(name)),
            None => "<Macro anonymous>".to_string(),
        })
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        let info = &*self.info;
        let mut parameters = info.parameters.iter().map(|parameter| &parameter.name);
        Ok(Some(match name {
            "name" => info.name.clone().map_or(Value::None, Value::Str),
            "arguments" => Value::tuple(parameters.cloned().map(Value::Str).collect()),
            "catch_kwargs" => Value::Bool(info.kwargs.is_some()),
            "catch_varargs" => Value::Bool(info.varargs.is_some()),
            "caller" => Value::Bool(info.accesses_caller),
            "explicit_caller" => Value::Bool(parameters.any(|name| &**name == "caller")),
            _ => return Ok(None),
        }))
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        self.invoke(rt, args).map(Value::str)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
