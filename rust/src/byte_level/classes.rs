//! The classes of characters that expressions ask for, as Oniguruma knows them: its tables, and not
//! those of Rust, decide how the library splits a text.

use onig::Regex;
use std::sync::{LazyLock, OnceLock};

pub const LETTER: u8 = 1; // \p{L}
pub const NUMBER: u8 = 2; // \p{N}
pub const SPACE: u8 = 4; // \s
pub const OTHER: u8 = 8; // none of them
pub const LINE_END: u8 = 16; // \r or \n, in addition to SPACE

const BLOCK: usize = 256;
type Block = Box<[u8; BLOCK]>;

static BLOCKS: [OnceLock<Block>; 0x110000 / BLOCK] = [const { OnceLock::new() }; 0x110000 / BLOCK];
static CLASSES: LazyLock<[(u8, Regex); 3]> = LazyLock::new(|| {
    [(LETTER, r"\p{L}"), (NUMBER, r"\p{N}"), (SPACE, r"\s")]
        .map(|(class, expression)| (class, Regex::new(expression).expect("a class of Unicode")))
});

pub static ASCII: LazyLock<[u8; 128]> = LazyLock::new(|| std::array::from_fn(|c| block(0)[c]));

fn block(number: usize) -> &'static Block {
    BLOCKS[number].get_or_init(|| {
        let mut classes = [OTHER; BLOCK];
        let characters: String = (number * BLOCK..(number + 1) * BLOCK)
            .filter_map(|c| char::from_u32(c as u32))
            .collect();
        for (class, expression) in CLASSES.iter() {
            for (begin, _) in expression.find_iter(&characters) {
                let found = characters[begin..].chars().next().expect("what was found");
                classes[found as usize % BLOCK] = *class;
            }
        }
        if number == 0 {
            classes[usize::from(b'\r')] |= LINE_END;
            classes[usize::from(b'\n')] |= LINE_END;
        }
        Box::new(classes)
    })
}

pub fn class_of(c: char) -> u8 {
    block(c as usize / BLOCK)[c as usize % BLOCK]
}
