"""Makes the tokenizers of tests/text and the ids that Hugging Face's tokenizers gives for every line of torture.utf8.

    make_tokenizers.py            writes *.tokenizer.json and tokenizer_ids.json beside this file
    make_tokenizers.py --check    fails where the installed library gives other ids for the committed files
"""

import json
import sys
from pathlib import Path

from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

HERE = Path(__file__).parent
TEXT = HERE / "torture.utf8"


def lines():
    return TEXT.read_bytes().decode().split("\n")


def byte_level():
    """As the models of the GPT-2, Llama 3 and Qwen kind: BPE over bytes."""
    tokenizer = Tokenizer(models.BPE())
    pattern = Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(pattern, behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(lines(), trainer)
    # What files in the wild carry, and what must not change an answer.
    tokenizer.enable_truncation(7)
    tokenizer.enable_padding(length=5)
    return tokenizer


def sentence_piece():
    """As Llama 2 and Mistral: BPE with blanks as ▁, bytes for what is unknown, and a BOS."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    pieces = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=460, special_tokens=pieces, limit_alphabet=80, show_progress=False)
    tokenizer.train_from_iterator([line.replace(" ", "▁") for line in lines()], trainer)
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < 3]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def unigram():
    """As T5 and XLM: the likeliest pieces, after NFKC."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(lines(), trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False))
    tokenizer.add_special_tokens([AddedToken("<|im_start|>", lstrip=True), AddedToken("<pad>", rstrip=True)])
    tokenizer.add_tokens([AddedToken("def", single_word=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


MAKERS = {"byte_level": byte_level, "sentence_piece": sentence_piece, "unigram": unigram}


def path(name):
    return HERE / f"{name}.tokenizer.json"


def answers(name):
    tokenizer = Tokenizer.from_file(str(path(name)))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = [*lines(), "", TEXT.read_bytes().decode()]
    plain = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return {"ids": plain, "with_special": [tokenizer.encode(text).ids for text in texts],
            "decoded": [tokenizer.decode(ids) for ids in plain],
            "decoded_with_special": [tokenizer.decode(ids, skip_special_tokens=False) for ids in plain]}


def main():
    golden = HERE / "tokenizer_ids.json"
    if "--check" in sys.argv:
        expected = json.loads(golden.read_text(encoding="utf-8"))
        wrong = [name for name in MAKERS if answers(name) != expected[name]]
        sys.exit(f"other ids than the committed ones: {', '.join(wrong)}" if wrong else 0)
    for name, make in MAKERS.items():
        path(name).write_text(json.dumps(json.loads(make().to_str()), ensure_ascii=False, separators=(",", ":")) + "\n",
                              encoding="utf-8")
    golden.write_text(json.dumps({name: answers(name) for name in MAKERS}, ensure_ascii=False, separators=(",", ":"))
                      + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
