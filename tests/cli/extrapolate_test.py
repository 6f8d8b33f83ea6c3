"""`expo extrapolate` against an independent computation in numpy."""

import json
import os
import shutil

import ml_dtypes
import numpy as np
import pytest

from checkpoints import assert_same_bits, checkpoint, expo, load, pair, reference, save

SEED = int(os.environ.get("EXPO_TEST_SEED", "20240425"))
BF16 = ml_dtypes.bfloat16
NEAREST = ("--rounding", "nearest")


@pytest.fixture
def rng():
    print("seed", SEED)
    return np.random.default_rng(SEED)


def folder_bytes(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".safetensors" or "index" in path.name}


@pytest.mark.parametrize("dtype", [BF16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.3, 2.5, 8.0, 25.0, -0.5])
def test_equals_float64_rounded_once(tmp_path, rng, dtype, alpha):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng, dtype)
    expo("extrapolate", *NEAREST, sft_path, aligned_path, "-o", tmp_path / "out", f"--alpha={alpha}")
    out = load(tmp_path / "out")
    assert set(out) == set(aligned)
    for name in aligned:
        assert_same_bits(out[name], reference(sft[name], aligned[name], alpha), name)


@pytest.mark.parametrize("out_dtype,word", [(np.float32, "float32"), (np.float16, "fp16"), (BF16, "bfloat16"), (np.float64, "f64")])
@pytest.mark.parametrize("in_dtype", [BF16, np.float32])
def test_out_dtype(tmp_path, rng, in_dtype, out_dtype, word):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng, in_dtype)
    expo("extrapolate", *NEAREST, sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3, "--out-dtype", word)
    for name, values in load(tmp_path / "out").items():
        assert_same_bits(values, reference(sft[name], aligned[name], 0.3, out_dtype), name)
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert config["torch_dtype"] == {"fp16": "float16", "f64": "float64"}.get(word, word)


def test_the_two_may_have_different_float_types(tmp_path, rng):
    _, aligned_path, sft, aligned = pair(tmp_path, rng)
    sft = {name: values.astype(np.float32) + np.float32(1e-5) for name, values in sft.items()}
    sft_path = checkpoint(tmp_path / "sft32", sft)
    expo("extrapolate", *NEAREST, sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3)
    for name, values in load(tmp_path / "out").items():
        assert_same_bits(values, reference(sft[name], aligned[name], 0.3), name)


@pytest.mark.parametrize("options", [[], [*NEAREST], ["--rounding", "stochastic", "--seed", "7"], ["--like-original"]])
def test_threads_and_instruction_sets_give_the_same_bytes(tmp_path, rng, options):
    sft_path, aligned_path, _, _ = pair(tmp_path, rng, width=256, layers=3, shards=2)
    results = []
    for threads in (1, 2, 5):
        for isa in ("scalar", "avx2", "avx512"):
            out = tmp_path / f"out-{threads}-{isa}"
            expo("extrapolate", sft_path, aligned_path, "-o", out, "--alpha", 0.3, "--threads", threads, "--max-shard-size",
                 "700KB", *options, env={**os.environ, "EXPO_ISA": isa})
            record = json.loads((out / "run.json").read_text())
            results.append((folder_bytes(out), record["delta"], record["groups"], record["inputs"]))
    assert all(result == results[0] for result in results)


def test_stochastic_rounding_keeps_alpha_where_nearest_loses_it(tmp_path, rng):
    sft_path, aligned_path, _, _ = pair(tmp_path, rng, delta=5e-3, width=256)
    effective = {}
    for rounding in ("nearest", "stochastic"):
        done = expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / rounding, "--alpha", 0.3, "--rounding", rounding, "--json")
        effective[rounding] = json.loads(done.stdout)["delta"]["effective_alpha"]
        assert ("--rounding stochastic" in done.stderr) == (rounding == "nearest")
    assert abs(effective["stochastic"] / 0.3 - 1) < 0.05
    assert abs(effective["nearest"] / 0.3 - 1) > 0.05


