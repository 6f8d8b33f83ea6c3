"""expo train from end to end, with small models: what it writes loads elsewhere, and says there what it says here."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tiny_chat import chat_model, chats, pair_row, pairs, write_rows

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))
BUILD = Path(os.environ.get("EXPO_BUILD_DIR", ROOT / "build/release"))
TRAIN = BUILD / "expo-engine"
EXPO = os.environ.get("EXPO_BINARY", str(BUILD / "expo"))
pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")


def flags(keys):
    return [word for name, value in keys.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def command(method, **keys):
    common = {"bf16": "false", "threads": 1, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2,
              "learning_rate": 1e-3, "tokens_per_pass": 64}
    return [TRAIN, "train", method, *flags({**common, **keys})]


def train(method, expected=0, **keys):
    done = subprocess.run(command(method, **keys), capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stderr
    return done


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def model(tmp_path):
    return chat_model(tmp_path / "model")


@pytest.fixture
def data(tmp_path):
    return {"dataset_name": pairs(tmp_path / "pairs.jsonl", 14, 1), "eval_dataset_name": pairs(tmp_path / "dev.jsonl", 5, 2)}


def load(folder, kind="AutoModelForCausalLM"):
    import torch
    import transformers

    return getattr(transformers, kind).from_pretrained(folder, dtype=torch.float32).eval()


def encoded(folder, row):
    """(prompt, with chosen, with rejected) as ids."""
    import transformers

    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)

    def ids(turns, **options):
        return tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True, **options)["input_ids"]

    prompt = [{"role": "user", "content": row["prompt"]}]
    return (ids(prompt, add_generation_prompt=True),
            *(ids([*prompt, {"role": "assistant", "content": row[side]}]) for side in ("chosen", "rejected")))


def answer_log_prob(model, prompt, ids):
    import torch

    with torch.no_grad():
        log_probs = model(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
    return sum(log_probs[place - 1, ids[place]].item() for place in range(len(prompt), len(ids)))


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def sigmoid_loss(margin):
    import torch

    return -torch.nn.functional.logsigmoid(torch.tensor(float(margin))).item()


def dpo_loss(policy, reference, tokenizer_folder, rows, beta):
    losses = []
    for row in rows:
        prompt, chosen, rejected = encoded(tokenizer_folder, row)
        margin = sum(sign * (answer_log_prob(policy, prompt, ids) - answer_log_prob(reference, prompt, ids))
                     for sign, ids in ((1, chosen), (-1, rejected)))
        losses.append(sigmoid_loss(beta * margin))
    return sum(losses) / len(losses)


def test_dpo_writes_a_model_whose_loss_transformers_confirms(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, output_dir=out, beta=0.1, **data)
    lines = metrics(out)
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == [1, 2, 3, 4]
    assert abs(steps[0]["loss"] - 0.6931471805599453) < 1e-6, "the reference is the model itself"
    assert steps[0]["learning_rate"] == 0 and steps[1]["learning_rate"] == 1e-3
    expected = dpo_loss(load(out / "final"), load(model), model, rows_of(data["eval_dataset_name"]), 0.1)
    assert abs(lines[-1]["eval_loss"] - expected) < 1e-5 * expected
    assert (out / "final/tokenizer.json").is_file()


def test_sft_counts_the_assistants_turns_only(tmp_path, model):
    import torch
    import transformers

    out, dev = tmp_path / "out", chats(tmp_path / "dev.jsonl", 5, 3)
    train("sft", model_name_or_path=model, output_dir=out, dataset_name=chats(tmp_path / "chats.jsonl", 12, 4),
          eval_dataset_name=dev)
    tokenizer, trained = transformers.PreTrainedTokenizerFast.from_pretrained(model), load(out / "final")
    assistant, end = tokenizer.convert_tokens_to_ids(["<assistant>", "<end>"])
    total, count = 0.0, 0
    for row in rows_of(dev):
        ids = tokenizer.apply_chat_template(row["messages"], tokenize=True, return_dict=True)["input_ids"]
        with torch.no_grad():
            log_probs = trained(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        inside = False
        for place, token in enumerate(ids):
            if inside:
                total, count = total - log_probs[place - 1, token].item(), count + 1
            inside = token == assistant or (inside and token != end)
    assert abs(metrics(out)[-1]["eval_loss"] - total / count) < 1e-5 * total / count


def test_a_reward_model_gives_in_transformers_what_it_gave_here(tmp_path, data):
    import torch

    model, out = chat_model(tmp_path / "qwen", "qwen2"), tmp_path / "out"
    train("reward", model_name_or_path=model, output_dir=out, center_rewards_coefficient=0.01, **data)
    trained = load(out / "final", "AutoModelForSequenceClassification")
    assert trained.score.weight.shape == (1, 32)
    losses = []
    for row in rows_of(data["eval_dataset_name"]):
        with torch.no_grad():
            chosen, rejected = (trained(torch.tensor([ids])).logits[0, 0].item() for ids in encoded(model, row)[1:])
        losses.append(sigmoid_loss(chosen - rejected) + 0.01 * (chosen + rejected) ** 2)
    expected = sum(losses) / len(losses)
    assert abs(metrics(out)[-1]["eval_loss"] - expected) < 1e-5 * expected


@pytest.mark.parametrize("method", ["dpo", "reward"])
def test_adapters_load_in_peft(tmp_path, model, data, method):
    import torch
    from peft import AutoPeftModelForCausalLM, AutoPeftModelForSequenceClassification

    out = tmp_path / "out"
    beta = {"beta": 0.1} if method == "dpo" else {}
    train(method, model_name_or_path=model, output_dir=out, use_peft="true", lora_r=4, lora_alpha=16,
          lora_target_modules="all-linear", **beta, **data)
    if method == "dpo":
        live = AutoPeftModelForCausalLM.from_pretrained(out / "final", dtype=torch.float32).eval()
        merged = live.merge_and_unload()
        expected = dpo_loss(merged, load(model), model, rows_of(data["eval_dataset_name"]), 0.1)
        assert abs(metrics(out)[-1]["eval_loss"] - expected) < 1e-5 * expected
        done = subprocess.run([EXPO, "extrapolate", model, out / "final", "-o", tmp_path / "more", "--alpha", "0.5"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return
    live = AutoPeftModelForSequenceClassification.from_pretrained(out / "final", num_labels=1, dtype=torch.float32)
    rewards = []
    for row in rows_of(data["eval_dataset_name"]):
        with torch.no_grad():
            rewards.append(live.eval()(torch.tensor([encoded(model, row)[1]])).logits[0, 0].item())
    expected = sum(rewards) / len(rewards)
    assert abs(metrics(out)[-1]["eval_rewards/chosen"] - expected) < 1e-4 * max(1, abs(expected))


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("lora", ["false", "true"])
def test_a_killed_run_ends_in_the_same_bytes(tmp_path, model, data, lora):
    keys = {"model_name_or_path": model, "num_train_epochs": 3, "use_peft": lora, **data}
    train("dpo", output_dir=tmp_path / "whole", **keys)
    seed = int(os.environ.get("EXPO_TEST_SEED", time.time_ns() % 2**32))
    print("seed", seed)
    draw, out = random.Random(seed), tmp_path / "out"
    kills = 0
    for _ in range(200):
        started = time.monotonic()
        process = subprocess.Popen(command("dpo", output_dir=out, save_steps=1, resume="true", **keys),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        limit = draw.uniform(0, 3) if kills < 8 else 600
        try:
            _, errors = process.communicate(timeout=limit)
            assert process.returncode == 0, errors
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        assert time.monotonic() - started < 600
    assert files_of(out / "final") == files_of(tmp_path / "whole/final")
    here, there = metrics(out), metrics(tmp_path / "whole")
    for line in here + there:
        line.pop("tokens_per_second", None)
    assert here == there


def test_a_checkpoint_is_a_model_and_old_ones_are_dropped(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, output_dir=out, save_steps=1, save_total_limit=2, **data)
    assert sorted(path.name for path in out.glob("checkpoint-*")) == ["checkpoint-3", "checkpoint-4"]
    assert load(out / "checkpoint-3").config.model_type == "llama"


def test_a_run_under_other_settings_is_not_gone_on_with(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, output_dir=out, save_steps=1, **data)
    done = train("dpo", 2, model_name_or_path=model, output_dir=out, resume="true", beta=0.5, **data)
    assert "beta is 0.5 now, and was 0.01" in done.stderr
    done = train("dpo", 2, model_name_or_path=model, output_dir=out, **data)
    assert "holds a training run" in done.stderr


def test_references_are_computed_once(tmp_path, model, data):
    cache = tmp_path / "cache"
    keys = {"model_name_or_path": model, "reference_cache_dir": cache, **data}
    train("dpo", output_dir=tmp_path / "first", **keys)
    again = train("dpo", output_dir=tmp_path / "second", **keys, learning_rate=2e-3)
    assert "log-probabilities" not in again.stderr
    for file in cache.iterdir():
        stored = json.loads(file.read_text())
        stored["log_probs"][0] += 1
        file.write_text(json.dumps(stored))
    done = train("dpo", 3, output_dir=tmp_path / "third", **keys)
    assert "not those that were written" in done.stderr


def test_what_is_not_a_number_stops_the_run(tmp_path, model, data):
    out = tmp_path / "out"
    done = train("dpo", 3, model_name_or_path=model, output_dir=out, learning_rate=1e30, max_grad_norm=0, **data)
    assert "step 3: the model gives" in done.stderr and "pairs.jsonl:" in done.stderr
    assert "checkpoint-2" in done.stderr and (out / "checkpoint-2/trainer_state.json").is_file()
    assert not (out / "final").exists()


def test_saving_in_bfloat16_says_what_is_lost(tmp_path, model, data):
    import torch
    from safetensors.torch import load_file

    done = train("dpo", model_name_or_path=model, output_dir=tmp_path / "out", learning_rate=1e-5, save_dtype="bfloat16",
                 **data)
    before = load_file(model / "model.safetensors")
    train("dpo", model_name_or_path=model, output_dir=tmp_path / "wide", learning_rate=1e-5, **data)
    exact, saved = (load_file(tmp_path / folder / "final/model.safetensors") for folder in ("wide", "out"))
    changed = sum((exact[name] != before[name]).sum().item() for name in before)
    kept = sum((saved[name] != before[name].bfloat16()).sum().item() for name in before)
    assert all(tensor.dtype == torch.bfloat16 for tensor in saved.values())
    assert f"{changed - kept} of the {changed} weights" in done.stderr


def bad(tmp_path, name, **changes):
    rows = [pair_row(random.Random(number)) for number in range(4)]
    rows[2] = {key: value for key, value in {**rows[2], **changes}.items() if value is not None}
    return write_rows(tmp_path / name, rows)


@pytest.mark.parametrize("changes, said", [({"chosen": ""}, "chosen is an empty answer"),
                                           ({"rejected": None}, "there is no column rejected"),
                                           ({"prompt": None}, "there is no prompt")])
def test_a_bad_row_is_refused_by_its_name(tmp_path, model, changes, said):
    done = train("dpo", 3, model_name_or_path=model, output_dir=tmp_path / "out",
                 dataset_name=bad(tmp_path, "bad.jsonl", **changes))
    assert f"bad.jsonl:3: {said}" in done.stderr


def test_pairs_that_teach_nothing_and_long_prompts_are_counted(tmp_path, model):
    words = " ".join(f"w{number}" for number in range(6, 86))
    rows = rows_of(bad(tmp_path, "rows.jsonl", chosen="w7 w8", rejected="w7 w8")) + [
        {"prompt": words, "chosen": "w7 w8 w9", "rejected": "w9"}, {"prompt": "w7", "chosen": words, "rejected": "w8"}]
    out = tmp_path / "out"
    done = train("dpo", model_name_or_path=model, output_dir=out, max_length=40, max_prompt_length=20,
                 dataset_name=write_rows(tmp_path / "rows.jsonl", rows))
    counts = json.loads((out / "run.json").read_text())["data"]["train"]
    assert counts == {"rows": 6, "chosen_rows": 6, "examples": 5, "prompts_cut": 1, "answers_cut": 1, "same_answers": 1,
                      "too_long": 0, "without_answer": 0}
    assert "chosen and rejected are the same" in done.stderr and "rows.jsonl:3" in done.stderr


def test_a_yaml_file_names_the_keys_and_the_command_line_comes_before_it(tmp_path, model, data):
    config = tmp_path / "dpo.yaml"
    config.write_text(f"model_name_or_path: {model}\nbeta: 0.2\nfraction: 0.5\nlora_target_modules: [q_proj, v_proj]\n")
    train("dpo", config=config, output_dir=tmp_path / "out", beta=0.3, **data)
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["config"]["beta"] == 0.3 and run["config"]["fraction"] == 0.5
    assert run["data"]["train"]["chosen_rows"] == 7
    config.write_text("beta: 0.2\nbetta: 1\n")
    assert "dpo.yaml:2: the key \"betta\" is not known" in train("dpo", 2, config=config).stderr
    config.write_text("beta: 0.2\n")
    assert "beta has no meaning for sft" in train("sft", 2, config=config).stderr
