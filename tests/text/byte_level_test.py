"""Byte-level BPE against Hugging Face's tokenizers: every shape that is encoded without that library, and some that are
left to it, with texts that are made to go wrong."""

import json
import os
import random
from pathlib import Path

import pytest

from text_program import text_tool

tokenizers = pytest.importorskip("tokenizers")
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

TORTURE = Path(os.environ["EXPO_SOURCE_DIR"]) / "tests/text/goldens/torture.utf8"
LONG = bool(os.environ.get("EXPO_LONG_TESTS"))
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>"]
MODERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*"
         r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥\u3040-ゟ゠-ヿ]+",
            r"[!-/:-~]?[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]


def split_by(*expressions):
    steps = [pre_tokenizers.Split(Regex(expression), behavior="isolated") for expression in expressions]
    return pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def with_digits(individual):
    return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=individual),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False)])


def bos(*before):
    template = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A <s> $B", special_tokens=[("<s>", 3), ("</s>", 4)])
    return processors.Sequence([*before, template]) if before else template


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
TRIMS = processors.ByteLevel(trim_offsets=True)
PLAIN_TRIMS = processors.ByteLevel(trim_offsets=True, add_prefix_space=False)
KEEPS = processors.ByteLevel(trim_offsets=False)

# name: (pre-tokenizer, normalizer, post-processor, further settings)
OWN = {
    "gpt2": (GPT2, None, KEEPS, {}),
    "gpt2, trimmed": (GPT2, None, TRIMS, {}),
    "digits": (with_digits(True), None, TRIMS, {}),
    "digits in a row": (with_digits(False), None, PLAIN_TRIMS, {}),
    "llama3": (split_by(MODERN % r"\p{N}{1,3}"), None, bos(KEEPS), {"ignore_merges": True}),
    "qwen2": (split_by(MODERN % r"\p{N}"), normalizers.NFC(), TRIMS, {}),
    "cl100k": (split_by(CL100K), None, bos(TRIMS), {"ignore_merges": True}),
    "o200k": (split_by(O200K), None, bos(), {}),
    "deepseek": (split_by(*DEEPSEEK), normalizers.Sequence([]), None, {}),
    "bytes that have no token": (GPT2, None, TRIMS, {"alphabet": []}),
    "bytes that are unknown": (GPT2, None, TRIMS, {"alphabet": [], "unk_token": "<unk>"}),
    "normalized tokens": (GPT2, normalizers.NFC(), TRIMS, {"added": [AddedToken("zebra", normalized=True),
                                                                     AddedToken("  \n", normalized=True)]}),
    "tokens within others": (GPT2, None, TRIMS, {"added": [AddedToken("<|im", normalized=False), AddedToken("art|>")]}),
    "wide spaces": (GPT2, None, TRIMS, {"added": [AddedToken("\u3000x", normalized=False)]}),
}
LIBRARY = {
    "a space before the text": (pre_tokenizers.ByteLevel(add_prefix_space=True), None, TRIMS, {}),
    "compatibility": (GPT2, normalizers.NFKC(), TRIMS, {}),
    "a token that takes spaces": (GPT2, None, TRIMS, {"added": [AddedToken("<mask>", lstrip=True)]}),
    "a token that is a word": (GPT2, None, TRIMS, {"added": [AddedToken("zebra", single_word=True)]}),
    "punctuation": (pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), GPT2]), None, None, {}),
}


def make(shape, folder):
    pre_tokenizer, normalizer, post_processor, settings = shape
    settings = dict(settings)
    alphabet, added = settings.pop("alphabet", pre_tokenizers.ByteLevel.alphabet()), settings.pop("added", [])
    tokenizer = Tokenizer(models.BPE(**settings))
    tokenizer.pre_tokenizer = pre_tokenizer
    first = SPECIAL + (["<unk>"] if "unk_token" in settings else [])
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=first, initial_alphabet=alphabet, show_progress=False)
    words = "The zebra's 12345 stripes aren't HERE; it'll say naïve café 東京都 привет\n\n  and    then\t\tgo "
    tokenizer.train_from_iterator(TORTURE.read_bytes().decode().split("\n") + [words] * 9, trainer)
    tokenizer.add_tokens(added)
    if normalizer:
        tokenizer.normalizer = normalizer
    if post_processor:
        tokenizer.post_processor = post_processor
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return Tokenizer.from_file(str(path)), path