def test_report_equals_numpy(tmp_path, rng):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng, delta=2e-2, width=64)
    done = expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3, "--json", *NEAREST)
    report = json.loads(done.stdout)
    out = load(tmp_path / "out")
    x, y, z = (np.concatenate([t[n].astype(np.float64).ravel() for n in aligned]) for t in (sft, aligned, out))
    delta = y - x
    assert report["delta"]["relative_norm"] == pytest.approx(np.linalg.norm(delta) / np.linalg.norm(y), rel=1e-12)
    assert report["delta"]["changed"] == pytest.approx((delta != 0).mean(), rel=1e-12)
    assert report["delta"]["lost"] == pytest.approx(((z == y) & (delta != 0)).sum() / (delta != 0).sum(), rel=1e-12)
    assert report["delta"]["effective_alpha"] == pytest.approx(((z - y) @ delta) / (delta @ delta), rel=1e-9)
    assert report["tensors"] == len(aligned) and report["alpha"] == pytest.approx(0.3, rel=1e-12)
    assert report["bytes_read"] == sum(v.nbytes for t in (sft, aligned) for v in t.values())
    assert report["bytes_written"] == (tmp_path / "out/model.safetensors").stat().st_size
    assert report["output"] == str(tmp_path / "out") and report["seconds"] > 0


def test_gamma_is_equation_one(tmp_path, rng):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng)
    expo("extrapolate", *NEAREST, sft_path, aligned_path, "-o", tmp_path / "out", "--gamma", 0.8)
    for name, values in load(tmp_path / "out").items():
        assert_same_bits(values, reference(sft[name], aligned[name], 1 / 0.8 - 1), name)


def test_the_last_matching_rule_wins(tmp_path, rng):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng)
    expo("extrapolate", *NEAREST, sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3, "--alpha-for", r"layers\.=1.5",
         "--alpha-for", r"layers\.1\..*q_proj=-2")
    for name, values in load(tmp_path / "out").items():
        alpha = 0.3
        if "layers." in name:
            alpha = -2 if "layers.1." in name and "q_proj" in name else 1.5
        assert_same_bits(values, reference(sft[name], aligned[name], alpha), name)


def test_a_recipe_with_a_gradient(tmp_path, rng):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng, layers=5)
    (tmp_path / "r.yaml").write_text(f"sft: {sft_path}\naligned: {aligned_path}\nalpha: {{gradient: [0.0, 1.0]}}\nout_dtype: float32\n")
    expo("extrapolate", *NEAREST, "--recipe", tmp_path / "r.yaml", "-o", tmp_path / "out")
    for name, values in load(tmp_path / "out").items():
        alpha = int(name.split(".")[2]) / 4 if "layers." in name else (0.0 if "embed" in name else 1.0)
        assert_same_bits(values, reference(sft[name], aligned[name], alpha, np.float32), name)


def test_equal_weights_come_out_bit_for_bit(tmp_path, rng):
    values = rng.integers(0, 1 << 16, 4096, dtype=np.uint16).view(BF16)  # every kind of NaN among them
    a = checkpoint(tmp_path / "a", {"w": values})
    b = checkpoint(tmp_path / "b", {"w": values})
    done = expo("extrapolate", a, b, "-o", tmp_path / "out", "--alpha", 3)
    assert_same_bits(load(tmp_path / "out")["w"], values)
    assert "same weights" in done.stderr


def test_alpha_zero_gives_aligned_bit_for_bit(tmp_path, rng):
    a = checkpoint(tmp_path / "a", {"w": rng.integers(0, 1 << 16, 4096, dtype=np.uint16).view(BF16)})
    values = rng.integers(0, 1 << 16, 4096, dtype=np.uint16).view(BF16)
    b = checkpoint(tmp_path / "b", {"w": values})
    expo("extrapolate", a, b, "-o", tmp_path / "out", "--alpha", 0, "--allow-overflow")
    assert_same_bits(load(tmp_path / "out")["w"], values)


