"""`expo search` with several checkpoints, or another baseline, on the same servers."""

import json
import shutil
import sys

import numpy as np
import pytest
from checkpoints import expo
from model_server import Reset, Status, values_of, word
from safetensors.numpy import load_file, save_file
from small_models import model, read_rows, write_rows

from served_policy_test import is_answer
from served_runs import possible_answers

SEED = 20261201


def moved(seed):
    """What another training makes of the tensors."""
    rng = np.random.default_rng(seed)
    return lambda tensors: {key: (value + rng.standard_normal(value.shape) * 0.03).astype(value.dtype)
                            for key, value in tensors.items()}


@pytest.fixture
def folder(models):
    return models[1]


@pytest.fixture
def other(tmp_path):
    """A second checkpoint that was trained from SFT."""
    return model(tmp_path / "other", change=moved(SEED))


@pytest.fixture
def search(inputs, tmp_path, serve, folder, scorer):
    def run(*options, servers=None, code=0):
        run.servers = servers or [serve("vllm", weights=folder, context=256)]
        policies = [option for server in run.servers for option in ("--policy", word(server))]
        done = expo("search", *inputs, "--scorer", scorer, "-o", tmp_path / "run", *policies,
                    "--staging-dir", tmp_path / "staging", *options, check=False)
        assert done.returncode == code, done.stderr
        return done
    run.result = lambda: json.loads((tmp_path / "run/search.json").read_text())
    return run


@pytest.fixture
def check_answers(data_rows, tmp_path):
    """That each answer is by the weights that its label names; returns how many there are of each."""
    def check(weights):
        counts = dict.fromkeys(weights, 0)
        for row in read_rows(tmp_path / "run/answers.jsonl"):
            if "text" not in row:
                continue
            mark = int(weights[row["candidate"]][:4], 16)
            assert row["text"] in possible_answers(data_rows[row["prompt"]], mark), row["candidate"]
            counts[row["candidate"]] += 1
        return counts
    return check


@pytest.fixture
def data_rows(inputs):
    return {row["id"]: row["prompt"] for row in read_rows(inputs[2])}


@pytest.fixture
def competitors(at, other):
    """The weights of all that compete in these searches, by their labels."""
    return {"α = -1": at(-1)} | {f"{name} α = {alpha:g}": at(alpha, trained=trained) for alpha in (0, 0.5, 3)
                                 for name, trained in (("aligned", None), ("other", other))}


def changes_of(server, at, other):
    """How often the server's weights went from one line to the other, beside the ends that both have."""
    own = {at(alpha) for alpha in (0, 0.5, 3)}
    lines = [values in own for values in server.reloads if values != at(-1)]
    return sum(before != after for before, after in zip(lines, lines[1:]))


def test_several_checkpoints_take_turns_on_the_server(search, other, at, competitors, check_answers, serve, folder, tmp_path):
    server = serve("vllm", weights=folder, context=256)
    staged = set()
    server.misbehave = lambda request: staged.add(len(list((tmp_path / "staging").glob("expo-staged*"))))
    search("--also", other, servers=[server])
    counts = check_answers(competitors)
    assert all(counts.values()) and sum(counts.values()) == len([each for each in server.requests if is_answer(each)])
    assert set(server.reloads) == set(competitors.values())
    result = search.result()
    assert {row["label"] for row in result["candidates"]} == set(competitors) and result["also"] == [str(other)]
    compared = [row for row in result["candidates"] if row["confirming"]]
    assert compared and all(row["drift_from_sft"] is not None for row in compared)
    assert all(row["drift_from_sft"] == 0 for row in compared if row["alpha"] == -1)
    # To choose, to confirm and to measure the drift: not once for each α.
    assert changes_of(server, at, other) <= 6
    assert max(staged) == 2 and not list((tmp_path / "staging").glob("expo-staged*")), "two at a time, none afterwards"


