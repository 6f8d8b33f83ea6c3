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
          lora_target_modules="all-linear", lora_dropout=0.05, **beta, **data)
    assert json.loads((out / "final/adapter_config.json").read_text())["lora_dropout"] == 0.05
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


@pytest.mark.parametrize("method, changes", [
    ("dpo", {}), ("dpo", {"use_peft": "true", "lora_dropout": 0.1}), ("dpo", {"bf16": "true", "threads": 2}),
    ("reward", {"learning_rate": 1e-4}), ("sft", {})])
def test_a_killed_run_ends_in_the_same_bytes(tmp_path, model, data, method, changes):
    if method == "sft":
        data = {"dataset_name": chats(tmp_path / "chats.jsonl", 14, 1)}
    keys = {"model_name_or_path": model, "num_train_epochs": 3, **data, **changes}
    train(method, output_dir=tmp_path / "whole", **keys)
    seed = int(os.environ.get("EXPO_TEST_SEED", time.time_ns() % 2**32))
    print("seed", seed)
    draw, out = random.Random(seed), tmp_path / "out"
    kills = 0
    for _ in range(200):
        started = time.monotonic()
        process = subprocess.Popen(command(method, output_dir=out, save_steps=1, resume="true", **keys),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        limit = draw.uniform(0, 2) if kills < 5 else 600
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


def spoil(folder, factor=1.5):
    """Another model of the same shape; with a factor that is none, a model that gives no number."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"] * factor
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("method, changes", [("dpo", {"use_peft": "true"}), ("reward", {})])
def test_a_run_on_another_model_is_not_gone_on_with(tmp_path, model, data, method, changes):
    keys = {"model_name_or_path": model, "output_dir": tmp_path / "out", "save_steps": 1, **data, **changes}
    train(method, **keys)
    spoil(model)
    assert "weights is" in train(method, 2, resume="true", **keys).stderr


def test_a_run_is_replaced_only_when_all_else_is_in_order(tmp_path, model, data):
    out = tmp_path / "out"
    keys = {"model_name_or_path": model, "output_dir": out, **data}
    train("dpo", save_steps=1, **keys)
    before = files_of(out / "final")
    train("dpo", 3, overwrite_output_dir="true", **{**keys, "dataset_name": bad(tmp_path, "bad.jsonl", chosen="")})
    train("dpo", 2, overwrite_output_dir="true", use_peft="true", lora_target_modules="q_porj", **keys)
    assert files_of(out / "final") == before and (out / "checkpoint-4").is_dir()
    train("dpo", overwrite_output_dir="true", **{**keys, "learning_rate": 2e-3})
    assert files_of(out / "final") != before and not list(out.glob("checkpoint-*"))


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, model, data):
    out = tmp_path / "out"
    (out / "checkpoint-5").mkdir(parents=True)
    (out / "checkpoint-5/trainer_state.json").write_text("{}")
    for how in ("overwrite_output_dir", "resume"):
        done = train("dpo", 2, model_name_or_path=model, output_dir=out, **{how: "true"}, **data)
        assert "something else in it (checkpoint-5)" in done.stderr
    assert (out / "checkpoint-5/trainer_state.json").read_text() == "{}"


@pytest.mark.parametrize("how", ["overwrite_output_dir", "resume"])
def test_an_input_is_never_written_over(tmp_path, model, data, how):
    out = tmp_path / "run"
    train("dpo", model_name_or_path=model, output_dir=out, **data)
    before = files_of(out / "final")
    done = train("dpo", 2, model_name_or_path=out / "final", output_dir=out, **{how: "true"}, **data)
    assert "holds the input" in done.stderr
    assert "lies in the input" in train("dpo", 2, model_name_or_path=model, output_dir=model / "run", **data).stderr
    assert files_of(out / "final") == before and not (model / "run").exists()


def test_a_finished_run_is_not_begun_again_by_resuming_it(tmp_path, model, data):
    keys = {"model_name_or_path": model, "output_dir": tmp_path / "out", **data}
    train("dpo", **keys)
    assert "finished, without a checkpoint" in train("dpo", 2, resume="true", **keys).stderr


def test_another_reference_is_another_loss(tmp_path, model, data):
    reference = chat_model(tmp_path / "reference")
    spoil(reference)
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, ref_model_name_or_path=reference, output_dir=out, beta=0.1, **data)
    expected = dpo_loss(load(out / "final"), load(reference), model, rows_of(data["eval_dataset_name"]), 0.1)
    assert abs(metrics(out)[-1]["eval_loss"] - expected) < 1e-5 * expected
    config = json.loads((reference / "config.json").read_text())
    config["rms_norm_eps"] = 0.1
    (reference / "config.json").write_text(json.dumps(config))
    done = train("dpo", 3, model_name_or_path=model, ref_model_name_or_path=reference, output_dir=tmp_path / "other", **data)
    assert "another architecture" in done.stderr


def test_references_of_another_configuration_are_not_taken(tmp_path, model, data):
    keys = {"reference_cache_dir": tmp_path / "cache", "model_name_or_path": model, **data}
    train("dpo", output_dir=tmp_path / "first", **keys)
    config = json.loads((model / "config.json").read_text())
    config["rms_norm_eps"] = 1e-3
    (model / "config.json").write_text(json.dumps(config))
    assert "log-probabilities" in train("dpo", output_dir=tmp_path / "second", **keys).stderr


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
    # What gives no number is kept for whoever wants to see it, and not gone on from.
    assert "failed-2" in done.stderr and (out / "failed-2/trainer_state.json").is_file()
    assert not (out / "final").exists() and not list(out.glob("checkpoint-*"))


def test_a_failure_keeps_the_older_checkpoints(tmp_path, model, data):
    out = tmp_path / "out"
    train("dpo", 3, model_name_or_path=model, output_dir=out, learning_rate=1e30, max_grad_norm=0, save_steps=1,
          save_total_limit=2, **data)
    assert sorted(path.name for path in out.glob("*-*") if path.is_dir()) == ["checkpoint-1", "checkpoint-2"]


def test_a_reference_that_gives_no_number_is_refused_by_row(tmp_path, model, data):
    reference = spoil(chat_model(tmp_path / "broken"), float("nan"))
    done = train("dpo", 3, model_name_or_path=model, ref_model_name_or_path=reference, output_dir=tmp_path / "out", **data)
    assert "pairs.jsonl:1: the reference model gives nan" in done.stderr
    assert not list((tmp_path / "out").glob("reference-log-probs-*")) and not (tmp_path / "out/run.json").exists()


def test_the_step_that_first_meets_no_number_is_named(tmp_path, data):
    done = train("sft", 3, model_name_or_path=spoil(chat_model(tmp_path / "broken"), float("inf")),
                 output_dir=tmp_path / "out", dataset_name=chats(tmp_path / "chats.jsonl", 8, 1))
    assert "step 1: the model gives" in done.stderr and "chats.jsonl:" in done.stderr and "no step was taken" in done.stderr


def test_a_token_outside_the_vocabulary_is_refused_by_row(tmp_path, model, data):
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["strange"] = 5000
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    rows = rows_of(data["dataset_name"])
    rows[4]["rejected"] = "w9 strange"
    done = train("dpo", 3, model_name_or_path=model, output_dir=tmp_path / "out",
                 dataset_name=write_rows(tmp_path / "rows.jsonl", rows))
    assert "rows.jsonl:5: the token id 5000 is outside" in done.stderr


def test_what_the_template_refuses_is_named_by_row(tmp_path, model):
    config = json.loads((model / "tokenizer_config.json").read_text())
    config["chat_template"] = ("{% if messages[0].role == 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
                               + config["chat_template"])
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    rows = [{"messages": [{"role": "user", "content": "w7"}, {"role": "assistant", "content": "w8"}]}] * 2
    rows.append({"messages": [{"role": "system", "content": "w6"}, *rows[0]["messages"]]})
    done = train("sft", 3, model_name_or_path=model, output_dir=tmp_path / "out",
                 dataset_name=write_rows(tmp_path / "rows.jsonl", rows))
    assert "rows.jsonl:3: " in done.stderr and "no system turn" in done.stderr


def test_a_conversation_without_an_answer_is_refused(tmp_path, model):
    rows = [{"messages": [{"role": "user", "content": "w7"}]}]
    done = train("sft", 3, model_name_or_path=model, output_dir=tmp_path / "out",
                 dataset_name=write_rows(tmp_path / "rows.jsonl", rows))
    assert "rows.jsonl:1: no turn is an assistant's" in done.stderr


def test_alpacas_rows_are_conversations(tmp_path, model):
    turns = [{"messages": [{"role": "user", "content": "w7\n\nw9"}, {"role": "assistant", "content": "w8 w10"}]}]
    alpaca = [{"instruction": "w7", "input": "w9", "output": "w8 w10"}]
    for name, rows in (("turns", turns), ("alpaca", alpaca)):
        train("sft", model_name_or_path=model, output_dir=tmp_path / name, warmup_ratio=0,
              dataset_name=write_rows(tmp_path / f"{name}.jsonl", rows))
    assert files_of(tmp_path / "turns/final") == files_of(tmp_path / "alpaca/final")


@pytest.mark.parametrize("keys, said", [
    ({"lora_r": 4}, "lora_r has no meaning without use_peft"),
    ({"eval_steps": 2}, "eval_steps has no meaning without eval_dataset_name"),
    ({"save_total_limit": 2}, "save_total_limit has no meaning without save_steps"),
    ({"lr_scheduler_type": "constant", "warmup_ratio": 0.2}, "warmup_ratio has no meaning for lr_scheduler_type constant"),
    ({"per_device_train_batch_size": 2**40}, "at most 1000000"),
    ({"num_train_epochs": 1e300}, "num_train_epochs is at most"),
    ({"threads": 2**32 - 1}, "threads is at most")])
def test_keys_that_would_change_nothing_or_are_absurd_are_refused(tmp_path, model, data, keys, said):
    done = train("dpo", 2, **{"model_name_or_path": model, "output_dir": tmp_path / "out",
                              "dataset_name": data["dataset_name"], **keys})
    assert said in done.stderr and not (tmp_path / "out").exists()


def test_a_warm_up_that_takes_every_step_is_refused(tmp_path, model, data):
    done = train("dpo", 2, model_name_or_path=model, output_dir=tmp_path / "out", max_steps=1, **data)
    assert "the warm-up of 1 step takes all of the 1 step" in done.stderr and "nothing would be learnt" in done.stderr
    done = train("dpo", model_name_or_path=model, output_dir=tmp_path / "out", max_steps=2, warmup_steps=4, **data)
    assert "the learning rate comes no further than 0.00025" in done.stderr


def test_columns_have_names(tmp_path, model, data):
    rows = [{"question": row["prompt"], "good": row["chosen"], "bad": row["rejected"]} for row in rows_of(data["dataset_name"])]
    renamed = write_rows(tmp_path / "renamed.jsonl", rows)
    train("dpo", model_name_or_path=model, output_dir=tmp_path / "plain", dataset_name=data["dataset_name"])
    train("dpo", model_name_or_path=model, output_dir=tmp_path / "renamed", dataset_name=renamed, chosen_column="good",
          rejected_column="bad")
    assert files_of(tmp_path / "plain/final") == files_of(tmp_path / "renamed/final")
    done = train("dpo", 3, model_name_or_path=model, output_dir=tmp_path / "out", dataset_name=renamed, chosen_column="good")
    assert "renamed.jsonl:1: there is no column rejected; it has question, good, bad; --rejected-column names another" in done.stderr


def test_an_interrupted_run_ends_with_its_exit_code(tmp_path, model, data):
    process = subprocess.Popen(command("dpo", model_name_or_path=model, output_dir=tmp_path / "out", max_steps=100000,
                                       save_steps=1, save_total_limit=1, **data), stderr=subprocess.PIPE, text=True)
    while "step 2/" not in (line := process.stderr.readline()):
        assert line, process.communicate()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


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
    config.write_text(f"model_name_or_path: {model}\nbeta: 0.2\nfraction: 0.5\nuse_peft: true\nlora_target_modules: [q_proj, v_proj]\n")
    train("dpo", config=config, output_dir=tmp_path / "out", beta=0.3, **data)
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["config"]["beta"] == 0.3 and run["config"]["fraction"] == 0.5
    assert run["data"]["train"]["chosen_rows"] == 7
    config.write_text("beta: 0.2\nbetta: 1\n")
    assert "dpo.yaml:2: the key \"betta\" is not known: did you mean beta?" in train("dpo", 2, config=config).stderr
    config.write_text("beta: 0.2\nlogging_steps: 10\n")
    assert "dpo.yaml:2: the key \"logging_steps\" is not known: every step is logged" in train("dpo", 2, config=config).stderr
    config.write_text("wholly_unknown: 10\n")
    assert "is not known; see expo train --help" in train("dpo", 2, config=config).stderr
    config.write_text("beta: 0.2\n")
    assert "beta has no meaning for sft" in train("sft", 2, config=config).stderr
