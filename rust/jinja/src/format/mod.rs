//! `format % values`, str.format() and format specifications.

mod fields;
pub mod floats;
mod percent;
mod specification;

pub use fields::Style;
pub use percent::{character, radix_small};
pub use specification::format_value;

use crate::error::Result;
use crate::{runtime::Runtime, value::Args, value::Value};

/// text % values
pub fn percent(rt: &Runtime, text: &str, values: &Value) -> Result<String> {
    percent::percent(rt, text, values, false)
}

/// Markup(text) % values, which escapes the values.
pub fn percent_markup(rt: &Runtime, text: &str, values: &Value) -> Result<Value> {
    percent::percent(rt, text, values, true).map(|text| Value::Markup(text.into()))
}

/// text.format(*args), as the sandbox formats.
pub fn format(rt: &Runtime, text: &str, args: &Args) -> Result<String> {
    fields::format(rt, text, &fields::Arguments::of(args), Style::Plain)
}

/// The same for Markup, which escapes the values.
pub fn format_markup(rt: &Runtime, text: &str, args: &Args) -> Result<Value> {
    fields::format(rt, text, &fields::Arguments::of(args), Style::Markup)
        .map(|text| Value::Markup(text.into()))
}

/// text.format_map(mapping)
pub fn format_map(rt: &Runtime, text: &str, mapping: &Value, style: Style) -> Result<String> {
    fields::format(rt, text, &fields::Arguments::map(mapping), style)
}
