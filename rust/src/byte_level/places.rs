//! The characters of a text that tokens stand for, as the library tells them: tokens of a part of a
//! character have the place of all of it, and a post-processor may leave spaces out.

use super::added_tokens::AddedTokens;
use super::shape::Vocabulary;

/// The spaces at both ends of each token, by which ByteLevel shortens its place.
pub struct Trimming {
    adds_prefix_space: bool,
    spaces: Vec<(u16, u16)>, // by id
}

fn spaces<'a>(characters: impl Iterator<Item = char> + 'a) -> u16 {
    let count = characters.take_while(|&c| c == 'Ġ' || c.is_whitespace()).count();
    count.min(usize::from(u16::MAX)) as u16
}

impl Trimming {
    pub fn new(adds_prefix_space: bool, vocabulary: &Vocabulary, added: &AddedTokens) -> Self {
        let from_model = vocabulary.iter().map(|(token, &id)| (id, token.as_str()));
        let from_added = added.tokens().iter().map(|(id, token)| (*id, token.content.as_str()));
        let mut all = Vec::new();
        for (id, token) in from_model.chain(from_added) {
            if all.len() <= id as usize {
                all.resize(id as usize + 1, (0, 0));
            }
            all[id as usize] = (spaces(token.chars()), spaces(token.chars().rev()));
        }
        Trimming { adds_prefix_space, spaces: all }
    }

    fn trim(&self, id: u32, begin: u32, end: u32) -> (u32, u32) {
        let (leading, trailing) = self.spaces[id as usize];
        let is_kept = begin == 0 && self.adds_prefix_space && leading == 1;
        let begin = if is_kept { begin } else { (begin + u32::from(leading)).min(end) };
        (begin, end.saturating_sub(u32::from(trailing)).max(begin))
    }
}

pub struct Places<'a> {
    text: &'a [u8],
    is_ascii: bool,
    trimming: Option<&'a Trimming>,
    at: usize,       // the byte up to which tokens were added
    characters: u32, // that begin before it
    places: Vec<u32>,
}

impl<'a> Places<'a> {
    pub fn new(text: &'a str, trimming: Option<&'a Trimming>) -> Self {
        let places = Vec::with_capacity(text.len() / 2 + 16);
        let is_ascii = text.is_ascii();
        Places { text: text.as_bytes(), is_ascii, trimming, at: 0, characters: 0, places }
    }

    /// Adds tokens that stand for nothing.
    pub fn skip(&mut self, count: usize) {
        self.places.resize(self.places.len() + 2 * count, 0);
    }

    /// Adds the token that ends at this byte and begins where the one before it ends.
    pub fn add(&mut self, id: u32, end: usize) {
        let is_inside = !self.is_ascii && self.text.get(self.at).is_some_and(|&b| b >> 6 == 2);
        let begin = self.characters - u32::from(is_inside);
        let bytes = &self.text[self.at..end];
        self.characters += if self.is_ascii {
            bytes.len() as u32
        } else {
            bytes.iter().filter(|&&byte| byte >> 6 != 2).count() as u32
        };
        self.at = end;
        let (begin, end) = match self.trimming {
            Some(trimming) => trimming.trim(id, begin, self.characters),
            None => (begin, self.characters),
        };
        self.places.extend([begin, end]);
    }

    /// All places, with those of further tokens that stand for nothing.
    pub fn filled(mut self, tokens: usize) -> Vec<u32> {
        self.places.resize(2 * tokens, 0);
        self.places
    }
}
