"""Folders whose files are links to a store elsewhere, as transformers loads them."""

import hashlib
import json
import os

import numpy as np
import pytest
from checkpoints import assert_same_bits, checkpoint, expo, load, pair, reference
from small_models import model, needs_engine

SIDE_FILES = {"tokenizer__json": "{}", "tokenizer_config__json": '{"chat_template": "x"}', "LICENSE": "free",
              "generation_config__json": '{"eos_token_id": 2}'}
NAMES = ["config.json", *(name.replace("__", ".") for name in SIDE_FILES)]


def link(target, place, absolute):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target if absolute else os.path.relpath(target, place.parent))


def linked(folder, store, absolute):
    for path in sorted(store.rglob("*")):
        if path.is_file():
            link(path, folder / path.relative_to(store), absolute)
    return folder


def by_hash(folder, store, objects, absolute):
    """The files under the names of their hashes, spread over folders as data version control does it."""
    for path in store.iterdir():
        digest = hashlib.md5(path.read_bytes()).hexdigest()
        place = objects / digest[:2] / digest[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
        link(place, folder / path.name, absolute)
    return folder


@pytest.fixture(params=[True, False], ids=["absolute", "relative"])
def absolute(request):
    return request.param


@pytest.fixture(params=[1, 2], ids=["one file", "shards"])
def store(tmp_path, request):
    _, _, sft, aligned = pair(tmp_path / "plain", np.random.default_rng(3))
    folders = [checkpoint(tmp_path / f"store/{name}", tensors, shards=request.param, **SIDE_FILES)
               for name, tensors in (("sft", sft), ("aligned", aligned))]
    return *folders, sft, aligned


def assert_extrapolated(out, sft, aligned, store):
    tensors = load(out)
    for name in sft:
        assert_same_bits(tensors[name], reference(sft[name], aligned[name], 0.5), name)
    for name in NAMES:
        file = out / name
        assert file.is_file() and not file.is_symlink(), name
        if name != "config.json":
            assert file.read_text() == (store / name).read_text()
    assert json.loads((out / "config.json").read_text())["model_type"] == "llama"


def test_side_files_are_copied_as_files(tmp_path, absolute, store):
    a, b = (linked(tmp_path / "links" / s.name, s, absolute) for s in store[:2])
    done = expo("extrapolate", a, b, "--alpha", 0.5, "-o", tmp_path / "out", "--json")
    assert "is a link" not in done.stderr
    assert_extrapolated(tmp_path / "out", *store[2:], store[1])


def test_a_store_of_hashes(tmp_path, absolute, store):
    objects = tmp_path / "objects/files/md5"
    a, b = (by_hash(tmp_path / "links" / s.name, s, objects, absolute) for s in store[:2])
    expo("extrapolate", a, b, "--alpha", 0.5, "-o", tmp_path / "out")
    assert_extrapolated(tmp_path / "out", *store[2:], store[1])


def test_a_link_elsewhere_is_left_out(tmp_path, absolute, store):
    secret = tmp_path / "secret/vocab.txt"
    secret.parent.mkdir()
    secret.write_text("do not tell")
    a, b = (linked(tmp_path / "links" / s.name, s, absolute) for s in store[:2])
    link(secret, b / "vocab.txt", absolute)
    link(tmp_path / "store/sft/LICENSE", b / "NOTICE", absolute)  # another model's, in a store of its own
    done = expo("extrapolate", a, b, "--alpha", 0.5, "-o", tmp_path / "out")
    for name in ("vocab.txt", "NOTICE"):
        assert f"{b}/{name}: is a link that leads out of the folder" in done.stderr
        assert not (tmp_path / "out" / name).exists()
    assert (tmp_path / "out/LICENSE").read_text() == "free"


def test_real_weights_have_no_store(tmp_path, absolute):
    """A cloned repository brings its weights with it, and its links lead nowhere."""
    a, b, *_ = pair(tmp_path, np.random.default_rng(4))
    other = checkpoint(tmp_path / "mine", {"w": np.ones(2, np.float32)}, LICENSE="mine")
    link(other / "LICENSE", b / "LICENSE", absolute)
    done = expo("extrapolate", a, b, "--alpha", 0.5, "-o", tmp_path / "out")
    assert "LICENSE: is a link that leads out" in done.stderr and not (tmp_path / "out/LICENSE").exists()


def test_transformers_loads_the_same(tmp_path, absolute):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    config = transformers.LlamaConfig(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                                      vocab_size=32, max_position_embeddings=32)
    for seed, name in enumerate(("sft", "aligned")):
        torch.manual_seed(seed)
        transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / "store" / name)
    a, b = (linked(tmp_path / "links" / name, tmp_path / "store" / name, absolute) for name in ("sft", "aligned"))
    expo("extrapolate", a, b, "--alpha", 0.5, "-o", tmp_path / "out")
    sft, aligned, out = (transformers.LlamaForCausalLM.from_pretrained(folder).state_dict()
                         for folder in (a, b, tmp_path / "out"))
    for name, values in aligned.items():
        expected = (values.double() + 0.5 * (values.double() - sft[name].double())).float()
        assert torch.equal(out[name], expected), name


@needs_engine
def test_generate_finds_configuration_and_tokenizer(tmp_path, absolute):
    store = model(tmp_path / "store" / "policy")
    folder = linked(tmp_path / "links" / "policy", store, absolute)
    answers = [json.loads(expo("generate", place, "--prompt", "w8 w9", "--format", "ultrafeedback", "--max-new-tokens", "9").stdout)
               for place in (store, folder)]
    assert answers[0] == answers[1]
