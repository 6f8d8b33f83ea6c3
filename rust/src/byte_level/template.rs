//! The tokens with which the post-processor begins and ends a text.

use tokenizers::Tokenizer;

#[derive(Default)]
pub struct Template {
    opening: Vec<u32>,
    closing: Vec<u32>,
}

impl Template {
    /// None if the library does more than add tokens.
    pub fn of(library: &Tokenizer) -> Option<Self> {
        let plain = library.encode("a", false).ok()?;
        let whole = library.encode("a", true).ok()?;
        let ids = whole.get_ids();
        let is_special = whole.get_special_tokens_mask();
        let begin = is_special.iter().take_while(|&&mark| mark == 1).count();
        let end = begin + plain.get_ids().len();
        // A template may have the text twice, and the model no token for this one.
        let is_once = is_special.get(end..)?.iter().all(|&mark| mark == 1);
        if begin == end || !is_once || ids[begin..end] != *plain.get_ids() {
            return None;
        }
        Some(Template { opening: ids[..begin].to_vec(), closing: ids[end..].to_vec() })
    }

    pub fn open(&self, special: bool, ids: &mut Vec<u32>) {
        if special {
            ids.extend_from_slice(&self.opening);
        }
    }

    pub fn close(&self, special: bool, ids: &mut Vec<u32>) {
        if special {
            ids.extend_from_slice(&self.closing);
        }
    }
}