def texts(seed, count):
    draw = random.Random(seed)
    pieces = [" ", "  ", "\n", "\r\n", "\t", "\u3000", "\xa0", "\x85", "\u2028", "'s", "'S", "'ll", "'LL", "'Re", "'ſ", "'", "''t",
              "zebra", "naïve", "e\u0301", "\u0301", "각", "\u1100\u1161", "ß", "ﬁ", "İ", "12345", "٣٤٥", "½", "Ⅷ", "²", "東京", "カ゛",
              "<|im_start|>", "<|im_end|>", "<|im", "</s>", "<mask>", " <mask> ", "👩‍👩‍👧", "👍🏽", "\x00", "\x7f", "\x04", "\ufffd",
              "!", "?!", "///", ".\n", "_", "—", "́́", "Hello", "hELLO", "helloWorld", "HTTPServer", "a", "\u3000x"]
    for _ in range(count):
        parts = draw.choices(pieces, k=draw.randrange(1, 25))
        if draw.random() < 0.5:
            parts.insert(draw.randrange(len(parts)), "".join(map(chr, (
                draw.choice((draw.randrange(1, 0x250), draw.randrange(0x250, 0xd800), draw.randrange(0xe000, 0x110000)))
                for _ in range(draw.randrange(1, 30))))))
        if draw.random() < 0.02:
            parts.append(draw.choice(("ab", " ", "é", "東", "-")) * draw.choice((255, 256, 511, 600, 2000)))
        yield "".join(parts)


def with_a_huge_id(state):
    state["model"]["vocab"]["ab"] = 700_000_000


def with_one_token_twice(state):
    first = {"single_word": False, "lstrip": False, "rstrip": False, "special": False}
    state["added_tokens"] += [{"id": 901, "content": "xy", "normalized": flag, **first} for flag in (False, True)]


def with_an_id_that_the_model_has(state):
    # A new token gets the number of tokens as its id, which one of the model's has if another is skipped.
    vocabulary = state["model"]["vocab"]
    vocabulary[max(vocabulary, key=vocabulary.get)] = len(vocabulary)
    state["added_tokens"][-1]["content"] = "zz1"


def with_the_text_twice(state):
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    state["post_processor"] = {"type": "TemplateProcessing", "single": [sequence, sequence], "pair": [sequence, sequence],
                               "special_tokens": {}}


def without_the_letter_a(state):
    vocabulary = state["model"]["vocab"]
    state["model"]["vocab"] = {token: number for token, number in vocabulary.items() if "a" not in token or "|" in token}
    state["model"]["merges"] = []
    state["post_processor"] = json.loads(bos().__getstate__())


@pytest.mark.parametrize("change", [with_a_huge_id, with_one_token_twice, with_an_id_that_the_model_has, with_the_text_twice,
                                    without_the_letter_a])
def test_a_tokenizer_that_is_not_what_it_seems_is_left_to_the_library(tmp_path, change):
    _, path = make(OWN["gpt2, trimmed"], tmp_path)
    state = json.loads(path.read_text(encoding="utf-8"))
    change(state)
    path.write_text(json.dumps(state), encoding="utf-8")
    assert text_tool("kind", path, lines=[]) == ["library"]


@pytest.mark.parametrize("name", [*OWN, *LIBRARY])
def test_tokens_and_their_places_are_those_of_the_library(tmp_path, name):
    seed = random.SystemRandom().randrange(2**32)
    theirs, path = make({**OWN, **LIBRARY}[name], tmp_path)
    assert text_tool("kind", path, lines=[]) == ["byte-level" if name in OWN else "library"]
    lines = ["", *TORTURE.read_bytes().decode().split("\n"), *texts(seed, 20_000 if LONG else 1_000)]
    for line, found in zip(lines, text_tool("places", path, lines=lines), strict=True):
        whole, plain = theirs.encode(line), theirs.encode(line, add_special_tokens=False)
        expected = {"ids": whole.ids, "places": [list(place) for place in whole.offsets], "plain": plain.ids}
        assert found == expected, f"seed {seed}: {json.dumps(line)}"
