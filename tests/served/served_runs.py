"""Runs of `expo generate` over the tests' servers."""

from checkpoints import expo

from model_server import next_tokens, text_of, word


def ids_of(text):
    """The template's tokens, by the rule of small_models.py."""
    return [3, *(int(word[1:]) for word in text.split()), 4]


def possible_answers(text, mark):
    """What the servers answer to a prompt, by any seed; `mark` is the last token of what they read there."""
    ids = [*ids_of(text), mark]
    return {text_of(next_tokens(ids, seed, 5)) for seed in range(1009)}


def path_of(server):
    return "/completion" if server.dialect == "llama" else "/v1/completions"


def generate(server, data, out, *options, **more):
    return expo("generate", word(server), data, "-o", out, "--max-new-tokens", "40", *options, **more)


def refused(*arguments, code, **options):
    done = expo("generate", *arguments, check=False, **options)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr
