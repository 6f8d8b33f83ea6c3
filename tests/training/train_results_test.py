"""expo train from end to end, with small models: what it writes loads elsewhere, and says there what it says here."""

import json
import subprocess
from pathlib import Path

import pytest
from tiny_chat import chat_model, chats, write_rows
from train_program import EXPO, TRAIN, files_of, load, metrics, rows_of, spoil, train

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")


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


def test_a_bfloat16_that_is_slower_here_is_told(tmp_path, model, data):
    words = set(Path("/proc/cpuinfo").read_text().split())
    slower = not words & {"avx512_bf16", "amx_bf16"}
    for bf16 in ("true", "false"):
        done = train("dpo", model_name_or_path=model, output_dir=tmp_path / bf16, bf16=bf16, max_steps=1, warmup_ratio=0,
                     **data)
        assert ("no instructions for bfloat16" in done.stderr) == (slower and bf16 == "true")


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
    # And over its base it is a reward model here.
    done = subprocess.run([EXPO, "score", f"{model}+{out / 'final'}", data["eval_dataset_name"]],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    scored = [json.loads(line)["reward_chosen"] for line in done.stdout.splitlines()]
    assert all(abs(here - there) < 1e-4 for here, there in zip(scored, rewards, strict=True))


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


def test_alpacas_rows_are_conversations(tmp_path, model):
    turns = [{"messages": [{"role": "user", "content": "w7\n\nw9"}, {"role": "assistant", "content": "w8 w10"}]}]
    alpaca = [{"instruction": "w7", "input": "w9", "output": "w8 w10"}]
    for name, rows in (("turns", turns), ("alpaca", alpaca)):
        train("sft", model_name_or_path=model, output_dir=tmp_path / name, warmup_ratio=0,
              dataset_name=write_rows(tmp_path / f"{name}.jsonl", rows))
    assert files_of(tmp_path / "turns/final") == files_of(tmp_path / "alpaca/final")


def test_columns_have_names(tmp_path, model, data):
    rows = [{"question": row["prompt"], "good": row["chosen"], "bad": row["rejected"]} for row in rows_of(data["dataset_name"])]
    renamed = write_rows(tmp_path / "renamed.jsonl", rows)
    train("dpo", model_name_or_path=model, output_dir=tmp_path / "plain", dataset_name=data["dataset_name"])
    train("dpo", model_name_or_path=model, output_dir=tmp_path / "renamed", dataset_name=renamed, chosen_column="good",
          rejected_column="bad")
    assert files_of(tmp_path / "plain/final") == files_of(tmp_path / "renamed/final")
    done = train("dpo", 3, model_name_or_path=model, output_dir=tmp_path / "out", dataset_name=renamed, chosen_column="good")
    assert "renamed.jsonl:1: there is no column rejected; it has question, good, bad; --rejected-column names another" in done.stderr


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
    assert "beta is not a setting of sft" in train("sft", 2, config=config).stderr
