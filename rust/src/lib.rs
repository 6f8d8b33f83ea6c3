//! The other side of `expo/text/bridge.h`, which says what each function promises.

mod dialect;
mod ffi;
mod python;
mod table;
mod template;
mod tokenizer;