def test_overflow_is_an_error_that_leaves_nothing(tmp_path):
    a = checkpoint(tmp_path / "a", {"w": np.array([0, 1], np.float16)})
    b = checkpoint(tmp_path / "b", {"w": np.array([60000, 1], np.float16)})
    done = expo("extrapolate", a, b, "-o", tmp_path / "out", "--alpha", 1, check=False)
    assert done.returncode == 3 and '"w"' in done.stderr and "--allow-overflow" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir() if "lock" not in p.name) == ["a", "b"]
    expo("extrapolate", a, b, "-o", tmp_path / "out", "--alpha", 1, "--allow-overflow")
    assert np.isinf(load(tmp_path / "out")["w"][0])


def test_equal_integers_and_derived_buffers_are_aligneds(tmp_path):
    same = {"table": np.arange(7, dtype=np.int32), "flags": np.array([True, False]), "bytes": np.arange(5, dtype=np.uint8)}
    a = checkpoint(tmp_path / "a", same | {
        "w": np.ones(4, BF16), "model.position_ids": np.arange(3), "bn.num_batches_tracked": np.array(5),
        "h.0.attn.bias": np.zeros((2, 2), bool), "only_a": np.arange(2), "model.rotary_emb.inv_freq": np.ones(2, np.float32)})
    b_tensors = same | {
        "w": np.full(4, 2, BF16), "model.position_ids": np.arange(9), "bn.num_batches_tracked": np.array(77),
        "h.0.attn.bias": np.ones((2, 2), np.uint8), "only_b": np.ones(5, bool),
        "model.rotary_emb.inv_freq": np.full(2, 9, np.float32)}
    b = checkpoint(tmp_path / "b", b_tensors)
    done = expo("extrapolate", a, b, "-o", tmp_path / "out", "--alpha", 1, "--json")
    assert json.loads(done.stdout)["mismatches"] == []
    out = load(tmp_path / "out")
    assert out.keys() == b_tensors.keys()
    assert_same_bits(out["w"], np.full(4, 3, BF16))
    for name in b_tensors.keys() - {"w"}:
        assert_same_bits(out[name], b_tensors[name], name)


def test_fp8_is_copied_where_equal_and_refused_where_not(tmp_path):
    fp8 = np.arange(16, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn)
    a = checkpoint(tmp_path / "a", {"q": fp8, "w": np.ones(2, BF16)})
    b = checkpoint(tmp_path / "b", {"q": fp8, "w": np.ones(2, BF16)})
    expo("extrapolate", a, b, "-o", tmp_path / "out", "--alpha", 1)
    assert_same_bits(load(tmp_path / "out")["q"], fp8)
    c = checkpoint(tmp_path / "c", {"q": fp8[::-1].copy(), "w": np.ones(2, BF16)})
    done = expo("extrapolate", a, c, "-o", tmp_path / "out2", "--alpha", 1, check=False)
    assert done.returncode == 3 and '"q"' in done.stderr and not (tmp_path / "out2").exists()


def mismatched(tmp_path, rng):
    _, _, sft, aligned = pair(tmp_path, rng)
    del sft["model.layers.1.mlp.down_proj.weight"]
    del sft["lm_head.weight"]
    sft["extra.weight"] = np.ones(3, BF16)
    aligned["model.embed_tokens.weight"] = np.concatenate([aligned["model.embed_tokens.weight"], np.ones((8, 32), BF16)])
    aligned["model.norm.weight"] = np.ones(16, BF16)
    aligned["model.layers.0.mlp.down_proj.weight"] = np.ones((64, 32), BF16)
    return checkpoint(tmp_path / "s", sft), checkpoint(tmp_path / "t", aligned), sft, aligned


def test_every_mismatch_is_listed_before_anything_is_written(tmp_path, rng):
    s, t, _, _ = mismatched(tmp_path, rng)
    done = expo("extrapolate", s, t, "-o", tmp_path / "out", "--alpha", 0.3, check=False)
    assert done.returncode == 3 and not (tmp_path / "out").exists()
    for name in ("model.layers.1.mlp.down_proj.weight", "lm_head.weight", "extra.weight", "model.embed_tokens.weight",
                 "model.norm.weight", "model.layers.0.mlp.down_proj.weight"):
        assert f'"{name}"' in done.stderr
    assert "--on-mismatch" in done.stderr


