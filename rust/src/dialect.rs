//! Translates what transformers' Jinja has and minijinja lacks into what minijinja has: the tag {%
//! generation %}, and the error for a loop over None.

pub const ITEMS: &str = "__items";

/// Translates a template into minijinja's dialect; every line keeps its number.
pub fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 64);
    let mut rest = source;
    let mut raw = false;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let length = if raw { raw_length(from) } else { piece_length(from) };
        let (piece, after) = from.split_at(length);
        let inside = tag_text(piece);
        match (raw, inside) {
            (_, Some("raw")) => raw = true,
            (_, Some("endraw")) => raw = false,
            _ => {}
        }
        out.push_str(&inside.filter(|_| !raw).and_then(|t| replacement(piece, t)).unwrap_or(piece.into()));
        rest = after;
    }
    out + rest
}

/// Tracks whether a position is inside quotes.
#[derive(Default)]
struct Quotes {
    open: Option<char>,
    escaped: bool,
}

impl Quotes {
    /// Whether the next character is quoted, or is a quote itself.
    fn cover(&mut self, c: char) -> bool {
        match self.open {
            _ if self.escaped => self.escaped = false,
            Some(_) if c == '\\' => self.escaped = true,
            Some(quote) if c == quote => self.open = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => self.open = Some(c),
            None => return false,
        }
        true
    }
}

/// The length of the tag, expression or comment that begins here; 1 if none does.
fn piece_length(text: &str) -> usize {
    let end = match text.as_bytes().get(1) {
        Some(b'#') => return text.find("#}").map_or(text.len(), |at| at + 2),
        Some(b'%') => "%}",
        Some(b'{') => "}}",
        _ => return 1,
    };
    let mut quotes = Quotes::default();
    for (at, c) in text.char_indices().skip(2) {
        if !quotes.cover(c) && text[at..].starts_with(end) {
            return at + 2;
        }
    }
    text.len()
}

/// The same within {% raw %}, where only its end tag counts.
fn raw_length(text: &str) -> usize {
    let length = if text.starts_with("{%") { piece_length(text) } else { 1 };
    if tag_text(&text[..length]) == Some("endraw") { length } else { 1 }
}

fn tag_text(piece: &str) -> Option<&str> {
    let inside = piece.strip_prefix("{%")?.strip_suffix("%}")?;
    Some(inside.trim_matches(['-', '+']).trim())
}

fn replacement(piece: &str, text: &str) -> Option<String> {
    let other = match text {
        // A scope of its own, whose body is printed unchanged.
        "generation" => "with".to_string(),
        "endgeneration" => "endwith".to_string(),
        _ => checked_loop(text.strip_prefix("for")?)?,
    };
    Some(piece.replacen(text, &other, 1))
}

/// Rewrites `for x in items if …` so that the items pass through ITEMS.
fn checked_loop(text: &str) -> Option<String> {
    let start = word(text, "in")? + 2;
    let end = ["if", "recursive"].iter().filter_map(|w| word(&text[start..], w)).min();
    let end = end.map_or(text.len(), |at| start + at);
    let (target, items, more) = (&text[..start], &text[start..end], &text[end..]);
    Some(format!("for{target} {ITEMS}(({items})) {more}"))
}

/// The position of a word outside brackets and quotes.
fn word(text: &str, wanted: &str) -> Option<usize> {
    let (mut depth, mut quotes, mut before) = (0, Quotes::default(), ' ');
    for (at, c) in text.char_indices() {
        match c {
            _ if quotes.cover(c) => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ if depth == 0 && is_word(&text[at..], before, wanted) => return Some(at),
            _ => {}
        }
        before = c;
    }
    None
}

fn is_word(text: &str, before: char, wanted: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let after = text.strip_prefix(wanted).map(|rest| rest.chars().next().unwrap_or(' '));
    !part_of_name(before) && after.is_some_and(|c| !part_of_name(c))
}
