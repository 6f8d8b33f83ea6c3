"""lora_target_modules as names and as a regular expression: expo train adapts the modules that peft would."""

import json
import re

import pytest
from tiny_chat import chat_model, pairs
from train_program import TRAIN, files_of, train

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")

PATTERNS = [
    r".*\.(q|v)_proj",
    r"model\.layers\.1\..*(down|o)_proj",
    r".*layers\.(?:0\.self_attn\.[kqo]_proj|1\.mlp\.\w+_proj)",
    r".*q_proj|.*layers\.0\.mlp\.gate_proj",
    r"^model\.layers\.[0-9]{1,2}\.mlp\.up_proj$",
]
NAMES = ["q_proj", "layers.1.self_attn.v_proj,down_proj", "self_attn.o_proj, up_proj",
         "model.layers.0.mlp.gate_proj"]


def adapted(model):
    """{module: the matrices of its adapter} of a model that peft has made."""
    from peft.tuners.lora import LoraLayer

    return {name.removeprefix("base_model.model."): module for name, module in model.named_modules()
            if isinstance(module, LoraLayer)}


def written_modules(folder):
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", "pt") as file:
        names = {name.removeprefix("base_model.model.") for name in file.keys()}
    assert {re.sub(r"\.lora_[AB]\.weight$", "", name) for name in names if "lora_" in name}
    return {re.sub(r"\.lora_[AB]\.weight$", "", name) for name in names if "lora_" in name}


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    return chat_model(folder / "model"), {"dataset_name": pairs(folder / "pairs.jsonl", 14, 1)}


def merged_by_hand(model_folder, adapter, rank, alpha):
    """The base with B·A added to what the adapter's file names, without peft."""
    import torch
    import transformers
    from safetensors.torch import load_file

    model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    tensors = load_file(adapter / "adapter_model.safetensors")
    for name in written_modules(adapter):
        a, b = (tensors[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
        assert b.abs().max() > 0, f"{name} was not trained"
        with torch.no_grad():
            model.get_submodule(name).weight += alpha / rank * (b @ a)
    return model.eval()


@pytest.mark.parametrize("targets", PATTERNS + NAMES)
def test_the_modules_are_those_of_peft(tmp_path, start, targets):
    import torch
    import transformers
    from peft import LoraConfig, PeftModel, get_peft_model

    model, data = start
    out = tmp_path / "out"
    train("dpo", model_name_or_path=model, output_dir=out, use_peft="true", lora_r=4, lora_alpha=16,
          lora_target_modules=targets, learning_rate=1e-2, **data)
    final = out / "final"
    theirs = targets if targets in PATTERNS else [name.strip() for name in targets.split(",")]
    assert json.loads((final / "adapter_config.json").read_text())["target_modules"] == theirs

    def base():
        return transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)

    expected = set(adapted(get_peft_model(base(), LoraConfig(r=4, target_modules=theirs, task_type="CAUSAL_LM"))))
    loaded = PeftModel.from_pretrained(base(), final).eval()
    assert set(adapted(loaded)) == written_modules(final) == expected
    ids = torch.arange(7, 47).reshape(2, 20)
    with torch.no_grad():
        by_hand = merged_by_hand(model, final, 4, 16)(ids).logits
        torch.testing.assert_close(loaded(ids).logits, by_hand, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(loaded.merge_and_unload()(ids).logits, by_hand, rtol=1e-4, atol=1e-4)
        assert (by_hand - base()(ids).logits).abs().max() > 1e-3


def test_a_config_file_has_it_as_trl_users_write_it(tmp_path, start):
    model, data = start
    for number, line in enumerate([r'lora_target_modules: ".*\\.(q|v)_proj"', r"lora_target_modules: .*\.(q|v)_proj",
                                   "lora_target_modules:\n- .*\\.(q|v)_proj"]):
        config, out = tmp_path / f"{number}.yaml", tmp_path / f"out{number}"
        config.write_text(f"model_name_or_path: {model}\nuse_peft: true\n{line}\n")
        train("dpo", config=config, output_dir=out, max_steps=2, **data)
        assert json.loads((out / "final/adapter_config.json").read_text())["target_modules"] == r".*\.(q|v)_proj"


def test_a_reward_models_head_is_trained_beside_what_any_expression_matches(tmp_path, start):
    import torch
    import transformers
    from peft import PeftModel

    model, data = start
    train("reward", model_name_or_path=model, output_dir=tmp_path / "out", use_peft="true",
          lora_target_modules="score|.*1.*k_proj", **data)
    base = transformers.AutoModelForSequenceClassification.from_pretrained(model, num_labels=1, dtype=torch.float32)
    loaded = PeftModel.from_pretrained(base, tmp_path / "out/final")
    assert set(adapted(loaded)) == written_modules(tmp_path / "out/final") == {"model.layers.1.self_attn.k_proj"}


def test_another_expression_is_not_gone_on_with(tmp_path, start):
    model, data = start
    keys = {"model_name_or_path": model, "output_dir": tmp_path / "out", "use_peft": "true", "save_steps": 1, **data}
    train("dpo", lora_target_modules=".*q_proj", **keys)
    before = files_of(tmp_path / "out/final")
    done = train("dpo", 2, resume="true", lora_target_modules=".*v_proj", **keys)
    assert 'lora_target_modules is ".*v_proj" now but was ".*q_proj"' in done.stderr
    train("dpo", resume="true", lora_target_modules=".*q_proj", **keys)
    assert files_of(tmp_path / "out/final") == before


@pytest.mark.parametrize("targets,words", [
    (".*q_porj", ['the regular expression ".*q_porj" matches no module\'s whole name', "model.layers.0.self_attn.q_proj"]),
    ("q_proj|v_proj", ["matches no module's whole name", "model.layers.0.self_attn.q_proj"]),
    (".*q_proj,.*v_proj", ["matches no module's whole name"]),
    (".*q_proj|lm_head", ["chooses lm_head, which cannot be adapted", "model.layers.0.self_attn.q_proj"]),
    (".*(embed_tokens|v_proj)", ["chooses model.embed_tokens, which cannot be adapted"]),
    (".*mlp.*", ["chooses model.layers.0.mlp, which cannot be adapted"]),
    (".*norm", ["layernorm, which cannot be adapted"]),
    ("layers.7.self_attn.q_proj", ['the name "layers.7.self_attn.q_proj" matches the end of no module\'s name']),
    ("q_proj,lm_head", ['"lm_head" is not a module that can be adapted', "regular expression"]),
    ("q_proj,", ['"" is not a module']),
    ("(q_proj", ['the pattern "(q_proj" cannot be matched: a parenthesis is not closed']),
    ("(?!.*k).*_proj", ["looks ahead or back"]),
])
def test_what_cannot_be_adapted_is_refused_by_name(tmp_path, start, targets, words):
    model, data = start
    done = train("dpo", 2, model_name_or_path=model, output_dir=tmp_path / "out", use_peft="true",
                 lora_target_modules=targets, **data)
    assert all(word in done.stderr for word in ["lora_target_modules", *words]), done.stderr
    assert not (tmp_path / "out").exists()
