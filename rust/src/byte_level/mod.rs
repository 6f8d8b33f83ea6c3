//! Byte-level BPE, as GPT-2 made it and most decoders use it, many times faster than the library
//! and with the same result. A tokenizer of another shape is left to the library; so is a text
//! that the normalizer would change. Every encoder is compared with the library when it is made.

mod added_tokens;
mod classes;
mod merges;
mod places;
mod probe;
mod shape;
mod splits;
mod template;
mod word_cache;
mod words;

use added_tokens::AddedTokens;
use merges::Merges;
use places::{Places, Trimming};
use shape::Normalization;
use splits::Splits;
use std::sync::Mutex;
use template::Template;
use tokenizers::Tokenizer;
use unicode_normalization_alignments::{is_nfc_quick, IsNormalized};
use word_cache::WordCache;

/// The longest word, in bytes, that is merged here: the time grows with the square of its length,
/// and the library's with its length.
const LONGEST_WORD: usize = 512;

/// Tokens, and the bytes of the text that each of them stands for, if they are wanted.
#[derive(Default)]
struct Tokens {
    ids: Vec<u32>,
    ends: Option<Vec<usize>>,
}

pub struct ByteLevel {
    normalization: Normalization,
    added: AddedTokens,
    splits: Splits,
    merges: Merges,
    trimming: Option<Trimming>,
    template: Template,
    /// Each call takes one, or makes one, and puts it back.
    caches: Mutex<Vec<WordCache>>,
}

impl ByteLevel {
    /// None if the tokenizer has a shape that only the library knows.
    pub fn new(json: &str, library: &Tokenizer) -> Option<Self> {
        let shape = shape::read(json)?;
        let merges = Merges::new(&shape.model)?;
        let added = AddedTokens::of(library, &shape)?;
        let encoder = ByteLevel {
            merges,
            trimming: shape.trims.map(|prefix| Trimming::new(prefix, &shape.model.vocab, &added)),
            normalization: shape.normalization,
            splits: Splits::new(shape.steps)?,
            template: Template::of(library)?,
            added,
            caches: Mutex::default(),
        };
        probe::agrees(&encoder, library).then_some(encoder)
    }

    /// None if this text is the library's.
    pub fn encode(&self, library: &Tokenizer, text: &str, special: bool) -> Option<Vec<u32>> {
        let mut tokens = self.started(special, false);
        self.add_text(library, text, &mut tokens)?;
        self.template.close(special, &mut tokens.ids);
        Some(tokens.ids)
    }

    /// The same with the places of the tokens, in characters, as a flat list of begins and ends.
    pub fn encode_places(
        &self,
        library: &Tokenizer,
        text: &str,
        special: bool,
    ) -> Option<(Vec<u32>, Vec<u32>)> {
        let mut tokens = self.started(special, true);
        let first = tokens.ids.len();
        self.add_text(library, text, &mut tokens)?;
        let mut places = Places::new(text, self.trimming.as_ref());
        places.skip(first);
        for (&id, &end) in tokens.ids[first..].iter().zip(tokens.ends.iter().flatten()) {
            places.add(id, end);
        }
        self.template.close(special, &mut tokens.ids);
        let places = places.filled(tokens.ids.len());
        Some((tokens.ids, places))
    }

    fn started(&self, special: bool, with_ends: bool) -> Tokens {
        let mut tokens = Tokens { ids: Vec::new(), ends: with_ends.then(Vec::new) };
        self.template.open(special, &mut tokens.ids);
        tokens
    }

    fn add_text(&self, library: &Tokenizer, text: &str, tokens: &mut Tokens) -> Option<()> {
        let is_changed = matches!(self.normalization, Normalization::Nfc)
            && !text.is_ascii()
            && is_nfc_quick(text.chars()) != IsNormalized::Yes;
        if is_changed || u32::try_from(text.len()).is_err() {
            return None;
        }
        tokens.ids.reserve(text.len() / 4 + 8);
        let kept = self.caches.lock().ok()?.pop();
        let mut cache = kept.unwrap_or_default();
        let mut is_known = true;
        self.added.split(text, &mut |piece, begin| match piece {
            added_tokens::Piece::Token(id, end) => tokens.add(id, end),
            added_tokens::Piece::Text(text) => {
                self.splits.each_word(text, begin, &mut |word, at| {
                    is_known &= self.add_word(library, word, at, &mut cache, tokens)
                })
            }
        });
        self.caches.lock().ok()?.push(cache);
        is_known.then_some(())
    }

    /// False if the word has bytes without a token, of which the library makes what it will.
    fn add_word(
        &self,
        library: &Tokenizer,
        word: &str,
        begin: usize,
        cache: &mut WordCache,
        tokens: &mut Tokens,
    ) -> bool {
        let first = tokens.ids.len();
        if word.len() > LONGEST_WORD {
            if !self.merges.merge_by_library(library, word, &mut tokens.ids) {
                return false;
            }
        } else if !cache.take(word, &mut tokens.ids) {
            if !self.merges.merge(word, &mut tokens.ids) {
                return false;
            }
            cache.keep(word, &tokens.ids[first..]);
        }
        if let Some(ends) = &mut tokens.ends {
            let mut end = begin;
            for &id in &tokens.ids[first..] {
                end += self.merges.bytes_of(id);
                ends.push(end);
            }
        }
        true
    }
}

impl Tokens {
    fn add(&mut self, id: u32, end: usize) {
        self.ids.push(id);
        if let Some(ends) = &mut self.ends {
            ends.push(end);
        }
    }
}
