//! The functions that every template has.

mod cycle;
mod function;
mod mapping;
mod namespace;
mod range;
mod time;

use crate::error::{unsupported, Error, Kind, Result};
use crate::filters::arguments::bind;
use crate::repr::str_of;
use crate::runtime::Runtime;
use crate::value::{Args, Object, Value};
use function::Function;
use std::collections::HashMap;
use std::rc::Rc;

pub use namespace::set_attribute;
pub(crate) use range::Range;

thread_local! {
    // Made once, so that `range is sameas range` holds.
    static GLOBALS: HashMap<&'static str, Value> = globals();
}

/// range, dict, namespace, cycler, joiner, lipsum, raise_exception, strftime_now.
pub fn find(name: &str) -> Option<Value> {
    GLOBALS.with(|globals| globals.get(name).cloned())
}

fn globals() -> HashMap<&'static str, Value> {
    let objects: [(&str, Rc<dyn Object>); 8] = [
        ("range", Rc::new(Function::new(range::range))),
        ("dict", Rc::new(mapping::TemplateDict)),
        ("namespace", Rc::new(namespace::Class)),
        ("cycler", Rc::new(cycle::Class::Cycler)),
        ("joiner", Rc::new(cycle::Class::Joiner)),
        ("lipsum", Rc::new(Function::new(lipsum))),
        ("raise_exception", Rc::new(Function::new(raise_exception))),
        ("strftime_now", Rc::new(Function::new(time::strftime_now))),
    ];
    objects.into_iter().map(|(name, object)| (name, Value::Object(object))).collect()
}

fn lipsum(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([], [_, _, _, _]) = bind("generate_lorem_ipsum", [], ["n", "html", "min", "max"], args)?;
    unsupported("the template asks for lipsum, which is random text")
}

fn raise_exception(rt: &Runtime, args: Args) -> Result<Value> {
    let ([message], []) = bind("raise_exception", ["message"], [], args)?;
    Err(Error::new(Kind::Raised, str_of(rt, &message)?.into_owned()))
}
