//! JSON in, and JSON out as Python's json.dumps writes it.

mod read;
mod write;

pub use read::read;
pub use write::tojson;
