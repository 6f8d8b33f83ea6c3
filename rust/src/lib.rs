//! Implements `expo/text/bridge.h`, which documents each function.

mod dialect;
mod ffi;
mod python;
mod table;
mod template;
mod tokenizer;
