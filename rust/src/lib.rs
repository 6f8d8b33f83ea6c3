//! Implements `expo/text/bridge.h`, which documents each function.

mod byte_level;
mod ffi;
mod table;
mod template;
mod tokenizer;

/// Tokenizers live on many short-lived allocations, which this allocator serves faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