def test_on_mismatch_aligned(tmp_path, rng):
    s, t, sft, aligned = mismatched(tmp_path, rng)
    done = expo("extrapolate", *NEAREST, s, t, "-o", tmp_path / "out", "--alpha", 0.3, "--on-mismatch", "aligned", "--json")
    out = load(tmp_path / "out")
    treated = {entry["tensor"] for entry in json.loads(done.stdout)["mismatches"]}
    assert len(treated) == 6 and set(out) == set(aligned)
    for name, values in out.items():
        expected = aligned[name] if name in treated else reference(sft[name], aligned[name], 0.3)
        assert_same_bits(values, expected, name)


def test_on_mismatch_common_rows(tmp_path, rng):
    s, t, sft, aligned = mismatched(tmp_path, rng)
    expo("extrapolate", *NEAREST, s, t, "-o", tmp_path / "out", "--alpha", 0.3, "--on-mismatch", "common-rows")
    out = load(tmp_path / "out")
    embed = "model.embed_tokens.weight"
    assert_same_bits(out[embed][:64], reference(sft[embed], aligned[embed][:64], 0.3))
    assert_same_bits(out[embed][64:], aligned[embed][64:])
    assert_same_bits(out["model.norm.weight"], reference(sft["model.norm.weight"][:16], aligned["model.norm.weight"], 0.3))
    assert_same_bits(out["lm_head.weight"], reference(sft[embed], aligned["lm_head.weight"], 0.3), "tied head")
    name = "model.layers.0.mlp.down_proj.weight"
    assert_same_bits(out[name], aligned[name])


def test_a_cut_vocabulary_in_aligned(tmp_path, rng):
    _, _, sft, aligned = pair(tmp_path, rng)
    aligned["model.embed_tokens.weight"] = aligned["model.embed_tokens.weight"][:50]
    t = checkpoint(tmp_path / "t", aligned)
    expo("extrapolate", *NEAREST, tmp_path / "sft", t, "-o", tmp_path / "out", "--alpha", 0.3, "--on-mismatch", "common-rows")
    expected = reference(sft["model.embed_tokens.weight"][:50], aligned["model.embed_tokens.weight"], 0.3)
    assert_same_bits(load(tmp_path / "out")["model.embed_tokens.weight"], expected)


def test_sidecars_are_aligneds_and_nothing_else(tmp_path, rng):
    sft_path, aligned_path, _, _ = pair(tmp_path, rng)
    for folder, mark in ((sft_path, "sft"), (aligned_path, "aligned")):
        for name in ("tokenizer.json", "generation_config.json", "chat_template.jinja", "README.md", "optimizer.pt",
                     "pytorch_model.bin", "consolidated.00.pth", "trainer_state.json"):
            (folder / name).write_text(json.dumps({"from": mark}))
        (folder / "original").mkdir()
        (folder / "original/params.json").write_text("{}")
    expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "run.json", "tokenizer.json"]
    assert "aligned" in (tmp_path / "out/tokenizer.json").read_text()
    card = (tmp_path / "out/README.md").read_text()
    assert card.startswith("---\n") and "α: 0.3" in card


def test_shards_hold_the_tensors_in_order(tmp_path, rng):
    sft_path, aligned_path, _, aligned = pair(tmp_path, rng, layers=4, shards=3)
    expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3, "--max-shard-size", "10KB")
    index = json.loads((tmp_path / "out/model.safetensors.index.json").read_text())
    assert list(index["weight_map"]) == list(aligned)
    assert index["metadata"]["total_size"] == sum(v.nbytes for v in aligned.values())
    assert list(load(tmp_path / "out")) == list(aligned)


def test_digests_equal_xxhsum(tmp_path, rng):
    xxhash = pytest.importorskip("xxhash")
    sft_path, aligned_path, _, _ = pair(tmp_path, rng, shards=2)
    expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3)
    inputs = json.loads((tmp_path / "out/run.json").read_text())["inputs"]
    for side, folder in (("sft", sft_path), ("aligned", aligned_path)):
        assert len(inputs[side]) == 2
        for entry in inputs[side]:
            expected = xxhash.xxh3_128_hexdigest((folder / entry["file"]).read_bytes())
            assert entry["digest"] == "xxh3-128:" + expected


