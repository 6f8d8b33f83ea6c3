//! Renders chat templates to the same characters as transformers does with jinja2 3.1 in its
//! immutable sandbox: trim_blocks, lstrip_blocks, loop controls, {% generation %}, and values with
//! the semantics of Python. Whatever cannot be rendered to the same characters (an address, a
//! random choice) is refused with Kind::Unsupported, never rendered differently.

pub mod access;
mod ast;
mod code;
mod compiler;
pub mod dict;
pub mod error;
pub mod filters;
pub mod format;
pub mod globals;
pub mod json;
mod lexer;
pub mod methods;
pub mod operations;
mod parser;
mod render;
pub mod repr;
pub mod runtime;
pub mod template;
pub mod tests;
pub mod value;

pub use error::{Error, Kind, Result};
pub use runtime::Runtime;
pub use template::{Rendered, Template};
pub use value::{Args, Iterate, Object, Value};
