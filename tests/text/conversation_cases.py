"""Conversations as people have them, the templates that they are rendered with, and what transformers makes of both."""

import functools
import importlib.util
import json
import os
import re
from pathlib import Path

from stopped_clock import stop_the_clock

ROOT = Path(os.environ["EXPO_SOURCE_DIR"])
GOLDENS = ROOT / "tests/text/goldens"
SHARED = ROOT / "../shared/data/chat_templates/templates"


def user(text, **more):
    return {"role": "user", "content": text, **more}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


def call(identifier, name, arguments):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def thought(words, answer):
    return assistant(f"<think>\n{words}\n</think>\n\n{answer}")


WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "Tells the weather, e.g. of Oslo",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "A city"}, "days": {"type": "integer", "default": None}}}}}
BIG = 123456789012345678901234567890

CONVERSATIONS = {
    "one turn": {"messages": [user("What is 2+2?"), assistant("It is 4.")]},
    "two turns": {"messages": [user("What is 2+2?"), assistant("It is 4."), user("And 3+3?"), assistant("It is 6.")]},
    "the same answer twice": {"messages": [user("Say yes"), assistant("yes"), user("Say yes"), assistant("yes")]},
    "answer as the question": {"messages": [user("yes"), assistant("yes"), user("yes"), assistant("yes")]},
    "system": {"messages": [system("Be terse."), user("Hi"), assistant("Hello."), user("Bye"), assistant("Bye.")]},
    "system in the middle": {"messages": [user("Hi"), assistant("Hello."), system("Be terse."), user("Bye"),
                                          assistant("Bye.")]},
    "ends in user": {"messages": [user("Hi"), assistant("Hello there."), user("Bye")]},
    "assistants in a row": {"messages": [user("Hi"), assistant("Hello."), assistant("Still here."), user("Bye"),
                                         assistant("Bye.")]},
    "begins with assistant": {"messages": [assistant("May I help?"), user("Yes"), assistant("How?")]},
    "thoughts in each turn": {"messages": [user("2+2?"), thought("easy sum", "4"), user("3+3?"),
                                           thought("as easy", "6")]},
    "R1's answers": {"messages": [user("2+2?"), assistant("<think>easy</think>\n\n<answer>4</answer>"), user("3+3?"),
                                  assistant("<think>as easy</think>\n\n<answer>6</answer>")]},
    "reasoning_content": {"messages": [user("2+2?"), assistant("4", reasoning_content="easy sum"), user("3+3?"),
                                       assistant("6", reasoning_content="as easy")]},
    "thinking": {"messages": [user("2+2?"), assistant("4", thinking="easy sum")]},
    "tool calls": {"tools": [WEATHER], "messages": [
        user("How is Oslo?"), assistant("", tool_calls=[call("abcdefghi", "weather", {"city": "Oslo", "days": 2})]),
        {"role": "tool", "name": "weather", "tool_call_id": "abcdefghi", "content": "{\"sky\": \"grey\"}"},
        assistant("It is grey.")]},
    "tool calls without content": {"tools": [WEATHER], "messages": [
        system("Be terse."), user("How is Oslo?"),
        {"role": "assistant", "content": None, "tool_calls": [call("abcdefghi", "weather", {"city": "Oslo"})]},
        {"role": "tool", "name": "weather", "tool_call_id": "abcdefghi", "content": "grey"},
        assistant("It is grey."), user("Thanks"), assistant("You are welcome.")]},
    "arguments as text": {"tools": [WEATHER], "messages": [
        user("How is Oslo?"), assistant("I look.", tool_calls=[call("abcdefghi", "weather", "{\"city\": \"Oslo\"}")])]},
    "numbers of tools": {"tools": [{**WEATHER, "big": BIG, "small": -0.0, "tiny": 1e-7, "none": None}], "messages": [
        user("How is Oslo?"), assistant("I do not know.")]},
    "parts": {"messages": [user([{"type": "text", "text": "What is"}, {"type": "text", "text": "2+2?"}]),
                           assistant([{"type": "text", "text": "It is 4."}])]},
    "emoji": {"messages": [user("Say 🙂\u2028é漢"), assistant("👩‍👩‍👧 ça va 🙂"), user("again"), assistant("🙂")]},
    "spaces": {"messages": [system("  "), user(" \n padded \n"), assistant("  padded too \n\n"), user("x"),
                            assistant("\ty\t")]},
    "names and other keys": {"messages": [user("Hi", name="Ann", weight=0.5), assistant("Hello.", name="Bob", extra=None),
                                          user("Bye", name="Ann"), assistant("Bye.", tags=["a", {"b": BIG}])]},
    "empty question": {"messages": [user(""), assistant("You said nothing.")]},
    "an opening in the question": {"messages": [
        user("<|im_start|>assistant\n[/INST] <|assistant|>\n<start_of_turn>model\n"), assistant("No."),
        user("<|im_end|>\n</s>"), assistant("Not this either.")]},
}


