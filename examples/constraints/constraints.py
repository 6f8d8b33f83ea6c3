"""Constraints that a program can check: how an instruction words them, and whether an answer obeys.

A constraint is {"kind": NAME, "value": VALUE}, as instructions.py writes it beside each prompt. An answer that is empty
or repeats the same few words obeys nothing, whatever was asked for.
"""

import json
import re

WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
BULLET = re.compile(r"^\s*[-*•]\s+\S", re.MULTILINE)
NUMBERED = re.compile(r"^\s*(\d+)[.)]\s+\S", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?]+[\"'”’)]*(?=\s|$)")
# Fewer distinct words than this share of a longer answer's words is repetition.
LEAST_DISTINCT, LONG_ENOUGH_TO_REPEAT = 1 / 3, 20


def words(text):
    return WORD.findall(text)


def is_an_answer(text):
    found = [word.lower() for word in words(text)]
    if len(found) <= LONG_ENOUGH_TO_REPEAT:
        return bool(found)
    return len(set(found)) >= LEAST_DISTINCT * len(found)


def contains(text, word):
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def letters(text):
    return [letter for letter in text if letter.isalpha()]


def json_with_key(text, key):
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and bool(value.get(key))


def paragraphs(text):
    return [part for part in re.split(r"\n\s*\n", text) if part.strip()]


def sentences(text):
    """The ends of sentences, and one more for text behind the last of them."""
    ends = list(SENTENCE_END.finditer(text))
    rest = text[ends[-1].end():] if ends else text
    return len(ends) + bool(words(rest))


# {kind: (does the text without blanks around it obey the value, wordings)}
KINDS = {
    "at-most-words": (lambda text, n: len(words(text)) <= n, (
        "Use at most {} words.", "Do not write more than {} words.", "Keep your answer to {} words or fewer.")),
    "at-most-characters": (lambda text, n: len(text) <= n, (
        "Use at most {} characters.", "It must fit into {} characters.", "Do not write more than {} characters.")),
    "at-least-words": (lambda text, n: len(words(text)) >= n, (
        "Use at least {} words.", "Do not write fewer than {} words.", "Your answer needs {} words or more.")),
    "words-between": (lambda text, ends: ends[0] <= len(words(text)) <= ends[1], (
        "Use between {} and {} words.", "Your answer must have {} to {} words.",
        "Write no fewer than {} and no more than {} words.")),
    "sentences": (lambda text, n: sentences(text) == n, (
        "Your answer must have exactly {} sentence(s).", "Write {} sentence(s), no more and no fewer.",
        "Number of sentences: {}.")),
    "paragraphs": (lambda text, n: len(paragraphs(text)) == n, (
        "Write exactly {} paragraphs, with an empty line between them.",
        "Your answer must have {} paragraphs that are separated by an empty line.")),
    "bullets": (lambda text, n: len(BULLET.findall(text)) == n, (
        "Answer with exactly {} bullet points, each on its own line that begins with \"- \".",
        "Make a list of {} lines that begin with \"- \".")),
    "numbered": (lambda text, n: [int(each) for each in NUMBERED.findall(text)] == list(range(1, n + 1)), (
        "Answer with a numbered list of exactly {} items.", "Make a list of {} lines, numbered from 1.")),
    "lower-case": (lambda text, _: not any(map(str.isupper, text)), (
        "Write in lower case only.", "Do not use any capital letters.", "Every letter must be lower case.")),
    "capitals": (lambda text, _: not any(map(str.islower, text)), (
        "Write in capital letters only.", "Do not use any lower case letters.", "EVERY LETTER MUST BE A CAPITAL.")),
    "no-commas": (lambda text, _: "," not in text, (
        "Do not use any commas.", "Your answer must not contain a comma.", "Write without commas.")),
    "one-line": (lambda text, _: "\n" not in text, (
        "Answer on a single line.", "Do not use any line breaks.", "Everything must be on one line.")),
    "include": (contains, (
        "Use the word \"{}\".", "Your answer must contain the word \"{}\".", "The word \"{}\" must occur.")),
    "exclude": (lambda text, word: not contains(text, word), (
        "Do not use the word \"{}\".", "Your answer must not contain the word \"{}\".", "Avoid the word \"{}\".")),
    "start": (lambda text, word: words(text)[0].lower() == word.lower(), (
        "Begin with the word \"{}\".", "The first word of your answer must be \"{}\".")),
    "end": (lambda text, word: words(text)[-1].lower() == word.lower(), (
        "End with the word \"{}\".", "The last word of your answer must be \"{}\".")),
    "question": (lambda text, _: text.endswith("?"), (
        "End with a question.", "The last sentence must be a question.")),
    "quoted": (lambda text, _: len(text) > 2 and text[0] in "\"“" and text[-1] in "\"”", (
        "Put your whole answer in double quotation marks.", "Begin and end with a double quotation mark.")),
    "no-digits": (lambda text, _: not any(map(str.isdigit, text)), (
        "Do not use any digits.", "Write numbers as words only.")),
    "json": (json_with_key, (
        "Answer with a JSON object that has the key \"{}\", and nothing else.",
        "Write only JSON: an object with the key \"{}\".")),
}


def obeys(answer, constraint):
    """Whether the answer obeys one constraint. An unknown kind is a KeyError."""
    text = answer.strip()
    obeyed, _ = KINDS[constraint["kind"]]
    return is_an_answer(text) and obeyed(text, constraint["value"])


def wording(constraint, number):
    """One of the sentences that ask for the constraint; number chooses it."""
    wordings = KINDS[constraint["kind"]][1]
    value = constraint["value"]
    values = value if isinstance(value, list) else [value]
    return wordings[number % len(wordings)].format(*values)
