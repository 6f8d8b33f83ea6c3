//! The expressions by which most tokenizers split a text, written out. They try their alternatives
//! in order and take the first that matches; every character belongs to a match.

use super::classes::{class_of, ASCII, LETTER, LINE_END, NUMBER, OTHER, SPACE};

pub const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
pub const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

pub enum Words {
    Gpt2,
    /// That of Llama 3 and of Qwen 2, which differ in the most digits of a word.
    Modern {
        digits: usize,
    },
}

impl Words {
    pub fn each(&self, text: &str, sink: &mut dyn FnMut(&str, usize)) {
        let scan = Scan { text, ascii: &ASCII };
        let mut begin = 0;
        while begin < text.len() {
            let end = match self {
                Words::Gpt2 => scan.gpt2(begin),
                Words::Modern { digits } => scan.modern(begin, *digits),
            };
            sink(&text[begin..end], begin);
            begin = end;
        }
    }
}

struct Scan<'a> {
    text: &'a str,
    ascii: &'a [u8; 128],
}

impl Scan<'_> {
    /// The class of the character at a byte, and the byte after it; class 0 at the end.
    #[inline]
    fn at(&self, at: usize) -> (u8, usize) {
        match self.text.as_bytes().get(at) {
            None => (0, at),
            Some(&byte) if byte < 128 => (self.ascii[usize::from(byte)], at + 1),
            Some(_) => self.beyond_ascii(at),
        }
    }

    fn beyond_ascii(&self, at: usize) -> (u8, usize) {
        self.text[at..].chars().next().map_or((0, at), |c| (class_of(c), at + c.len_utf8()))
    }

    /// The end of a run of characters of these classes.
    #[inline]
    fn run(&self, mut at: usize, classes: u8) -> usize {
        loop {
            let (class, next) = self.at(at);
            if class & classes == 0 {
                return at;
            }
            at = next;
        }
    }

    fn gpt2(&self, begin: usize) -> usize {
        let byte = self.text.as_bytes()[begin];
        if byte == b'\'' {
            if let Some(end) = self.contraction(begin, false) {
                return end;
            }
        }
        let (class, next) = self.at(begin);
        let (kind, after) = if byte == b' ' { self.at(next) } else { (class, next) };
        match kind & (LETTER | NUMBER | OTHER) {
            0 => self.spaces(begin),
            kind => self.run(after, kind),
        }
    }

    fn modern(&self, begin: usize, digits: usize) -> usize {
        let byte = self.text.as_bytes()[begin];
        if byte == b'\'' {
            if let Some(end) = self.contraction(begin, true) {
                return end;
            }
        }
        let (class, next) = self.at(begin);
        if class == LETTER {
            return self.run(next, LETTER);
        }
        if class == NUMBER {
            return self.number(next, digits);
        }
        let (second, after) = self.at(next);
        if second == LETTER && class & LINE_END == 0 {
            return self.run(after, LETTER);
        }
        if class == OTHER {
            return self.run(self.run(next, OTHER), LINE_END);
        }
        if byte == b' ' && second == OTHER {
            return self.run(self.run(after, OTHER), LINE_END);
        }
        self.spaces_to_line_end(begin)
    }

    fn number(&self, mut end: usize, digits: usize) -> usize {
        for _ in 1..digits {
            let (class, next) = self.at(end);
            if class != NUMBER {
                break;
            }
            end = next;
        }
        end
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`, where U+017F counts as an s if case does not.
    fn contraction(&self, begin: usize, ignores_case: bool) -> Option<usize> {
        let rest = &self.text.as_bytes()[begin + 1..];
        let letter = |at: usize| {
            let byte = *rest.get(at)?;
            Some(if ignores_case { byte.to_ascii_lowercase() } else { byte })
        };
        if ignores_case && rest.starts_with("ſ".as_bytes()) {
            return Some(begin + 3);
        }
        match (letter(0)?, letter(1)) {
            (b's' | b't' | b'm' | b'd', _) => Some(begin + 2),
            (b'r' | b'v', Some(b'e')) | (b'l', Some(b'l')) => Some(begin + 3),
            _ => None,
        }
    }

    /// `\s+(?!\S)|\s+`: a run of spaces, without its last one if a word follows.
    fn spaces(&self, begin: usize) -> usize {
        let end = self.run(begin, SPACE);
        let last = self.text[begin..end].char_indices().next_back().map_or(0, |(at, _)| at);
        if end == self.text.len() || last == 0 {
            end
        } else {
            begin + last
        }
    }

    /// `\s*[\r\n]+` before that: to the last line end of the run.
    fn spaces_to_line_end(&self, begin: usize) -> usize {
        let end = self.run(begin, SPACE);
        match self.text.as_bytes()[begin..end].iter().rposition(|&b| b == b'\r' || b == b'\n') {
            Some(last) => begin + last + 1,
            None => self.spaces(begin),
        }
    }
}
