//! Reads tokenizer.json with Hugging Face's own library, and encodes with it what byte_level leaves to
//! it.

use crate::byte_level::ByteLevel;
use crate::ffi::{guarded, text, view, ExpoBytes, ExpoIds};
use std::collections::HashSet;
use std::panic::{catch_unwind, AssertUnwindSafe};
use tokenizers::Tokenizer;

const CACHED_WORDS: usize = 200_000;

pub struct ExpoTokenizer {
    tokenizer: Tokenizer,
    byte_level: Option<ByteLevel>,
    trims: bool,
    special: HashSet<u32>,
    size: usize,
}

impl ExpoTokenizer {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, String> {
        let fast = self.byte_level.as_ref().and_then(|b| b.encode(&self.tokenizer, text, special));
        if let Some(ids) = fast {
            return Ok(ids);
        }
        let encoding = self.tokenizer.encode_fast(text, special).map_err(|e| e.to_string())?;
        Ok(encoding.get_ids().to_vec())
    }

    fn encode_places(&self, text: &str, special: bool) -> Result<(Vec<u32>, Vec<u32>), String> {
        let byte_level = self.byte_level.as_ref();
        if let Some(found) =
            byte_level.and_then(|b| b.encode_places(&self.tokenizer, text, special))
        {
            return Ok(found);
        }
        // The library trims places in whatever unit they have.
        let encoding = if self.trims {
            self.tokenizer.encode_char_offsets(text, special)
        } else {
            self.tokenizer.encode(text, special)
        };
        let encoding = encoding.map_err(|e| e.to_string())?;
        let places = flat(encoding.get_offsets());
        let places = if self.trims { places } else { in_characters(text, places) };
        Ok((encoding.get_ids().to_vec(), places))
    }
}

fn load(json: &str) -> Result<ExpoTokenizer, String> {
    let mut tokenizer: Tokenizer = json.parse().map_err(|e| format!("{e}"))?;
    // Words beyond the capacity are merged anew each time; data sets have more than the default.
    let mut model = tokenizer.get_model().clone();
    model.resize_cache(CACHED_WORDS);
    tokenizer.with_model(model);
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|e| e.to_string())?;
    let added = tokenizer.get_added_tokens_decoder();
    let special = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id).collect();
    let highest = tokenizer.get_vocab(true).into_values().max();
    let size = highest.map_or(0, |id| id as usize + 1);
    // The library panics at texts where its post-processor names what is not there.
    let byte_level = catch_unwind(AssertUnwindSafe(|| ByteLevel::new(json, &tokenizer)));
    let byte_level = byte_level.ok().flatten();
    let post_processor = serde_json::to_string(&tokenizer.get_post_processor());
    let trims = post_processor.map_err(|e| e.to_string())?.contains(r#""trim_offsets":true"#);
    Ok(ExpoTokenizer { tokenizer, byte_level, trims, special, size })
}

/// Begins and ends in one list.
pub fn flat(offsets: &[(usize, usize)]) -> Vec<u32> {
    offsets.iter().flat_map(|&(begin, end)| [begin as u32, end as u32]).collect()
}

/// Offsets in bytes as offsets in characters: what encode_char_offsets gives, which looks every byte
/// up in a map.
fn in_characters(text: &str, offsets: Vec<u32>) -> Vec<u32> {
    if text.is_ascii() {
        return offsets;
    }
    let mut characters = Vec::with_capacity(text.len() + 1);
    for (number, c) in text.chars().enumerate() {
        characters.extend(std::iter::repeat_n(number as u32, c.len_utf8()));
    }
    characters.push(characters.last().map_or(0, |last| last + 1));
    offsets.into_iter().map(|at| characters[(at as usize).min(text.len())]).collect()
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_new(
    json: *const u8,
    size: usize,
    error: *mut ExpoBytes,
) -> *mut ExpoTokenizer {
    guarded(error, || load(text(json, size)?))
        .map_or(std::ptr::null_mut(), |tokenizer| Box::into_raw(Box::new(tokenizer)))
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_free(tokenizer: *mut ExpoTokenizer) {
    if !tokenizer.is_null() {
        drop(Box::from_raw(tokenizer));
    }
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_is_byte_level(tokenizer: *const ExpoTokenizer) -> bool {
    (*tokenizer).byte_level.is_some()
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_encode(
    tokenizer: *const ExpoTokenizer,
    data: *const u8,
    size: usize,
    add_special_tokens: bool,
    ids: *mut ExpoIds,
    error: *mut ExpoBytes,
) -> bool {
    let encoded = guarded(error, || (*tokenizer).encode(text(data, size)?, add_special_tokens));
    encoded.map(|found| *ids = found.into()).is_some()
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_encode_places(
    tokenizer: *const ExpoTokenizer,
    data: *const u8,
    size: usize,
    add_special_tokens: bool,
    ids: *mut ExpoIds,
    places: *mut ExpoIds,
    error: *mut ExpoBytes,
) -> bool {
    let encoded =
        guarded(error, || (*tokenizer).encode_places(text(data, size)?, add_special_tokens));
    encoded
        .map(|(found, spans)| {
            *ids = found.into();
            *places = spans.into();
        })
        .is_some()
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_decode(
    tokenizer: *const ExpoTokenizer,
    ids: *const u32,
    count: usize,
    skip_special_tokens: bool,
    out: *mut ExpoBytes,
    error: *mut ExpoBytes,
) -> bool {
    let decoded = guarded(error, || {
        (*tokenizer)
            .tokenizer
            .decode(view(ids, count), skip_special_tokens)
            .map_err(|e| e.to_string())
    });
    decoded.map(|found| *out = found.into()).is_some()
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_size(tokenizer: *const ExpoTokenizer) -> usize {
    (*tokenizer).size
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_id(
    tokenizer: *const ExpoTokenizer,
    token: *const u8,
    size: usize,
) -> i64 {
    let found = text(token, size).ok().and_then(|t| (*tokenizer).tokenizer.token_to_id(t));
    found.map_or(-1, i64::from)
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_token(
    tokenizer: *const ExpoTokenizer,
    id: u32,
    token: *mut ExpoBytes,
) -> bool {
    let found = (*tokenizer).tokenizer.id_to_token(id);
    found.map(|name| *token = name.into()).is_some()
}

#[no_mangle]
pub unsafe extern "C" fn expo_tokenizer_is_special(
    tokenizer: *const ExpoTokenizer,
    id: u32,
) -> bool {
    (*tokenizer).special.contains(&id)
}
