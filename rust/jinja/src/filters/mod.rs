//! The filters that jinja2 has, and transformers' tojson.

pub(crate) mod arguments;
mod attributes;
mod escaping;
mod groups;
mod lazy;
mod number_text;
mod numbers;
mod ordering;
mod padding;
mod pretty;
mod selection;
mod sequences;
pub(crate) mod sorting;
mod text;
mod urlize;
mod urls;
mod words;
mod wrapping;

use crate::error::Result;
use crate::json;
use crate::runtime::Runtime;
use crate::tests::unknown;
use crate::value::{Args, Value};

/// A filter; its first positional argument is the value that is filtered.
pub type Filter = fn(&Runtime, Args) -> Result<Value>;

pub fn find(name: &str) -> Option<Filter> {
    Some(match name {
        "abs" => numbers::abs,
        "attr" => attributes::attr,
        "batch" => groups::batch,
        "capitalize" => text::capitalize,
        "center" => text::center,
        "count" | "length" => sequences::length,
        "d" | "default" => sequences::default,
        "dictsort" => ordering::dictsort,
        "e" | "escape" => escaping::escape,
        "filesizeformat" => numbers::filesizeformat,
        "first" => sequences::first,
        "float" => numbers::float,
        "forceescape" => escaping::forceescape,
        "format" => text::format,
        "groupby" => groups::groupby,
        "indent" => padding::indent,
        "int" => numbers::int,
        "items" => sequences::items,
        "join" => sequences::join,
        "last" => sequences::last,
        "list" => sequences::list,
        "lower" => text::lower,
        "map" => selection::map,
        "max" => ordering::max,
        "min" => ordering::min,
        "pprint" => pretty::pprint,
        "random" => sequences::random,
        "reject" => selection::reject,
        "rejectattr" => selection::rejectattr,
        "replace" => text::replace,
        "reverse" => sequences::reverse,
        "round" => numbers::round,
        "safe" => escaping::safe,
        "select" => selection::select,
        "selectattr" => selection::selectattr,
        "slice" => groups::slice,
        "sort" => ordering::sort,
        "string" => text::string,
        "striptags" => escaping::striptags,
        "sum" => sequences::sum,
        "title" => text::title,
        "tojson" => json::tojson,
        "trim" => text::trim,
        "truncate" => padding::truncate,
        "unique" => ordering::unique,
        "upper" => text::upper,
        "urlencode" => urls::urlencode,
        "urlize" => urlize::urlize,
        "wordcount" => text::wordcount,
        "wordwrap" => wrapping::wordwrap,
        "xmlattr" => escaping::xmlattr,
        _ => return None,
    })
}

/// Calls a filter whose name the template computes: environment.call_filter.
pub(crate) fn call(rt: &Runtime, name: &Value, args: Args) -> Result<Value> {
    match name.as_str().and_then(find) {
        Some(filter) => filter(rt, args),
        None => unknown(rt, "filter", name),
    }
}
