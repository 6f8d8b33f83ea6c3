//! Compares an encoder with the library before it is used.

use super::ByteLevel;
use crate::tokenizer::flat;
use tokenizers::Tokenizer;

const PROBES: [&str; 8] = [
    "",
    "The quick brown fox can't jump; they'LL say \"it's 12,345.678\" — won't they? \u{17F} 'ſ",
    "  two  spaces\t\ttabs \n\n lines\r\n\r\n   end  ",
    "Größe naïve café e\u{301}\u{327} ﬁ Ⅷ ½ ²³ ١٢٣ 한국어 日本語の文章 русский язык العربية हिन्दी",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽\u{200D}\u{FE0F}\u{2028}\u{A0}\u{3000}\u{85}\u{0}\u{7F}\u{FFFD}",
    "def f(x):\n    return {'a': [1, 2, 3], \"b\": x**2}  # comment\n\n\n\treturn",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ================ ++++----////\\\\ 0000000000000",
    "<|im_start|>user\nHello<|im_end|>\n<|endoftext|></s><s><unk>",
];

fn agrees_on(encoder: &ByteLevel, library: &Tokenizer, text: &str, special: bool) -> bool {
    let Ok(expected) = library.encode_char_offsets(text, special) else { return false };
    match encoder.encode_places(library, text, special) {
        Some((ids, places)) => {
            ids == expected.get_ids()
                && places == flat(expected.get_offsets())
                && encoder.encode(library, text, special).as_deref() == Some(&ids[..])
        }
        None => true, // the library has it
    }
}

pub fn agrees(encoder: &ByteLevel, library: &Tokenizer) -> bool {
    let tokens = encoder.added.tokens().iter().take(64);
    let with_tokens: String =
        tokens.map(|(_, token)| format!(" a{}\n{}é", token.content, token.content)).collect();
    let is_same = |text| [true, false].iter().all(|&s| agrees_on(encoder, library, text, s));
    PROBES.iter().all(|text| is_same(text)) && is_same(&with_tokens)
}
