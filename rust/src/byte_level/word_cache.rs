//! The tokens of words that were seen before.

use std::collections::HashMap;

/// Of two words that share a slot the later one stays.
const SLOTS: usize = 1 << 16;
/// Words that no slot can hold; they are forgotten together when there are so many.
const MOST_OTHERS: usize = 50_000;
const IDS: usize = 3;
const KEY: usize = 16;

#[derive(Clone, Copy, Default)]
struct Slot {
    key: u128, // the word's bytes and, in the last one, their number
    ids: [u32; IDS],
    count: u32,
}

pub struct WordCache {
    slots: Box<[Slot]>,
    others: HashMap<Box<str>, Box<[u32]>>,
}

impl Default for WordCache {
    fn default() -> Self {
        let slots = vec![Slot::default(); SLOTS].into_boxed_slice();
        WordCache { slots, others: HashMap::new() }
    }
}

fn key(word: &str) -> Option<u128> {
    let mut bytes = [0; KEY];
    bytes.get_mut(..word.len()).filter(|_| word.len() < KEY)?.copy_from_slice(word.as_bytes());
    bytes[KEY - 1] = word.len() as u8;
    Some(u128::from_le_bytes(bytes))
}

fn slot_of(key: u128) -> usize {
    let mixed = (key as u64 ^ 0x9E37_79B9_7F4A_7C15) as u128
        * u128::from((key >> 64) as u64 ^ 0xD6E8_FEB8_6659_FD93);
    let folded = (mixed as u64 ^ (mixed >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (folded >> 32) as usize % SLOTS
}

impl WordCache {
    /// Appends the ids of a word that is known.
    #[inline]
    pub fn take(&self, word: &str, ids: &mut Vec<u32>) -> bool {
        if let Some(key) = key(word) {
            let slot = &self.slots[slot_of(key)];
            if slot.key == key {
                ids.extend_from_slice(&slot.ids[..slot.count as usize]);
                return true;
            }
        }
        match self.others.get(word) {
            Some(known) => ids.extend_from_slice(known),
            None => return false,
        }
        true
    }

    pub fn keep(&mut self, word: &str, ids: &[u32]) {
        match key(word) {
            Some(key) if ids.len() <= IDS => {
                let slot = &mut self.slots[slot_of(key)];
                *slot = Slot { key, count: ids.len() as u32, ..Slot::default() };
                slot.ids[..ids.len()].copy_from_slice(ids);
            }
            _ => {
                if self.others.len() >= MOST_OTHERS {
                    self.others.clear();
                }
                self.others.insert(word.into(), ids.into());
            }
        }
    }
}
