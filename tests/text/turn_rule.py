"""Which characters of a rendered conversation are the assistant's, by the rule of docs/train.md, computed with
transformers alone."""

import json
import os

MARKER = "qz7x"


class NotFound(Exception):
    pass


def prefix(a, b):
    return len(os.path.commonprefix([a, b]))


def suffix(a, b, most):
    return min(prefix(a[::-1], b[::-1]), most)


class Turns:
    """One conversation, rendered whole again and again with other words in the place of one turn."""

    def __init__(self, theirs, row, parts):
        self.theirs, self.row, self.messages, self.parts = theirs, row, row["messages"], parts
        self.whole = theirs.render(row)
        assert MARKER not in self.whole

    def rendered(self, messages, **options):
        try:
            return self.theirs.render(self.row, messages, **options)
        except Exception:  # whatever it is, the template refuses
            return None

    def other(self, index):
        message = self.messages[index]
        words = [{"type": "text", "text": MARKER}] if self.parts and isinstance(message["content"], list) else MARKER
        return {**({} if message["role"] == "assistant" else message), "role": message["role"], "content": words}

    def other_arguments(self, index):
        def changed(arguments):
            return json.dumps({MARKER: MARKER}, separators=(",", ":")) if isinstance(arguments, str) else {MARKER: MARKER}
        calls = [{**one, "function": {**one["function"], "arguments": changed(one["function"]["arguments"])}}
                 for one in self.messages[index].get("tool_calls") or []]
        return {**self.messages[index], "tool_calls": calls}

    def change(self, index, message):
        """(begin, end, is the begin that of the words, is the end, what follows the words), or None."""
        text = self.rendered([*self.messages[:index], message, *self.messages[index + 1:]])
        if text is None or MARKER not in text:
            return None
        first, last = text.index(MARKER), text.rindex(MARKER) + len(MARKER)
        same = prefix(self.whole, text)
        begin = min(same, first)
        after = suffix(self.whole, text, len(self.whole))
        end = len(self.whole) - min(after, len(text) - last, len(self.whole) - begin)
        return begin, end, same >= first, after >= len(text) - last, text[last:], last == first + len(MARKER)

    def changed(self, index):
        found = self.change(index, self.other(index))
        if found is not None and not found[5]:
            raise NotFound(index)
        if found is None and self.messages[index].get("tool_calls"):
            found = self.change(index, self.other_arguments(index))
        if found is None:
            raise NotFound(index)
        return found

    def opening(self):
        answers = [i for i, message in enumerate(self.messages) if message["role"] == "assistant"]
        for count in [len(self.messages), *answers[-1:]]:
            without = count and self.rendered(self.messages[:count])
            with_prompt = count and self.rendered(self.messages[:count], add_generation_prompt=True)
            if without and with_prompt and with_prompt.startswith(without) and with_prompt != without:
                return with_prompt[len(without):]
        return ""

    def closing(self):
        last = len(self.messages) - (self.messages[-1]["role"] == "assistant")
        message = self.other(last) if last < len(self.messages) else {"role": "assistant", "content": MARKER}
        found = self.change(last, message)
        return found[4] if found else ""

    def begin(self, index, change):
        opening = self.opening()
        found = self.whole.rfind(opening, 0, change[0] + len(opening)) if opening else -1
        if found >= 0 and found + len(opening) == change[0] or found < 0 and change[2]:
            return change[0]
        before = self.change(index - 1, self.other(index - 1)) if index else (0, 0)
        if before is None:
            raise NotFound(index)
        if found >= before[1]:
            return min(found + len(opening), change[1])
        if index == 0 or change[0] < before[1]:
            raise NotFound(index)
        return change[0]

    def end(self, index, change, special):
        closing, end = self.closing(), change[1]
        if closing and self.whole.startswith(closing, end) and change[3]:
            return end + len(closing)
        limit = len(self.whole)
        if index + 1 < len(self.messages):
            behind = self.change(index + 1, self.other(index + 1))
            if behind is None:
                raise NotFound(index)
            limit = behind[0]
        found = self.whole.find(closing, end) if closing else -1
        if end > limit:
            raise NotFound(index)
        if 0 <= found <= limit - len(closing):
            return found + len(closing)
        for first, last in special:
            if last > end and first < limit:
                return last
        if closing:
            raise NotFound(index)
        return end

    def spans(self):
        ids, places = self.theirs.tokens(self.whole)
        special = [place for token, place in zip(ids, places) if token in self.theirs.special]
        for index, message in enumerate(self.messages):
            if message["role"] != "assistant":
                continue
            if self.is_unwritten(index):
                raise NotFound(index)
            change = self.changed(index)
            begin, end = self.begin(index, change), self.end(index, change, special)
            if begin >= end:
                raise NotFound(index)
            yield begin, end

    def is_unwritten(self, index):
        """Whether the turn says nothing but what the template leaves out."""
        message = self.messages[index]
        empty = {key: value for key, value in message.items() if key != "tool_calls"} | {"content": message["content"] or ""}
        return not message["content"] and self.rendered([*self.messages[:index], empty, *self.messages[index + 1:]]) == self.whole

    def mask(self):
        ids, places = self.theirs.tokens(self.whole)
        spans = list(self.spans())
        return ids, [any(first < end and begin < last for begin, end in spans) for first, last in places]