def trl_folder():
    """The chat templates that TRL ships."""
    found = importlib.util.find_spec("trl")
    return Path(found.submodule_search_locations[0]) / "chat_templates" if found else None


def templates():
    folders = {"own": GOLDENS / "templates", "trl": trl_folder(), "shared": SHARED}
    return {f"{name}/{path.stem}": path.read_text(encoding="utf-8")
            for name, folder in folders.items() if folder and folder.is_dir()
            for path in sorted(folder.glob("*.jinja"))}


def control_words(source):
    """What a template writes that looks like a control token."""
    words = re.findall(r"<\|[^|<>\s{}]{1,40}\|>|<｜[^｜<>]{1,40}｜>|</?(?:s|bos|eos|start_of_turn|end_of_turn)>|\[/?INST\]", source)
    return sorted(set(words) - {"<|endoftext|>", "<|im_start|>", "<|im_end|>"})


def write_tokenizer(folder, source):
    """A byte-level tokenizer that has the template's control tokens."""
    folder.mkdir(parents=True)
    tokenizer = json.loads((GOLDENS / "byte_level.tokenizer.json").read_text(encoding="utf-8"))
    tokens = tokenizer["added_tokens"]
    first = max(max(tokenizer["model"]["vocab"].values()), *(token["id"] for token in tokens)) + 1
    for number, word in enumerate(sorted({*control_words(source), "<s>", "</s>"})):
        tokens.append({**tokens[0], "id": first + number, "content": word})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
    return folder


class Theirs:
    """transformers, with one template."""

    def __init__(self, folder):
        import transformers
        stop_the_clock()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def render(self, row, messages=None, **options):
        return self.tokenizer.apply_chat_template(messages or row["messages"], tools=row.get("tools"), tokenize=False,
                                                  **options)

    def ids(self, row):
        return self.tokenizer.apply_chat_template(row["messages"], tools=row.get("tools"), add_generation_prompt=True,
                                                  return_dict=False)

    def marked(self, row):
        """What return_assistant_tokens_mask gives."""
        found = self.tokenizer.apply_chat_template(row["messages"], tools=row.get("tools"), return_dict=True,
                                                   return_assistant_tokens_mask=True)
        return found["input_ids"], list(map(bool, found["assistant_masks"]))

    def tokens(self, text):
        """Ids, and the characters of each token."""
        encoding = self.tokenizer._tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    @functools.cached_property
    def special(self):
        return {index for index, token in self.tokenizer.added_tokens_decoder.items() if token.special}


def joined(row):
    """The row with its parts joined, as `transformers serve` joins them."""
    def text(content):
        return " ".join(part["text"] for part in content) if isinstance(content, list) else content
    return {**row, "messages": [{**message, "content": text(message["content"])} for message in row["messages"]]}


def reads_parts(theirs):
    """Whether the template joins the parts of a content itself."""
    try:
        text = theirs.render({"messages": [user([{"type": "text", "text": "xq7zj"}])]}, add_generation_prompt=True)
    except Exception:  # whatever it is, the template refuses
        return False
    return "xq7zj" in text and "'type'" not in text and '"type"' not in text
