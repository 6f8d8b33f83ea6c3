"""`expo score` against transformers, and what it refuses."""

import json
import math

import numpy as np
import pytest

from checkpoints import expo
from small_models import GOLDENS, model, needs_engine, pair, prompts, read_rows, write_rows

pytestmark = needs_engine
SEED = 20240602


@pytest.fixture
def conversations():
    print("seed", SEED)
    rng = np.random.default_rng(SEED)
    texts = prompts(rng, 40)
    # An answer that ends in the padding token, which is not the end of the text where it is EOS.
    return [[{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            for question, answer in zip(texts[:20], texts[20:])]


def refused(*arguments, code):
    done = expo("score", *arguments, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    return done.stderr


def ids_of(tokenizer, messages, **options):
    return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt",
                                         **options)["input_ids"]


def transformers_rewards(folder, conversations):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return [network(ids_of(tokenizer, messages)).logits[0].tolist() for messages in conversations]


@pytest.mark.parametrize("name", ["llama_reward", "mistral_reward", "qwen2_reward", "gemma2_reward"])
def test_rewards_are_the_raw_outputs_of_transformers(tmp_path, conversations, name):
    """Of mistral_reward the padding token is EOS, with which some of the texts end."""
    folder = model(tmp_path / "model", name, pad_token="</s>" if name == "mistral_reward" else "<unk>")
    for messages in conversations[:5]:
        messages[-1]["content"] += " </s>"
    data = write_rows(tmp_path / "data.jsonl", [{"messages": messages, "n": i} for i, messages in enumerate(conversations)])
    expo("score", folder, data, "-o", tmp_path / "out.jsonl")
    rows = read_rows(tmp_path / "out.jsonl")
    expected = transformers_rewards(folder, conversations)
    assert [row["n"] for row in rows] == list(range(20))
    for row, messages, (reward,) in zip(rows, conversations, expected, strict=True):
        assert row["messages"] == messages
        assert row["reward"] == pytest.approx(reward, abs=1e-4)
    assert len({row["reward"] for row in rows}) > 10


def test_what_generate_writes_is_scored(tmp_path):
    policy, reward = model(tmp_path / "policy"), model(tmp_path / "reward", "llama_reward")
    data = write_rows(tmp_path / "prompts.jsonl", [{"prompt": "w8 w9"}, {"prompt": "w70"}])
    made = {}
    for name, options in {"a.jsonl": [], "b.json": [], "c.jsonl": ["--format", "plain"]}.items():
        expo("generate", policy, data, "-o", tmp_path / name, "--max-new-tokens", "9", *options)
        done = expo("score", reward, tmp_path / name)
        made[name] = [json.loads(line) for line in done.stdout.splitlines()]
    rewards = {name: [row["reward"] for row in rows] for name, rows in made.items()}
    assert rewards["a.jsonl"] == rewards["b.json"] == rewards["c.jsonl"]
    first = made["a.jsonl"][0]
    assert first["reward"] == pytest.approx(transformers_rewards(reward, [first["messages"]])[0][0], abs=1e-4)


def test_pairs_give_accuracy_and_margin(tmp_path, conversations):
    folder = model(tmp_path / "model", "llama_reward")
    rows = [{"prompt": messages[0]["content"], "chosen": messages[1]["content"],
             "rejected": messages[1]["content"] if i < 2 else other[1]["content"]}
            for i, (messages, other) in enumerate(zip(conversations, reversed(conversations)))]
    data = write_rows(tmp_path / "pairs.jsonl", rows)
    done = expo("score", folder, data, "-o", tmp_path / "out.jsonl", "--json")
    summary = json.loads(done.stdout)["pairs"]
    chosen = [values[0] for values in transformers_rewards(
        folder, [[{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["chosen"]}] for row in rows])]
    rejected = [values[0] for values in transformers_rewards(
        folder, [[{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["rejected"]}] for row in rows])]
    for row, before, after in zip(read_rows(tmp_path / "out.jsonl"), chosen, rejected, strict=True):
        assert (row["reward_chosen"], row["reward_rejected"]) == (pytest.approx(before, abs=1e-4), pytest.approx(after, abs=1e-4))
    margins = np.array(chosen) - np.array(rejected)
    wins = int((margins[2:] > 0).sum())
    assert (summary["wins"], summary["ties"]) == (wins, 2)
    assert summary["accuracy"] == wins / 20
    assert summary["margin"]["mean"] == pytest.approx(margins.mean(), abs=1e-4)
    assert summary["margin"]["standard_error"] == pytest.approx(margins.std(ddof=1) / math.sqrt(20), abs=1e-4)
    z = 1.959963984540054  # Wilson (1927): the p at which the observed share lies z standard deviations off
    for p in summary["accuracy_95"]:
        assert abs(wins / 20 - p) == pytest.approx(z * math.sqrt(p * (1 - p) / 20), abs=1e-9)
    before = (tmp_path / "out.jsonl").stat()
    again = json.loads(expo("score", folder, data, "-o", tmp_path / "out.jsonl", "--json", "--resume").stdout)
    assert again["was_complete"] and again["pairs"] == summary
    assert (tmp_path / "out.jsonl").stat().st_mtime_ns == before.st_mtime_ns
    assert "already: 20 pairs" in expo("score", folder, data, "-o", tmp_path / "out.jsonl", "--resume").stdout


def test_several_labels_are_a_list(tmp_path, conversations):
    def two(tensors):
        score = tensors["score.weight"]
        return tensors | {"score.weight": np.concatenate([score, -2 * score])}
    folder = model(tmp_path / "model", "llama_reward", change=two,
                   config={"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}})
    data = write_rows(tmp_path / "data.jsonl", [{"messages": messages} for messages in conversations])
    done = expo("score", folder, data, "-o", tmp_path / "out.jsonl", "--json")
    rewards = np.array([row["reward"] for row in read_rows(tmp_path / "out.jsonl")])
    assert rewards == pytest.approx(np.array(transformers_rewards(folder, conversations)), abs=1e-4)
    labels = json.loads(done.stdout)["labels"]
    for label, column in zip(labels, rewards.T, strict=True):
        assert label["mean"] == pytest.approx(column.mean())
        assert label["standard_error"] == pytest.approx(column.std(ddof=1) / math.sqrt(20))


def test_log_probs_of_answers(tmp_path, conversations):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = model(tmp_path / "model")
    data = write_rows(tmp_path / "data.jsonl", [{"prompt": one[0]["content"], "output": one[1]["content"]}
                                                for one in conversations])
    done = expo("score", folder, data, "--log-probs")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for row, messages in zip(rows, conversations, strict=True):
        prompt = ids_of(tokenizer, messages[:1], add_generation_prompt=True)[0]
        answer = tokenizer(messages[1]["content"], add_special_tokens=False, return_tensors="pt")["input_ids"][0]
        with torch.no_grad():
            logits = network(torch.cat([prompt, answer])[None]).logits[0]
        expected = logits[len(prompt) - 1:-1].log_softmax(-1).gather(1, answer[:, None]).sum().item()
        assert row["log_prob"] == pytest.approx(expected, abs=1e-3)
        assert row["answer_tokens"] == len(answer)


def test_scores_beyond_are_those_of_the_written_checkpoint(tmp_path, conversations):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    sft, aligned = pair(tmp_path)
    how_far = ["--alpha", "0.7", "--alpha-for", "mlp=1.5"]
    data = write_rows(tmp_path / "data.jsonl", [{"messages": messages} for messages in conversations])
    expo("extrapolate", sft, aligned, "-o", tmp_path / "beyond", *how_far)
    expo("score", tmp_path / "beyond", data, "--log-probs", "-o", tmp_path / "written.jsonl")
    done = expo("score", aligned, data, "--log-probs", "--sft", sft, *how_far, "-o", tmp_path / "live.jsonl", "--json")
    assert (tmp_path / "live.jsonl").read_bytes() == (tmp_path / "written.jsonl").read_bytes()
    summary = json.loads(done.stdout)
    assert summary["alpha"] == "0.7, then mlp=1.5" and summary["effective_alpha"] is not None
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / "beyond")
    network = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "beyond", dtype=torch.float64).eval()
    for row, messages in zip(read_rows(tmp_path / "live.jsonl"), conversations, strict=True):
        prompt = ids_of(tokenizer, messages[:1], add_generation_prompt=True)[0]
        answer = tokenizer(messages[1]["content"], add_special_tokens=False, return_tensors="pt")["input_ids"][0]
        with torch.no_grad():
            logits = network(torch.cat([prompt, answer])[None]).logits[0]
        expected = logits[len(prompt) - 1:-1].log_softmax(-1).gather(1, answer[:, None]).sum().item()
        assert row["log_prob"] == pytest.approx(expected, rel=1e-5)
    plain = expo("score", aligned, data, "--log-probs").stdout
    assert [json.loads(line) for line in plain.splitlines()] != read_rows(tmp_path / "live.jsonl")


def test_rewards_beyond_are_those_of_the_written_reward_model(tmp_path, conversations):
    sft, aligned = pair(tmp_path, name="llama_reward")
    data = write_rows(tmp_path / "data.jsonl", [{"messages": messages} for messages in conversations])
    expo("extrapolate", sft, aligned, "-o", tmp_path / "beyond", "--alpha", "2")
    live = expo("score", aligned, data, "--sft", sft, "--alpha", "2").stdout
    assert live == expo("score", tmp_path / "beyond", data).stdout
    rewards = [json.loads(line)["reward"] for line in live.splitlines()]
    expected = transformers_rewards(tmp_path / "beyond", conversations)
    assert rewards == pytest.approx([reward for (reward,) in expected], abs=1e-4)


def test_a_reward_model_is_not_extrapolated_from_a_language_model(tmp_path):
    data = write_rows(tmp_path / "data.jsonl", [{"instruction": "w8", "output": "w9"}])

    def without_its_head(tensors):
        return {name: value for name, value in tensors.items() if name != "score.weight"} | {
            "lm_head.weight": tensors["model.embed_tokens.weight"].copy()}
    reward = model(tmp_path / "reward", "llama_reward")
    policy = model(tmp_path / "policy", "llama_reward", config={"architectures": ["LlamaForCausalLM"]},
                   change=without_its_head)
    message = refused(reward, data, "--sft", policy, "--alpha", "1", code=3)
    assert "is a reward model" in message and "is not" in message, message


def test_stochastic_rounding_of_scores_has_a_seed_of_its_own(tmp_path, conversations):
    sft, aligned = pair(tmp_path)
    data = write_rows(tmp_path / "data.jsonl", [{"messages": messages} for messages in conversations])
    common = ["--alpha", "2", "--rounding", "stochastic"]
    scores = {}
    for seed in ("5", "6"):
        expo("extrapolate", sft, aligned, "-o", tmp_path / seed, "--out-dtype", "bf16", "--seed", seed, *common)
        scores[seed] = expo("score", aligned, data, "--log-probs", "--sft", sft, "--dtype", "bf16", "--rounding-seed",
                            seed, *common).stdout
        assert scores[seed] == expo("score", tmp_path / seed, data, "--log-probs").stdout
    assert scores["5"] != scores["6"]


@pytest.mark.parametrize("options", [[], ["--log-probs"]])
def test_scores_do_not_depend_on_the_batch(tmp_path, conversations, options):
    folder = model(tmp_path / "model", "llama" if options else "llama_reward")
    data = write_rows(tmp_path / "data.jsonl", [
        {"prompt": one[0]["content"], "chosen": one[1]["content"], "rejected": one[0]["content"]} for one in conversations])
    scores = [expo("score", folder, data, "--device", "cpu", "--batch-size", size, *options).stdout for size in ("1", "7", "500")]
    assert len(scores[0].splitlines()) == 20
    assert scores[0] == scores[1] == scores[2]


def test_one_bos_and_never_two(tmp_path):
    """A template that writes BOS itself, over a tokenizer that adds one to every text."""
    template = "<s> {% for m in messages %}{{ m.content }} {% endfor %}"
    folder = model(tmp_path / "model", "llama_reward", template=template)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    data = write_rows(tmp_path / "data.jsonl", [{"instruction": "w8", "output": "w9 w10"}])
    reward = json.loads(expo("score", folder, data).stdout)["reward"]
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    network = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        once, twice = (network(torch.tensor([ids])).logits.item() for ids in ([1, 8, 9, 10], [1, 1, 8, 9, 10]))
    assert reward == pytest.approx(once, abs=1e-4) and abs(once - twice) > 1e-2


def test_models_in_the_wrong_role_are_refused(tmp_path):
    data = write_rows(tmp_path / "data.jsonl", [{"instruction": "w8", "output": "w9"}])
    policy, reward = model(tmp_path / "policy"), model(tmp_path / "reward", "llama_reward")
    assert "language model" in refused(policy, data, code=2)
    assert "reward model" in refused(reward, data, "--log-probs", code=2)


@pytest.mark.parametrize("rows, place", [
    ([{"instruction": "w8", "output": "w9"}, {"instruction": "w8"}], "data.jsonl:2: there is no column messages"),
    ([{"messages": [{"role": "user", "content": "w8"}]}], "data.jsonl:1: the conversation does not end"),
    ([{"instruction": "w8", "output": 5}], "data.jsonl:1: the answer is not text"),
    ([{"instruction": "w8", "output": "w9", "reward": 1}], "data.jsonl:1: the row already has a column reward"),
    ([{"instruction": "w8", "output": "w9"}, {"prompt": "w8", "chosen": "w9", "rejected": "w10"}],
     "data.jsonl:2: is a preference pair, but"),
    ([{"instruction": "w8", "output": "w9"}, {"instruction": "w8", "output": " ".join(["w9"] * 127)}],
     "data.jsonl:2: the conversation has 130 tokens"),
    ([], "no row is left"),
])
def test_bad_rows_are_named_before_anything_runs(tmp_path, rows, place):
    folder = model(tmp_path / "model", "llama_reward", change=lambda tensors: {"none": np.zeros(1, np.float32)})
    data = write_rows(tmp_path / "data.jsonl", rows)
    assert place in refused(folder, data, "-o", tmp_path / "out.jsonl", code=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.jsonl", "model"]


@pytest.mark.parametrize("row, options, code, words", [
    ({"instruction": "w8", "output": "w9", "answer_tokens": 1}, [], 3, "data.jsonl:1: the row already has a column answer_tokens"),
    ({"prompt": "w8", "chosen": "w9", "rejected": "w7", "answer_tokens_rejected": 1}, [], 3,
     "data.jsonl:1: the row already has a column answer_tokens_rejected"),
    ({"instruction": "w8", "output": "w9"}, ["--reward-column", "answer_tokens"], 2, "choose another"),
    ({"instruction": "", "output": "w9"}, ["--no-chat-template"], 3, "data.jsonl:1: the prompt has no tokens"),
    ({"instruction": "w8", "output": "w9"}, ["--answer-column", "output", "--chosen-column", "output"], 2,
     "give the one or the others"),
])
def test_what_log_probs_cannot_be_given_of_is_refused(tmp_path, row, options, code, words):
    folder = model(tmp_path / "model", change=lambda tensors: {"none": np.zeros(1, np.float32)})  # could not run
    data = write_rows(tmp_path / "data.jsonl", [row])
    assert words in refused(folder, data, "--log-probs", *options, code=code)


def test_log_probs_count_what_is_run(tmp_path):
    """A template that ends answered conversations sooner than it opens an answer: 128 tokens fit, 129 do not."""
    template = ("{% for m in messages %}{{ m.content }} {% endfor %}"
                "{% if add_generation_prompt %}w4 w4 w4 {% endif %}")
    folder = model(tmp_path / "model", template=template)
    rows = [{"instruction": "w8", "output": " ".join(["w9"] * count)} for count in (124, 125)]
    data = write_rows(tmp_path / "data.jsonl", rows)
    assert "data.jsonl:2: the conversation has 129 tokens" in refused(folder, data, "--log-probs", code=3)
    done = expo("score", folder, data, "--log-probs", "--skip-too-long")
    assert [json.loads(line)["answer_tokens"] for line in done.stdout.splitlines()] == [124]


def test_rows_that_are_too_long_can_be_left_out_and_rewards_named(tmp_path):
    folder = model(tmp_path / "model", "llama_reward")
    data = write_rows(tmp_path / "data.jsonl", [
        {"instruction": "w8", "output": "w9", "reward": 1}, {"instruction": "w8", "output": " ".join(["w9"] * 127)}])
    done = expo("score", folder, data, "-o", tmp_path / "out.jsonl", "--skip-too-long", "--reward-column", "mine", "--json")
    assert json.loads(done.stdout)["skipped"] == 1
    assert [set(row) for row in read_rows(tmp_path / "out.jsonl")] == [{"instruction", "output", "reward", "mine"}]


def test_broken_weights_are_reported(tmp_path):
    def spoil(tensors):
        return tensors | {"score.weight": np.full_like(tensors["score.weight"], np.nan)}
    folder = model(tmp_path / "model", "llama_reward", change=spoil)
    data = write_rows(tmp_path / "data.jsonl", [{"instruction": "w8", "output": "w9"}])
    refused(folder, data, code=3)


def test_the_goldens_need_no_tokenizer_to_be_refused(tmp_path):
    data = write_rows(tmp_path / "data.jsonl", [{"instruction": "w8", "output": "w9"}])
    assert "tokenizer.json" in refused(GOLDENS / "llama_reward", data, code=3)
