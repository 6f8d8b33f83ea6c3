//! The attributes of Python's types that begin with an underscore: the sandbox makes them undefined,
//! and no item of the same name is looked up.

use crate::value::Value;

pub fn is_special(name: &str) -> bool {
    name.len() > 3 && name.starts_with("__") && name.ends_with("__")
}

/// Those of object.
pub fn of_all(name: &str) -> bool {
    let Some(name) = name.strip_prefix("__").and_then(|name| name.strip_suffix("__")) else { return false };
    matches!(
        name,
        "class"
            | "delattr"
            | "dir"
            | "doc"
            | "eq"
            | "format"
            | "ge"
            | "getattribute"
            | "getstate"
            | "gt"
            | "hash"
    ) || matches!(
        name,
        "init" | "init_subclass" | "le" | "lt" | "ne" | "new" | "reduce" | "reduce_ex" | "repr"
    ) || matches!(name, "setattr" | "sizeof" | "str" | "subclasshook")
}

/// Those of a built-in type.
pub fn of_type(value: &Value, name: &str) -> bool {
    let Some(name) = name.strip_prefix("__").and_then(|name| name.strip_suffix("__")) else { return false };
    let sequence = || matches!(name, "add" | "contains" | "getitem" | "iter" | "len" | "mul" | "rmul");
    match value {
        Value::Str(_) => sequence() || matches!(name, "getnewargs" | "mod" | "rmod"),
        Value::Markup(_) => {
            sequence()
                || matches!(
                    name,
                    "getnewargs" | "mod" | "rmod" | "html" | "html_format" | "module" | "radd" | "slots"
                )
        }
        Value::List(_) => {
            sequence()
                || matches!(name, "class_getitem" | "delitem" | "iadd" | "imul" | "reversed" | "setitem")
        }
        Value::Tuple(_) => sequence() || matches!(name, "class_getitem" | "getnewargs"),
        Value::Dict(_) => {
            matches!(
                name,
                "class_getitem" | "contains" | "delitem" | "getitem" | "ior" | "iter" | "len" | "or"
            ) || matches!(name, "reversed" | "ror" | "setitem")
        }
        Value::Bool(_) | Value::Int(_) | Value::Big(_) => of_number(name) || of_integer(name),
        Value::Float(_) => of_number(name) || name == "getformat",
        Value::None => name == "bool",
        Value::Undefined(_) | Value::Object(_) => false,
    }
}

fn of_number(name: &str) -> bool {
    matches!(name, "abs" | "add" | "bool" | "ceil" | "divmod" | "float" | "floor" | "floordiv" | "getnewargs")
        || matches!(
            name,
            "int" | "mod" | "mul" | "neg" | "pos" | "pow" | "radd" | "rdivmod" | "rfloordiv" | "rmod"
        )
        || matches!(name, "rmul" | "round" | "rpow" | "rsub" | "rtruediv" | "sub" | "truediv" | "trunc")
}

fn of_integer(name: &str) -> bool {
    matches!(name, "and" | "index" | "invert" | "lshift" | "or" | "rand" | "rlshift" | "ror" | "rrshift")
        || matches!(name, "rshift" | "rxor" | "xor")
}

/// Those of jinja2.Undefined.
pub fn of_undefined(name: &str) -> bool {
    if let Some(name) = name.strip_prefix("_undefined_") {
        return matches!(name, "exception" | "hint" | "message" | "name" | "obj");
    }
    let Some(special) = name.strip_prefix("__").and_then(|name| name.strip_suffix("__")) else {
        return false;
    };
    of_all(name)
        || matches!(
            special,
            "add" | "aiter" | "bool" | "call" | "complex" | "div" | "float" | "floordiv" | "getattr"
        )
        || matches!(
            special,
            "getitem" | "int" | "iter" | "len" | "mod" | "module" | "mul" | "neg" | "pos" | "pow"
        )
        || matches!(special, "radd" | "rdiv" | "rfloordiv" | "rmod" | "rmul" | "rpow" | "rsub" | "rtruediv")
        || matches!(special, "slots" | "sub" | "truediv")
}