def test_the_baseline_may_be_any_model_of_the_architecture(search, other, at, check_answers):
    search("--baseline", other)
    result = search.result()
    assert result["baseline"] == str(other)
    weights = {f"α = {alpha:g}": at(alpha) for alpha in (-1, 0, 0.5, 3)} | {str(other): at(0, trained=other)}
    counts = check_answers(weights)
    chosen = next(row for row in result["candidates"] if row["chosen"])
    assert chosen["drift_from_sft"] is not None
    rival = next(row for row in result["candidates"] if row["label"] == str(other))
    assert counts[str(other)] == rival["confirming"]["prompts"] == chosen["confirming"]["prompts"]
    assert result["gain"] == pytest.approx(chosen["confirming"]["mean"] - rival["confirming"]["mean"], abs=1e-9)


@pytest.mark.parametrize("name", ["sft", "sft/model.safetensors", "copy"])
def test_the_baseline_may_be_sft_by_any_name(search, models, at, check_answers, tmp_path, name):
    shutil.copytree(models[0], tmp_path / "copy")
    baseline = tmp_path / name
    search("--baseline", baseline)
    weights = {f"α = {alpha:g}": at(alpha) for alpha in (-1, 0, 0.5, 3)} | {str(baseline): at(-1)}
    assert check_answers(weights)[str(baseline)] >= 5
    assert search.result()["baseline"] == str(baseline)


def test_a_baseline_has_its_own_template(search, models, inputs, tmp_path):
    """Also where it is SFT: a prompt's tokens are those that its own template makes."""
    shutil.copytree(models[0], tmp_path / "plain")
    template = tmp_path / "plain/chat_template.jinja"
    settings = json.loads((tmp_path / "plain/tokenizer_config.json").read_text())
    settings.pop("chat_template", None)
    (tmp_path / "plain/tokenizer_config.json").write_text(json.dumps(settings))
    template.write_text("{% for message in messages %}w50 {{ message['content'] }} {% endfor %}w51")
    search("--baseline", tmp_path / "plain")
    prompts = [each.body["prompt"] for each in search.servers[0].requests if is_answer(each) and each.body]
    assert any(50 in prompt and 51 == prompt[-1] for prompt in prompts)


def test_another_baseline_is_another_search(search, models, tmp_path):
    search("--baseline", models[0])
    done = search("--baseline", models[1] / "model.safetensors", code=2)
    assert "baseline" in done.stderr


@pytest.mark.parametrize("objective", [["--objective", "implicit"], ["--second-implicit"]])
def test_the_pairs_own_log_probabilities_take_turns_too(inputs, serve, folder, other, tmp_path, objective):
    server = serve("vllm", weights=folder, context=256)
    scorer = [] if "--objective" in objective else ["--scorer", f"{sys.executable} -c 'import sys\nfor _ in sys.stdin: print(1, flush=True)'"]
    expo("search", *inputs, "-o", tmp_path / "run", "--policy", word(server), "--staging-dir", tmp_path / "staging", "--also",
         other, *objective, *scorer)
    assert json.loads((tmp_path / "run/search.json").read_text())["candidates"]


def test_preference_pairs_take_turns_too(models, serve, folder, other, at, tmp_path):
    server = serve("vllm", weights=folder, context=256)
    rows = [{"prompt": f"w{10 + i} w{40 - i}", "chosen": f"w{20 + i} w7 w8", "rejected": f"w{60 - i} w9"} for i in range(24)]
    expo("search", *models, "--pairs", write_rows(tmp_path / "pairs.jsonl", rows), "-o", tmp_path / "run", "--alphas", "0.5",
         "--policy", word(server), "--staging-dir", tmp_path / "staging", "--also", other, "--threads", "1")
    wanted = {at(-1), at(0), at(0.5), at(0, trained=other), at(0.5, trained=other)}
    assert set(server.reloads) == wanted and changes_of(server, at, other) <= 3


def test_a_competitor_may_be_the_baseline(search, other, competitors, check_answers):
    search("--also", other, "--baseline", other)
    check_answers(competitors)
    assert search.result()["baseline"] == "other α = 0"


def test_a_search_that_ended_early_goes_on(search, other, competitors, check_answers, serve, folder, tmp_path):
    server = serve("vllm", weights=folder, context=256)
    paid = lambda: sum(map(is_answer, (each for each in server.requests if each.method == "POST")))  # noqa: E731
    server.misbehave = lambda request: Status(400) if is_answer(request) and paid() > 60 else None
    search("--also", other, servers=[server], code=3)
    kept = sum(check_answers(competitors).values())
    server.misbehave = lambda request: None
    before = paid()
    search("--also", other, servers=[server])
    assert kept >= 30 and paid() - before == sum(check_answers(competitors).values()) - kept


