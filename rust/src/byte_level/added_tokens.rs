//! Finds added tokens in a text, as the library does: first those that are looked for in the text
//! as it is, then the others between them.

use super::shape::{Normalization, Shape};
use ahash::{AHashMap, AHashSet};
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use tokenizers::{AddedToken, Tokenizer};
use unicode_normalization_alignments::{is_nfc_quick, IsNormalized};

pub enum Piece<'a> {
    Token(u32, usize), // and where it ends
    Text(&'a str),
}

struct Finder {
    automaton: AhoCorasick,
    ids: Vec<u32>,
}

pub struct AddedTokens {
    raw: Finder,
    normalized: Finder,
    tokens: Vec<(u32, AddedToken)>,
}

fn is_known(token: &AddedToken, shape: &Shape) -> bool {
    let is_same = !token.normalized
        || matches!(shape.normalization, Normalization::Nothing)
        || is_nfc_quick(token.content.chars()) == IsNormalized::Yes;
    is_same && !token.single_word && !token.lstrip && !token.rstrip
}

/// Whether each token has an id to itself and each id one token, those of the model included. The
/// library takes tokens from lists of its own that cannot be seen where it is not so.
fn are_distinct(tokens: &[(u32, AddedToken)], shape: &Shape) -> bool {
    let contents: AHashSet<&str> = shape.added.iter().map(String::as_str).collect();
    let of_model: AHashMap<u32, &str> =
        shape.model.vocab.iter().map(|(token, &id)| (id, token.as_str())).collect();
    contents.len() == shape.added.len()
        && contents.len() == tokens.len()
        && tokens.iter().all(|(id, token)| {
            contents.contains(token.content.as_str())
                && of_model.get(id).is_none_or(|&other| other == token.content)
        })
}

impl Finder {
    fn of<'a>(tokens: impl Iterator<Item = &'a (u32, AddedToken)>) -> Option<Self> {
        let (ids, contents): (Vec<u32>, Vec<&str>) =
            tokens.map(|(id, token)| (*id, token.content.as_str())).unzip();
        let automaton = AhoCorasickBuilder::new()
            .match_kind(MatchKind::LeftmostLongest)
            .build(contents)
            .ok()?;
        Some(Finder { automaton, ids })
    }

    fn split(&self, text: &str, begin: usize, sink: &mut dyn FnMut(Piece, usize)) {
        let mut done = 0;
        if !self.ids.is_empty() {
            for found in self.automaton.find_iter(text) {
                if done < found.start() {
                    sink(Piece::Text(&text[done..found.start()]), begin + done);
                }
                let token = Piece::Token(self.ids[found.pattern().as_usize()], begin + found.end());
                sink(token, begin + found.start());
                done = found.end();
            }
        }
        if done < text.len() {
            sink(Piece::Text(&text[done..]), begin + done);
        }
    }
}

impl AddedTokens {
    /// None if a token is looked for in a way that is not known here.
    pub fn of(library: &Tokenizer, shape: &Shape) -> Option<Self> {
        let tokens: Vec<(u32, AddedToken)> =
            library.get_added_tokens_decoder().into_iter().collect();
        if !are_distinct(&tokens, shape) || !tokens.iter().all(|(_, token)| is_known(token, shape))
        {
            return None;
        }
        Some(AddedTokens {
            raw: Finder::of(tokens.iter().filter(|(_, token)| !token.normalized))?,
            normalized: Finder::of(tokens.iter().filter(|(_, token)| token.normalized))?,
            tokens,
        })
    }

    pub fn tokens(&self) -> &[(u32, AddedToken)] {
        &self.tokens
    }

    /// Passes each piece and the byte at which it begins to `sink`.
    pub fn split(&self, text: &str, sink: &mut dyn FnMut(Piece, usize)) {
        self.raw.split(text, 0, &mut |piece, begin| match piece {
            Piece::Text(text) => self.normalized.split(text, begin, sink),
            token => sink(token, begin),
        });
    }
}
