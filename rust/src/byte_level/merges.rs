//! The merges of a vocabulary.

use super::shape::{self, Model};
use ahash::AHashMap;
use std::sync::LazyLock;
use tokenizers::{Model as _, Tokenizer};

const NEVER: u32 = u32::MAX; // a rank
const MISSING: u32 = u32::MAX; // an id

#[derive(Clone, Copy)]
struct Merge {
    rank: u32,
    id: u32,
}

pub struct Merges {
    of_byte: [u32; 256],
    /// By the ids of the two parts.
    merges: AHashMap<u64, Merge>,
    /// The number of bytes that each id stands for.
    bytes: Vec<u16>,
    /// The words that are tokens whatever their merges say.
    whole: AHashMap<Box<[u8]>, u32>,
}

/// The letter that stands for a byte in byte-level vocabularies (GPT-2, encoder.py).
static LETTERS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut free = 256..;
    std::array::from_fn(|byte| match byte as u8 {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte as u8),
        _ => free.next().and_then(char::from_u32).expect("a letter below U+0180"),
    })
});

fn in_letters(word: &str) -> String {
    word.bytes().map(|byte| LETTERS[usize::from(byte)]).collect()
}

fn key(first: u32, second: u32) -> u64 {
    (u64::from(first) << 32) | u64::from(second)
}

/// The number of bytes that each id stands for; None if one id has two tokens, or a token no bytes.
fn lengths(model: &Model) -> Option<Vec<u16>> {
    let size = model.vocab.values().max().map_or(0, |&highest| highest as usize + 1);
    let is_dense = size <= 8 * model.vocab.len() + 4096;
    let mut lengths = vec![0; if is_dense { size } else { return None }];
    for (token, &id) in &model.vocab {
        let length = u16::try_from(token.chars().count()).ok()?;
        if length == 0 || std::mem::replace(&mut lengths[id as usize], length) != 0 {
            return None;
        }
    }
    Some(lengths)
}

fn table(model: &Model) -> Option<AHashMap<u64, Merge>> {
    let mut table = AHashMap::with_capacity(model.merges.len());
    let mut both = String::new();
    let pairs = model.merges.iter().filter_map(|merge| match merge {
        shape::Merge::Pair(first, second) => Some((first, second)),
        shape::Merge::Version => None,
    });
    for (rank, (first, second)) in pairs.enumerate() {
        both.clear();
        both.push_str(first);
        both.push_str(second);
        let parts = key(*model.vocab.get(first)?, *model.vocab.get(second)?);
        let rank = u32::try_from(rank).ok()?;
        table.insert(parts, Merge { rank, id: *model.vocab.get(&both)? });
    }
    Some(table)
}

/// The bytes of each token that stands for bytes.
fn words(model: &Model) -> AHashMap<Box<[u8]>, u32> {
    let byte_of: AHashMap<char, u8> = (0..=255).map(|b| (LETTERS[usize::from(b)], b)).collect();
    let bytes = |token: &str| -> Option<Box<[u8]>> {
        token.chars().map(|c| byte_of.get(&c).copied()).collect()
    };
    model.vocab.iter().filter_map(|(token, &id)| Some((bytes(token)?, id))).collect()
}

impl Merges {
    /// None if the vocabulary gives one id to two tokens.
    pub fn new(model: &Model) -> Option<Self> {
        let vocab = &model.vocab;
        let of_byte = std::array::from_fn(|byte| {
            vocab.get(LETTERS[byte].encode_utf8(&mut [0; 4])).copied().unwrap_or(MISSING)
        });
        let whole = if model.ignores_merges() { words(model) } else { AHashMap::new() };
        Some(Merges { of_byte, merges: table(model)?, bytes: lengths(model)?, whole })
    }

    pub fn bytes_of(&self, id: u32) -> usize {
        usize::from(self.bytes[id as usize])
    }

    fn between(&self, first: u32, second: u32) -> Merge {
        self.merges.get(&key(first, second)).copied().unwrap_or(Merge { rank: NEVER, id: 0 })
    }

    /// Appends the ids of a word: the pair with the lowest rank is merged first, of equal ones the
    /// leftmost. False if the vocabulary lacks one of the word's bytes.
    pub fn merge(&self, word: &str, ids: &mut Vec<u32>) -> bool {
        if let Some(&id) = self.whole.get(word.as_bytes()) {
            ids.push(id);
            return true;
        }
        if !self.has_bytes_of(word) {
            return false;
        }
        let first = ids.len();
        ids.extend(word.bytes().map(|byte| self.of_byte[usize::from(byte)]));
        self.merge_pairs(ids, first);
        true
    }

    /// The same in a time that grows with the word's length, and not with its square.
    pub fn merge_by_library(&self, library: &Tokenizer, word: &str, ids: &mut Vec<u32>) -> bool {
        if !self.has_bytes_of(word) {
            return false;
        }
        let Ok(tokens) = library.get_model().tokenize(&in_letters(word)) else { return false };
        ids.extend(tokens.iter().map(|token| token.id));
        true
    }

    fn has_bytes_of(&self, word: &str) -> bool {
        word.bytes().all(|byte| self.of_byte[usize::from(byte)] != MISSING)
    }

    fn merge_pairs(&self, ids: &mut Vec<u32>, first: usize) {
        let pairs = ids.len() - first - 1;
        let mut ranks: Vec<u32> = Vec::with_capacity(pairs);
        let mut merged: Vec<u32> = Vec::with_capacity(pairs);
        for pair in ids[first..].windows(2) {
            let merge = self.between(pair[0], pair[1]);
            ranks.push(merge.rank);
            merged.push(merge.id);
        }
        while let Some(at) = lowest(&ranks) {
            let place = first + at;
            ids[place] = merged[at];
            ids.remove(place + 1);
            ranks.remove(at);
            merged.remove(at);
            if at > 0 {
                let merge = self.between(ids[place - 1], ids[place]);
                (ranks[at - 1], merged[at - 1]) = (merge.rank, merge.id);
            }
            if at < ranks.len() {
                let merge = self.between(ids[place], ids[place + 1]);
                (ranks[at], merged[at]) = (merge.rank, merge.id);
            }
        }
    }
}

/// The place of the lowest rank, if any pair can be merged.
fn lowest(ranks: &[u32]) -> Option<usize> {
    let least = ranks.iter().copied().min().filter(|&rank| rank != NEVER)?;
    ranks.iter().position(|&rank| rank == least)
}