@pytest.mark.parametrize("arguments,code,words", [
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT"], 2, ["Table 3", "expo search"]),
    (["extrapolate", "SFT", "ALIGNED", "--alpha", "0.3"], 2, ["-o OUT"]),
    (["extrapolate", "SFT", "-o", "OUT", "--alpha", "0.3"], 2, ["ALIGNED"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "nan"], 2, ["finite"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--gamma", "0.5"], 2, ["--gamma"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--gamma", "0"], 2, ["gamma"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--out-dtype", "int4"], 2, ["int4"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--alpha-for", "x"], 2, ["REGEX=A"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--alpha-for", "(=1"], 2, ["("]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--like-original", "--out-dtype", "f32"], 2, ["--like-original"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--like-original", "--rounding", "nearest"], 2, ["--like-original"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--like-original", "--seed", "5"], 2, ["--seed"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--rounding", "nearest", "--seed", "5"], 2, ["--seed"]),
    (["extrapolate", "SFT", "missing", "-o", "OUT", "--alpha", "0.3"], 3, ["missing"]),
    (["extrapolate", "SFT", "owner/name", "-o", "OUT", "--alpha", "0.3"], 3, ["hf download owner/name"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "SFT", "--alpha", "0.3", "--overwrite"], 2, ["input"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "ALIGNED/sub", "--alpha", "0.3"], 2, ["input"]),
    (["extrapolate", "SFT", "ALIGNED", "-o", "OUT", "--alpha", "0.3", "--nonsense"], 2, ["--nonsense"]),
    ([], 2, ["a command is missing"]),
])
def test_wrong_use(tmp_path, rng, arguments, code, words):
    sft_path, aligned_path, _, _ = pair(tmp_path, rng)
    places = {"SFT": sft_path, "ALIGNED": aligned_path, "OUT": tmp_path / "out", "ALIGNED/sub": aligned_path / "sub"}
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    done = expo(*[places.get(a, a) for a in arguments], check=False)
    assert done.returncode == code, done.stderr
    for word in words:
        assert word in done.stderr
    assert sorted(str(p) for p in tmp_path.rglob("*") if "expo-lock" not in p.name) == before


def test_dry_run_writes_nothing_and_tells_what_would_go_wrong(tmp_path, rng):
    sft_path, aligned_path, _, _ = pair(tmp_path, rng)
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    done = expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3, "--dry-run", "--json")
    assert json.loads(done.stdout)["dry_run"] is True
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before
    (tmp_path / "out").mkdir()
    (tmp_path / "out/x").write_text("x")
    done = expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3, "--dry-run", check=False)
    assert done.returncode == 2 and "--overwrite" in done.stderr


def test_overwrite_replaces_a_checkpoint(tmp_path, rng):
    sft_path, aligned_path, sft, aligned = pair(tmp_path, rng)
    for alpha in (0.1, 0.5):
        expo("extrapolate", *NEAREST, sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", alpha, "--overwrite")
    name = "lm_head.weight"
    assert_same_bits(load(tmp_path / "out")[name], reference(sft[name], aligned[name], 0.5))


def test_convert_copies_bits_and_casts_once(tmp_path, rng):
    _, aligned_path, _, aligned = pair(tmp_path, rng, np.float32, shards=2)
    expo("convert", aligned_path, tmp_path / "same")
    for name, values in load(tmp_path / "same").items():
        assert_same_bits(values, aligned[name], name)
    expo("convert", aligned_path, tmp_path / "half", "--out-dtype", "bf16")
    for name, values in load(tmp_path / "half").items():
        assert_same_bits(values, reference(aligned[name], aligned[name], 0, BF16), name)


def test_malformed_input_exits_3_with_nothing_written(tmp_path, rng):
    sft_path, aligned_path, _, _ = pair(tmp_path, rng)
    model = aligned_path / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-1])
    done = expo("extrapolate", sft_path, aligned_path, "-o", tmp_path / "out", "--alpha", 0.3, check=False)
    assert done.returncode == 3 and "model.safetensors" in done.stderr and not (tmp_path / "out").exists()
