//! The types that cross the boundary: owned bytes and ids, and errors instead of panics.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

#[repr(C)]
pub struct ExpoBytes {
    data: *mut u8,
    size: usize,
}

#[repr(C)]
pub struct ExpoIds {
    data: *mut u32,
    size: usize,
}

impl From<Vec<u8>> for ExpoBytes {
    fn from(value: Vec<u8>) -> Self {
        let size = value.len();
        let data = Box::into_raw(value.into_boxed_slice()).cast();
        ExpoBytes { data, size }
    }
}

impl From<String> for ExpoBytes {
    fn from(value: String) -> Self {
        value.into_bytes().into()
    }
}

impl From<Vec<u32>> for ExpoIds {
    fn from(value: Vec<u32>) -> Self {
        let size = value.len();
        let data = Box::into_raw(value.into_boxed_slice()).cast();
        ExpoIds { data, size }
    }
}

#[no_mangle]
pub unsafe extern "C" fn expo_bytes_free(bytes: ExpoBytes) {
    if !bytes.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(bytes.data, bytes.size)));
    }
}

#[no_mangle]
pub unsafe extern "C" fn expo_ids_free(ids: ExpoIds) {
    if !ids.data.is_null() {
        drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(ids.data, ids.size)));
    }
}

/// A view of the caller's memory, whose pointer may be null if it is empty.
pub unsafe fn view<'a, T>(data: *const T, size: usize) -> &'a [T] {
    if size == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(data, size)
    }
}

pub unsafe fn text<'a>(data: *const u8, size: usize) -> Result<&'a str, String> {
    std::str::from_utf8(view(data, size))
        .map_err(|e| format!("not UTF-8 (byte {})", e.valid_up_to()))
}

/// Runs `body`; a failure of it, or a panic of a library, is written to `error`.
pub unsafe fn guarded<T>(
    error: *mut ExpoBytes,
    body: impl FnOnce() -> Result<T, String>,
) -> Option<T> {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
        Err(format!("the library failed unexpectedly: {}", text.unwrap_or_default()))
    });
    match outcome {
        Ok(value) => Some(value),
        Err(message) => {
            *error = message.into();
            None
        }
    }
}
