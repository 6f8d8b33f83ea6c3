"""What expo train refuses or counts, and where it says that it lies."""

import json
import subprocess

import pytest
from tiny_chat import bad, chat_model, chats, write_rows
from train_program import TRAIN, command, metrics, rows_of, spoil, train

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")


def test_what_is_not_a_number_stops_the_run(tmp_path, model, data):
    out = tmp_path / "out"
    done = train("dpo", 3, model_name_or_path=model, output_dir=out, learning_rate=1e30, max_grad_norm=0, **data)
    assert "step 3: the model gives" in done.stderr and "pairs.jsonl:" in done.stderr
    # What gives no number is kept for whoever wants to see it, and not gone on from.
    assert "failed-2" in done.stderr and (out / "failed-2/trainer_state.json").is_file()
    assert not (out / "final").exists() and not list(out.glob("checkpoint-*"))


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
    assert 'rows.jsonl:5: the token "strange" has the id 5000, but the model\'s embedding has only 96 rows' in done.stderr
    assert "resize_token_embeddings" in done.stderr and not (tmp_path / "out").exists()


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
    assert "rows.jsonl:1: it has no assistant turn" in done.stderr


@pytest.mark.parametrize("keys, said", [
    ({"lora_r": 4}, "lora_r has no effect without use_peft"),
    ({"eval_steps": 2}, "eval_steps has no effect without eval_dataset_name"),
    ({"save_total_limit": 2}, "save_total_limit has no effect without save_steps"),
    ({"lr_scheduler_type": "constant", "warmup_ratio": 0.2}, "warmup_ratio has no effect with lr_scheduler_type constant"),
    ({"per_device_train_batch_size": 2**40}, "at most 1000000"),
    ({"num_train_epochs": 1e300}, "num_train_epochs must be at most"),
    ({"threads": 2**32 - 1}, "threads must be at most")])
def test_keys_that_would_change_nothing_or_are_absurd_are_refused(tmp_path, model, data, keys, said):
    done = train("dpo", 2, **{"model_name_or_path": model, "output_dir": tmp_path / "out",
                              "dataset_name": data["dataset_name"], **keys})
    assert said in done.stderr and not (tmp_path / "out").exists()


def test_a_warm_up_that_takes_every_step_is_refused(tmp_path, model, data):
    done = train("dpo", 2, model_name_or_path=model, output_dir=tmp_path / "out", max_steps=1, **data)
    assert "the warm-up of 1 step (warmup_ratio 0.1) takes the whole run of 1 step (max_steps)" in done.stderr and "nothing would be learned" in done.stderr
    assert not list((tmp_path / "out").glob("reference-log-probs-*"))  # before anything is computed
    done = train("dpo", model_name_or_path=model, output_dir=tmp_path / "out", max_steps=2, warmup_steps=4, **data)
    assert "the learning rate does not exceed 0.00025; a lower warmup_steps" in done.stderr
    assert done.stderr.index("does not exceed") < done.stderr.index("step 1/2")
    train("dpo", model_name_or_path=model, output_dir=tmp_path / "none", max_steps=1, warmup_steps=0, **data)
    assert metrics(tmp_path / "none")[0]["learning_rate"] == 1e-3


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
    assert 0 < counts.pop("counted_tokens") < counts.pop("tokens") < 5 * 2 * 40
    assert counts == {"rows": 6, "chosen_rows": 6, "examples": 5, "prompts_cut": 1, "answers_cut": 1, "same_answers": 1,
                      "too_long": 0, "without_answer": 0, "unwritten": 0}
    assert "chosen and rejected are the same" in done.stderr and "rows.jsonl:3" in done.stderr
    done = train("dpo", 3, model_name_or_path=model, output_dir=tmp_path / "none",
                 dataset_name=write_rows(tmp_path / "one.jsonl", rows[2:3]))
    assert "one.jsonl: has 1 row, and none is left to train on" in done.stderr


def test_rows_beyond_the_models_context_are_warned_of(tmp_path, model):
    words = " ".join(f"w{number % 80 + 6}" for number in range(140))
    rows = [{"prompt": "w7", "chosen": words, "rejected": "w8"}, {"prompt": "w7", "chosen": "w9", "rejected": "w8"}]
    keys = {"model_name_or_path": model, "dataset_name": write_rows(tmp_path / "rows.jsonl", rows), "warmup_ratio": 0}
    done = train("dpo", output_dir=tmp_path / "out", **keys)
    assert "tokens go beyond the model's context of 128" in done.stderr
    assert "context" not in train("dpo", output_dir=tmp_path / "cut", max_length=128, **keys).stderr


@pytest.mark.parametrize("words, said", [
    (["--report-to", "none"], 'the key "report_to" is not known: every step is logged'),
    (["--learning-rat=1"], 'the key "learning_rat" is not known: did you mean learning_rate?'),
    (["--per-device_train-batch-size", "4"], "did you mean --per-device-train-batch-size?"),
    (["stray"], '"stray" is not the value of any option')])
def test_words_that_are_no_keys_are_told_what_stands_for_them(tmp_path, model, data, words, said):
    done = subprocess.run([*command("dpo", model_name_or_path=model, output_dir=tmp_path / "out", **data), *words],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_data_set_of_the_hub_is_told_how_to_be_got(tmp_path, model):
    done = train("dpo", 3, model_name_or_path=model, output_dir=tmp_path / "out", dataset_name="owner/pairs")
    assert "owner/pairs: there is no such file or folder" in done.stderr
    assert "hf download --repo-type dataset owner/pairs --local-dir pairs" in done.stderr
    done = train("dpo", 3, model_name_or_path=model, output_dir=tmp_path / "out", dataset_name=tmp_path / "pairs.jsonl")
    assert "there is no such file" in done.stderr and "hf download" not in done.stderr


@pytest.mark.parametrize("device, said", [("gpu", "expected auto, cpu, cuda or cuda:N"), ("cuda:300", "is not known")])
def test_devices_have_names(tmp_path, model, data, device, said):
    done = train("dpo", 2, model_name_or_path=model, output_dir=tmp_path / "out", device=device, **data)
    assert said in done.stderr and not (tmp_path / "out").exists()
