//! What a template writes.

use crate::error::{unsupported, Result};
use crate::runtime::Runtime;
use crate::value::Value;

/// Longer texts are refused, in bytes.
pub const LONGEST: usize = 1 << 28;

pub struct Output {
    pub text: String,
    /// Whether this is the template's own output and its characters are counted.
    counted: bool,
}

impl Output {
    pub fn top(counted: bool) -> Output {
        Output { text: String::new(), counted }
    }

    /// For what a macro or a block collects.
    pub fn buffer() -> Output {
        Output { text: String::new(), counted: false }
    }

    pub fn write(&mut self, rt: &Runtime, text: &str) -> Result<()> {
        let count = if self.counted { text.chars().count() } else { 0 };
        self.write_counted(rt, text, count)
    }

    /// Writes a text of so many characters.
    pub fn write_counted(&mut self, rt: &Runtime, text: &str, count: usize) -> Result<()> {
        rt.step(text.len() as u64 / 64)?;
        if self.text.len() + text.len() > LONGEST {
            return unsupported("the text of the template is too long");
        }
        if self.counted {
            rt.written.set(rt.written.get() + count);
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Notes what was put at the end of the text directly, from `begin` on.
    pub fn written(&mut self, rt: &Runtime, begin: usize) -> Result<()> {
        let text = &self.text[begin..];
        rt.step(text.len() as u64 / 64)?;
        if self.counted {
            rt.written.set(rt.written.get() + text.chars().count());
        }
        match self.text.len() > LONGEST {
            true => unsupported("the text of the template is too long"),
            false => Ok(()),
        }
    }

    /// Writes str(value).
    pub fn write_value(&mut self, rt: &Runtime, value: &Value) -> Result<()> {
        match value {
            Value::Str(text) => self.write(rt, text),
            Value::Undefined(_) => Ok(()),
            _ => self.write(rt, &crate::repr::str_of(rt, value)?),
        }
    }
}
