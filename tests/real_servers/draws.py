"""Whether the tokens that a server draws have the probabilities that the sampling options stand for."""

from collections import Counter

from checkpoints import expo
from scipy.stats import chisquare
from small_models import read_rows, write_rows

from reference import drawn_distribution

PROMPT = "Name an animal, in one word."
COUNT = 400


def assert_drawn_as_documented(word, reference, folder):
    """The first tokens of many answers. The draws have fixed seeds: they pass or fail once and for all."""
    data = write_rows(folder / "draws.jsonl", [{"prompt": PROMPT}])
    settings = {"temperature": 1.6, "min_p": 0.02, "top_k": 12, "top_p": 0.9}
    options = [text for name, value in settings.items() for text in ("--" + name.replace("_", "-"), value)]
    expo("generate", word, data, "-o", folder / "drawn.jsonl", "--n", COUNT, "--max-new-tokens", 1, *options)
    before = reference.prompt_ids(PROMPT)
    probs = drawn_distribution(reference.log_probs([*before, 0], len(before))[0], **settings)
    expected = {reference.tokenizer.decode([token]): COUNT * probs[token].item() for token in probs.nonzero()[:, 0].tolist()}
    drawn = Counter(row["messages"][-1]["content"] for row in read_rows(folder / "drawn.jsonl"))
    assert set(drawn) <= set(expected) and 4 <= len(expected) <= 12
    assert chisquare([drawn[text] for text in expected], list(expected.values())).pvalue > 1e-4