def test_a_server_that_dies_is_named_once(search, other, competitors, check_answers, serve, folder):
    servers = [serve("vllm", weights=folder, context=256) for _ in range(2)]
    dying = servers[1]
    late = []

    def die(request):
        if len(dying.reloads) <= 4:
            return None
        late.append(request.path)
        return Reset()
    dying.misbehave = die
    done = search("--also", other, servers=servers)
    assert done.stderr.count(f"{dying.url}: this server is left out from now on") == 1, done.stderr
    assert set(late) == {"/reset_prefix_cache"}, "the other checkpoint's engine does not try it again"
    check_answers(competitors)


def test_a_baseline_that_the_servers_cannot_run_is_refused_before_anything_is_answered(search, tmp_path):
    wide = model(tmp_path / "wide", change=lambda tensors: {
        key: np.concatenate([value, value[:2]]) if "embed" in key or "lm_head" in key else value
        for key, value in tensors.items()})
    done = search("--baseline", wide, code=3)
    assert str(wide) in done.stderr and "embed_tokens" in done.stderr
    assert not list(filter(is_answer, search.servers[0].requests))


def test_a_configuration_that_the_server_would_not_read_is_told(search, other):
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.25, "torch_dtype": "float16"}))
    done = search("--baseline", other)
    assert "rms_norm_eps is 0.25" in done.stderr and "torch_dtype" not in done.stderr
    assert any("rms_norm_eps" in warning for warning in search.result()["warnings"])


@pytest.fixture
def adapter(models, tmp_path):
    """A LoRA over SFT's attention, and the weights of the model that it makes at an α, as `extrapolate` writes them."""
    rng, rank = np.random.default_rng(SEED), 4
    weights = {name: values for name, values in load_file(models[0] / "model.safetensors").items() if "q_proj.weight" in name}
    factors = {}
    for name, values in weights.items():
        place = f"base_model.model.{name.removesuffix('.weight')}"
        for letter, shape in (("A", (rank, values.shape[1])), ("B", (values.shape[0], rank))):
            factors[f"{place}.lora_{letter}.weight"] = rng.standard_normal(shape).astype(np.float32) * 0.1
    assert factors
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(
        {"peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank, "target_modules": ["q_proj"],
         "base_model_name_or_path": str(models[0])}))
    save_file(factors, folder / "adapter_model.safetensors")

    def at(alpha):
        expo("extrapolate", models[0], folder, "-o", tmp_path / f"merged-{alpha}", "--alpha", alpha)
        return values_of(tmp_path / f"merged-{alpha}")
    return folder, at


def test_an_adapter_over_sft_may_compete(search, adapter, at, check_answers):
    folder, merged = adapter
    search("--also", folder)
    weights = {"α = -1": at(-1)} | {f"aligned α = {alpha:g}": at(alpha) for alpha in (0, 0.5, 3)}
    counts = check_answers(weights | {f"adapter α = {alpha:g}": merged(alpha) for alpha in (0, 0.5, 3)})
    assert all(counts.values())


def test_an_adapter_over_sft_may_be_the_baseline(search, models, adapter, at, check_answers):
    folder, merged = adapter
    name = f"{models[0]}+{folder}"
    search("--baseline", name)
    weights = {f"α = {alpha:g}": at(alpha) for alpha in (-1, 0, 0.5, 3)} | {name: merged(0)}
    assert check_answers(weights)[name] >= 5


@pytest.mark.parametrize("option", ["--also", "--baseline"])
def test_llama_servers_adapter_is_of_one_pair(inputs, other, tmp_path, option):
    done = expo("search", *inputs, "--scorer", "true", "-o", tmp_path / "run", "--policy", "llama-server=http://127.0.0.1:9",
                option, other, check=False)
    assert done.returncode == 2 and f"{option}: with --policy llama-server" in done.stderr
    assert not (tmp_path / "run").exists()
