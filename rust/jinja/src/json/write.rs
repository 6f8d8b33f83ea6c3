//! transformers' filter tojson: Python's json.dumps with a choice of its arguments.

use crate::access;
use crate::error::{type_error, unsupported, value_error, Error, Kind, Result};
use crate::filters::arguments::{bind, repeated};
use crate::filters::sorting;
use crate::operations::{claim, truth, MAX_TEXT};
use crate::repr::{float_repr, repr};
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use std::fmt::Write;
use std::rc::Rc;

const DEPTH: usize = 500;

/// transformers' filter tojson.
pub fn tojson(rt: &Runtime, args: Args) -> Result<Value> {
    let optional = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let ([value], [ascii, indent, separators, sort]) = bind("tojson", ["x"], optional, args)?;
    let set = |flag: &Option<Value>| flag.as_ref().is_some_and(truth);
    let given = |argument: Option<Value>| argument.filter(|value| !value.is_none());
    // A text alone is written without a look at the indent.
    let indent = given(indent).filter(|_| value.as_str().is_none());
    let indent = indent.map(|indent| indent_of(rt, &indent)).transpose()?;
    let (item, key) = separators_of(rt, given(separators), indent.is_some() || value.as_str().is_some())?;
    let mut writer =
        Writer { rt, out: String::new(), ascii: set(&ascii), sort: set(&sort), indent, item, key, level: 0 };
    writer.value(&value)?;
    Ok(Value::str(writer.out))
}

fn indent_of(rt: &Runtime, indent: &Value) -> Result<Rc<str>> {
    match indent.as_str() {
        Some(text) => Ok(text.into()),
        None => Ok(repeated(rt, " ", indent)?.into()),
    }
}

fn separators_of(rt: &Runtime, given: Option<Value>, indented: bool) -> Result<(Rc<str>, Rc<str>)> {
    let Some(given) = given else {
        return Ok((if indented { "," } else { ", " }.into(), ": ".into()));
    };
    let parts = access::collect(rt, &given)?;
    let [item, key] = &parts[..] else {
        return value_error(format!("the separators of tojson are 2, not {}", parts.len()));
    };
    match (item.as_str(), key.as_str()) {
        (Some(item), Some(key)) => Ok((item.into(), key.into())),
        _ if indented => unsupported("the separators of tojson are no texts"),
        _ => type_error("the separators of tojson must be str"),
    }
}

struct Writer<'a> {
    rt: &'a Runtime,
    out: String,
    ascii: bool,
    sort: bool,
    indent: Option<Rc<str>>,
    item: Rc<str>,
    key: Rc<str>,
    level: usize,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::None => self.out.push_str("null"),
            Value::Bool(flag) => self.out.push_str(if *flag { "true" } else { "false" }),
            Value::Int(number) => write_int(&mut self.out, *number),
            Value::Big(_) => self.out.push_str(&repr(self.rt, value)?),
            Value::Float(number) => self.out.push_str(&float_text(*number)),
            Value::Str(text) | Value::Markup(text) => write_text(&mut self.out, text, self.ascii),
            Value::List(items) | Value::Tuple(items) => self.list(items)?,
            Value::Dict(_) => self.dict(value)?,
            Value::Object(object) => match object.as_tuple() {
                Some(items) => self.list(&items)?,
                None => return not_serializable(value),
            },
            Value::Undefined(_) => return not_serializable(value),
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value]) -> Result<()> {
        if items.is_empty() {
            self.out.push_str("[]");
            return Ok(());
        }
        self.open('[')?;
        for (at, item) in items.iter().enumerate() {
            self.separate(at)?;
            self.value(item)?;
        }
        self.close(']')
    }

    fn dict(&mut self, value: &Value) -> Result<()> {
        let Value::Dict(entries) = value else { return Ok(()) };
        if entries.is_empty() {
            self.out.push_str("{}");
            return Ok(());
        }
        self.open('{')?;
        if self.sort {
            let entries = entries.iter().map(|(key, item)| (key.clone(), (key.clone(), item.clone())));
            for (at, (key, item)) in sorting::sorted(self.rt, entries.collect(), false)?.iter().enumerate() {
                self.entry(at, key, item)?;
            }
        } else {
            for (at, (key, item)) in entries.iter().enumerate() {
                self.entry(at, key, item)?;
            }
        }
        self.close('}')
    }

    fn entry(&mut self, at: usize, key: &Value, item: &Value) -> Result<()> {
        self.separate(at)?;
        self.dict_key(key)?;
        self.out.push_str(&self.key);
        self.value(item)
    }

    fn dict_key(&mut self, key: &Value) -> Result<()> {
        match key {
            Value::Str(_) | Value::Markup(_) => self.value(key),
            Value::None | Value::Bool(_) | Value::Int(_) | Value::Big(_) | Value::Float(_) => {
                self.out.push('"');
                self.value(key)?;
                self.out.push('"');
                Ok(())
            }
            _ => type_error(format!("keys must be str, int, float, bool or None, not {}", key.type_name())),
        }
    }

    fn open(&mut self, bracket: char) -> Result<()> {
        self.level += 1;
        if self.level > DEPTH {
            return Err(Error::new(Kind::Recursion, "maximum recursion depth exceeded"));
        }
        self.out.push(bracket);
        self.new_line()
    }

    fn close(&mut self, bracket: char) -> Result<()> {
        self.level -= 1;
        self.new_line()?;
        self.out.push(bracket);
        Ok(())
    }

    fn separate(&mut self, at: usize) -> Result<()> {
        self.rt.step(1)?;
        if self.out.len() > MAX_TEXT {
            return unsupported("the template makes a text that is too long");
        }
        if at > 0 {
            self.out.push_str(&self.item);
            self.new_line()?;
        }
        Ok(())
    }

    fn new_line(&mut self) -> Result<()> {
        if let Some(indent) = &self.indent {
            claim(self.rt, indent.len().saturating_mul(self.level))?;
            self.out.push('\n');
            for _ in 0..self.level {
                self.out.push_str(indent);
            }
        }
        Ok(())
    }
}

fn not_serializable<T>(value: &Value) -> Result<T> {
    type_error(format!("Object of type {} is not JSON serializable", value.type_name()))
}

fn write_int(out: &mut String, number: i64) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{number}");
}

fn float_text(number: f64) -> String {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.into()
    } else {
        float_repr(number)
    }
}

fn write_text(out: &mut String, text: &str, ascii: bool) {
    out.push('"');
    let mut begin = 0;
    for (at, byte) in text.bytes().enumerate() {
        let plain = byte >= 0x20 && byte != b'"' && byte != b'\\' && !(ascii && byte >= 0x7f);
        if plain {
            continue;
        }
        // A character of several bytes is written at its first; the others have nothing to add.
        if text.is_char_boundary(at) {
            out.push_str(&text[begin..at]);
            write_escape(out, text[at..].chars().next());
        }
        begin = next_boundary(text, at);
    }
    out.push_str(&text[begin..]);
    out.push('"');
}

fn next_boundary(text: &str, at: usize) -> usize {
    (at + 1..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len())
}

fn write_escape(out: &mut String, c: Option<char>) {
    match c {
        Some('"') => out.push_str("\\\""),
        Some('\\') => out.push_str("\\\\"),
        Some('\n') => out.push_str("\\n"),
        Some('\r') => out.push_str("\\r"),
        Some('\t') => out.push_str("\\t"),
        Some('\u{8}') => out.push_str("\\b"),
        Some('\u{c}') => out.push_str("\\f"),
        Some(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
        None => {}
    }
}
