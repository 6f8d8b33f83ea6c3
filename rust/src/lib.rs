//! Implements `expo/text/bridge.h`, which documents each function.

mod ffi;
mod table;
mod template;
mod tokenizer;
