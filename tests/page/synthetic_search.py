"""Searches that nobody ran, of every shape, with the files of a real one. All numbers follow from the answers in them."""

import json

import numpy as np

RACE = [0.0, 0.1, 0.3, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 25.0]
WORDS = ("the museum slogan bread keeps every visitor curious about small quiet rooms where light falls on painted walls "
         "and nobody hurries past a question that children ask first").split()


def words(random, count):
    return " ".join(random.choice(WORDS, size=count)).capitalize() + "."


def estimate(scores, lengths, truncated):
    return {"prompts": len(scores), "mean": float(np.mean(scores)),
            "standard_error": float(np.std(scores, ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else 0.0,
            "length": float(np.mean(lengths)), "truncated": float(np.mean(truncated)), "repetition": 0.01,
            "distinct_2": 0.98, "scores": {}}


class SyntheticSearch:
    """A search of one or more checkpoints: quality(alpha) is the chance of a score of 1."""

    def __init__(self, alphas=RACE, models=("aligned",), prompts=60, samples=1, seed=1, quality=None, collapsed=(),
                 chosen=None, verdict="gain", answered=True, baseline=None, bent=False, later=()):
        self.random = np.random.default_rng(seed)
        self.alphas, self.models, self.samples = list(alphas), list(models), samples
        self.quality = quality or (lambda alpha: 0.35 + 0.3 * np.exp(-np.log((alpha + 0.4) / 6) ** 2))
        self.collapsed, self.verdict, self.answered, self.baseline = set(collapsed), verdict, answered, baseline
        self.bent, self.later = bent, set(later)
        self.parts = ["choosing"] * (prompts // 2) + ["confirming"] * (prompts - prompts // 2)
        self.texts = [f"Write about topic {i}, in your own words." for i in range(prompts)]
        living = [alpha for alpha in self.alphas if alpha not in self.collapsed]
        self.chosen = chosen if chosen is not None else max(living, key=self.quality)
        self.columns = {name: [] for name in ("label", "prompt", "sample", "text", "score", "tokens", "ending")}
        self.labels = []
        self.rows = {}
        self.answer_all()

    def label(self, alpha, model=None):
        prefix = f"{model} " if model and len(self.models) > 1 and alpha >= 0 else ""
        return f"{prefix}α = {alpha:g}"

    def answer(self, label, alpha, part, count=None):
        asked = [i for i, each in enumerate(self.parts) if each == part][:count]
        scores, lengths, cut = [], [], []
        self.labels += [label] if label not in self.labels else []
        for prompt in asked:
            for sample in range(self.samples):
                count_words = int(self.random.integers(8, 30) / (1 + max(alpha, 0) / 10)) + 2
                text = words(self.random, count_words)
                score = float(self.random.random() < self.quality(alpha))
                scores.append(score)
                lengths.append(len(text))
                cut.append(self.random.random() < 0.1)
                row = (self.labels.index(label), prompt, sample, text, score, count_words + 3, "length" if cut[-1] else "stop")
                for name, value in zip(self.columns, row):
                    self.columns[name].append(value)
        self.rows[label, part] = estimate(scores, lengths, cut)

    def answer_all(self):
        for model in self.models:
            for alpha in self.alphas:
                if alpha not in self.collapsed:
                    self.answer(self.label(alpha, model), alpha, "choosing")
        self.answer(self.label(-1), -0.3, "confirming")
        for alpha in dict.fromkeys((0.0, self.chosen)):
            self.answer(self.label(alpha, self.models[0]), alpha, "confirming")
        if self.baseline:
            self.answer(self.baseline, 1.0, "confirming")

    def candidate(self, alpha, model):
        label = self.label(alpha, model)
        first = model == self.models[0]
        chosen = first and alpha == self.chosen
        gone = alpha in self.collapsed
        compared = first and alpha in (-1.0, 0.0, self.chosen)
        return {"alpha": alpha, "effective_alpha": 0.8 * alpha if alpha > 0 and self.bent else alpha,
                "lost": None if alpha == 0 else 0.4 / (1 + abs(alpha)) if self.bent else 0.0, "model": model,
                "label": label, "recommended": chosen and self.verdict == "gain", "chosen": chosen, "best": chosen,
                "tied": chosen or (first and alpha == 4.0), "eligible": not gone,
                "collapsed": {"kind": "endless", "share": 1.0, "answers": 16, "share_at_zero": 0.1, "cap": 64} if gone else None,
                "drift_from_aligned": 0.1 * abs(alpha) if compared else None,
                "drift_from_sft": 0.1 * (alpha + 1) if compared else None,
                "choosing": self.rows.get((label, "choosing")), "confirming": self.rows.get((label, "confirming"))}

    def candidates(self):
        found = [self.candidate(-1.0, self.models[0])]
        found += [self.candidate(alpha, model) for model in self.models for alpha in self.alphas]
        if self.baseline:
            found.append(self.candidate(0.0, None) | {"label": self.baseline, "effective_alpha": None, "choosing": None, "eligible": False, "chosen": False,
                                                      "best": False, "tied": False, "drift_from_aligned": None,
                                                      "drift_from_sft": None, "confirming": self.rows[self.baseline, "confirming"]})
        return found

    def comparison(self, one, other):
        first, second = self.rows[one, "confirming"], self.rows[other, "confirming"]
        gain = first["mean"] - second["mean"]
        error = np.hypot(first["standard_error"], second["standard_error"])
        return {"prompts": first["prompts"], "gain": gain, "standard_deviation": 0.5,
                "interval": [gain - 1.645 * error, gain + 1.645 * error], "interval_95": [gain - 1.96 * error, gain + 1.96 * error],
                "p": 0.0312, "method": "sign-test",
                "at_equal_length": {"gain": gain - 0.02, "standard_error": 0.04, "interval_95": [gain - 0.1, gain + 0.06],
                                    "per_unit": 0.001}}

    def look(self, number, seen, alive, tokens):
        entries = []
        for model in self.models:
            for alpha in self.alphas:
                if alpha in self.collapsed or alpha in self.later and number < 3:
                    continue
                mean = self.rows[self.label(alpha, model), "choosing"]["mean"]
                entries.append({"alpha": alpha, "label": self.label(alpha, model), "rows": seen, "mean": mean,
                                "belief": mean, "chance": 0.1, "alive": alpha in alive})
        return {"look": number, "tokens": tokens, "candidates": entries}

    def looks(self):
        """Four looks: the worst half of α leaves at each, but never α = 0 nor the chosen one; some α join at the third."""
        lines = [{"dropped": alpha, "label": self.label(alpha, model), "kind": "endless", "share": 1.0, "answers": 16,
                  "share_at_zero": 0.1, "cap": 64} for model in self.models for alpha in sorted(self.collapsed)]
        ranked = sorted((alpha for alpha in self.alphas if alpha not in self.collapsed),
                        key=lambda alpha: (alpha not in (0.0, self.chosen), -self.quality(alpha)))
        for number in range(1, 5):
            alive = set(ranked[:max(2, len(ranked) >> (number - 1))])
            lines.append(self.look(number, 7 * number, alive, 900 * number * number))
        lines.append({"confirmed": self.chosen, "label": self.label(self.chosen, self.models[0]), "prompts": 30, "tokens": 17000})
        return lines

    def strategy(self):
        return {"objective": "command" if self.answered else "preference", "dpo_beta": None, "strategy": "race",
                "alphas": [-1.0, *self.alphas], "guards": [], "prefer": "best", "min_gain": 0.0, "token_budget": None}

    def result(self):
        zero = self.label(0, self.models[0])
        compared = self.chosen != 0
        gain = self.comparison(self.label(self.chosen, self.models[0]), self.baseline or zero) if compared else None
        return {"schema": "expo-search-1", "alpha": self.chosen if self.verdict == "gain" else 0.0, "model": self.models[0],
                "verdict": self.verdict, "gain": gain and gain["gain"], "interval": gain and gain["interval"],
                "p": gain and gain["p"], "tokens": 17000, "choosing_tokens": 14400, "baseline": self.baseline or zero,
                "chosen": self.chosen, "best": self.chosen, "tied": [4.0, self.chosen],
                "needed_prompts": 517 if self.verdict == "undecided" else None, "confirmation": gain,
                "training": self.comparison(zero, self.label(-1)) | {"model": self.models[0]}, "second": {}, "shown": {},
                "modules": None, "prompts": {"choosing": self.parts.count("choosing"),
                                             "confirming": self.parts.count("confirming"), "compared": 30},
                "candidates": self.candidates(), "setting": {"dtype": "float32", "rounding": "nearest", "rounding_seed": 0},
                "on_mismatch": "refuse", "sft": "sft", "aligned": self.models[0], "also": self.models[1:], "data": "dev.jsonl",
                "scorer": "program 'python check.py'", "search": self.strategy(), "samples": self.samples,
                "answers": {"max_new_tokens": 96, "sampling": {"temperature": 0.7}}, "expo": "0.1.0",
                "engine": {"kind": "embedded", "device": "cpu", "dtype": "float32"}, "warnings": ["16 is the largest α that was tried"]}

    def settings(self):
        return {"expo": "0.1.0", "command": "search", "settings": {
            "search": self.strategy(), "samples": self.samples, "answers": {"max_new_tokens": 96},
            "prompts": {"rows": len(self.parts), "digest": "xxh3-64:8080a430215c4418"}}}

    def run(self, name="search", finished=True):
        session = {"started": "2026-11-30T09:00:00Z", "ended": "2026-11-30T09:41:00Z" if finished else None,
                   "command": "expo search sft aligned dev.jsonl -o run", "expo": "0.1.0",
                   "machine": {"processor": "A processor of a test", "cores": 2, "memory": 25000000000, "instructions": "avx2",
                               "device": "cpu"}}
        count = len(self.parts)
        empty = {column: [] for column in self.columns}
        return {"kind": "search", "name": name, "folder": name, "missing": [] if finished else [
                    "search.json is not there: the search is not finished."],
                "result": json.loads(json.dumps(self.result())) if finished else None, "settings": self.settings(),
                "sessions": [session], "looks": self.looks() if finished else self.looks()[:-2],
                "prompts": {"id": [str(i) for i in range(count)], "part": self.parts, "text": self.texts, "messages": [None] * count},
                "labels": self.labels, "answers": self.columns if self.answered else empty}


POINTS = [(1.0, 1.0, 1.0, 0.0), (0.31, 1.5, 1.0, -0.5), (2.0, 0.7, 3.2, 1.7), (1.4, 1.9, 0.4, 0.3)]


def with_modules(run, chosen=3):
    """The run, as if an α for each kind of module had been searched too: four points, looked at once."""
    points = [{"alpha": 4.0, "attention": attention, "mlp": mlp, "rest": rest, "slope": slope, "prompts": 30,
               "mean": 0.4 + 0.05 * i, "standard_error": 0.04} for i, (attention, mlp, rest, slope) in enumerate(POINTS)]
    parameters = {key: points[chosen][key] for key in ("alpha", "attention", "mlp", "rest", "slope")}
    comparison = {"prompts": 30, "gain": 0.08, "standard_deviation": 0.4, "interval": [0.01, None], "interval_95": [0.0, None], "p": 0.04,
                  "method": "sign-test", "at_equal_length": None}
    modules = {"verdict": "gain", "reason": None, "parameters": parameters, "gain": 0.08, "interval": [0.01, None], "p": 0.04,
               "needed_prompts": None, "confirmation": comparison, "choosing_tokens": 4000, "points": points}
    entries = [{"alpha": 4.0, "label": f"point {i}", "rows": 30, "mean": each["mean"], "belief": each["mean"], "chance": 0.25,
                "alive": True, "modules": {key: each[key] for key in ("attention", "mlp", "rest", "slope")}}
               for i, each in enumerate(points)]
    looks = [*run["looks"], {"look": 5, "tokens": 16000, "candidates": entries}]
    return run | {"result": run["result"] | {"modules": modules}, "looks": looks}
