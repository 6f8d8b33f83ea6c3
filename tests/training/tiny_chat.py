"""Small models that can chat: those of tests/model/goldens with a tokenizer of 96 words, and rows for them."""

import json
import random
import shutil
from pathlib import Path

MODELS = Path(__file__).parents[1] / "model/goldens"
WORDS = [f"w{number}" for number in range(6, 96)]
TEMPLATE = ("{% for m in messages %}<{{ m.role }}> {{ m.content }} <end> {% endfor %}"
            "{% if add_generation_prompt %}<assistant> {% endif %}")


def chat_model(folder, name="llama"):
    """Copies a golden model into `folder`, with a tokenizer."""
    folder.mkdir(parents=True)
    for file in ("config.json", "model.safetensors"):
        shutil.copy(MODELS / name / file, folder / file)
    specials = ["<unk>", "<bos>", "<end>", "<user>", "<assistant>", "<system>"]
    added = [{"id": index, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": True} for index, token in enumerate(specials)]
    vocabulary = {word: index for index, word in enumerate(specials + WORDS)}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"}}))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<end>", "unk_token": "<unk>",
        "chat_template": TEMPLATE}))
    return folder


def text(draw, low, high):
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(low, high)))


def pair_row(draw, prompt_words=(2, 8), answer_words=(2, 12)):
    prompt = text(draw, *prompt_words)
    return {"prompt": prompt, "chosen": text(draw, *answer_words), "rejected": text(draw, *answer_words)}


def chat_row(draw):
    turns = []
    for _ in range(draw.randint(1, 3)):
        turns += [{"role": "user", "content": text(draw, 2, 6)}, {"role": "assistant", "content": text(draw, 2, 8)}]
    return {"messages": turns}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def pairs(path, count, seed):
    draw = random.Random(seed)
    return write_rows(path, [pair_row(draw) for _ in range(count)])


def chats(path, count, seed):
    draw = random.Random(seed)
    return write_rows(path, [chat_row(draw) for _ in range(count)])


def bad(tmp_path, name, **changes):
    """Pairs of which the third has other columns; those that are None are left out."""
    rows = [pair_row(random.Random(number)) for number in range(4)]
    rows[2] = {key: value for key, value in {**rows[2], **changes}.items() if value is not None}
    return write_rows(tmp_path / name, rows)
