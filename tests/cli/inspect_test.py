"""`expo inspect` against numpy in float64."""

import json

import ml_dtypes
import numpy as np
import pytest
from checkpoints import CONFIG, expo, round_once, save

BF16 = ml_dtypes.bfloat16
ALPHAS = (0, 0.1, 0.3, 0.5)


def write_model(folder, tensors, config=CONFIG, **files):
    folder.mkdir()
    save(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(config))
    for name, content in files.items():
        (folder / (name + ".json")).write_text(json.dumps(content))
    return folder


def names(layers):
    yield "model.embed_tokens.weight", (300, 64)
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield f"{prefix}self_attn.{name}.weight", (64, 64)
        for name, shape in (("gate_proj", (160, 64)), ("up_proj", (160, 64)), ("down_proj", (64, 160))):
            yield f"{prefix}mlp.{name}.weight", shape
        yield f"{prefix}input_layernorm.weight", (64,)
    yield "model.norm.weight", (64,)


def make_pair(step, sft_type=BF16, aligned_type=BF16, seed=0, layers=3):
    draw = np.random.default_rng(seed)
    sft, aligned = {}, {}
    for name, shape in names(layers):
        values = draw.normal(0, 0.02, shape) + (1 if "norm" in name else 0)
        sft[name] = values.astype(sft_type)
        aligned[name] = (values + draw.normal(0, 0.02 * step, shape)).astype(aligned_type)
    return sft, aligned


def inspect(*arguments):
    return json.loads(expo("inspect", *arguments, "--json").stdout)


def reference(pairs):
    """The measures of several tensors taken together."""
    x = np.concatenate([a.astype(np.float64).ravel() for a, _ in pairs])
    y = np.concatenate([b.astype(np.float64).ravel() for _, b in pairs])
    d = y - x
    norms = np.linalg.norm(x), np.linalg.norm(y), np.linalg.norm(d)
    return {
        "elements": x.size,
        "sft_norm": norms[0],
        "theta_norm": norms[1],
        "delta_norm": norms[2],
        "relative_norm": norms[2] / norms[0],
        "cosine": x @ y / norms[0] / norms[1],
        "cosine_distance": np.sum((y / norms[1] - x / norms[0]) ** 2) / 2,
        "changed": np.count_nonzero(d) / d.size,
        "norm_growth": (y @ y - x @ x) / (d @ d) if d.any() else 0,
    }


def rounding_reference(pairs, out_type):
    rows = []
    for alpha in ALPHAS:
        lost = changed = 0
        applied = square = 0.0
        for a, b in pairs:
            x, y = a.astype(np.float64), b.astype(np.float64)
            d = y - x
            moved = d != 0
            result = round_once(np.where(moved, y + alpha * d, y), out_type).astype(np.float64)
            lost += alpha != 0 and np.count_nonzero(moved & (result == round_once(y, out_type).astype(np.float64)))
            changed += np.count_nonzero(moved)
            applied += float(np.sum((result - y) * d))
            square += float(np.sum(d * d))
        rows.append({"alpha": alpha, "effective_alpha": applied / square if changed else 0,
                     "lost": lost / changed if changed else 0})
    return rows


def check(measured, pairs, out_type):
    for key, value in reference(pairs).items():
        assert measured[key] == pytest.approx(value, rel=1e-9, abs=1e-15), key
    for got, want in zip(measured["rounding"], rounding_reference(pairs, out_type), strict=True):
        for key, value in want.items():
            assert got[key] == pytest.approx(value, rel=1e-9, abs=1e-12), (key, want["alpha"])


@pytest.mark.parametrize(("sft_type", "aligned_type", "option", "out_type"), [
    (BF16, BF16, [], BF16),
    (np.float32, BF16, [], BF16),
    (np.float16, np.float32, [], np.float32),
    (np.float32, np.float32, ["--out-dtype", "bf16"], BF16),
    (np.float64, np.float16, ["--out-dtype", "float16"], np.float16),
])
def test_measures_agree_with_numpy(tmp_path, sft_type, aligned_type, option, out_type):
    sft, aligned = make_pair(1e-2, sft_type, aligned_type, seed=1)
    report = inspect(write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned), *option)
    assert [t["name"] for t in report["tensors"]] == list(sft)
    for tensor in report["tensors"]:
        check(tensor, [(sft[tensor["name"]], aligned[tensor["name"]])], out_type)
    check(report["total"], [(sft[n], aligned[n]) for n in sft], out_type)


def test_groups_and_concentration_agree_with_numpy(tmp_path):
    sft, aligned = make_pair(1e-2, seed=2)
    report = inspect(write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned))
    pair = {n: (sft[n], aligned[n]) for n in sft}
    kinds = {
        "attention.q": [n for n in sft if "q_proj" in n],
        "mlp.down": [n for n in sft if "down_proj" in n],
        "norm": [n for n in sft if "norm" in n],
        "embedding": [n for n in sft if "embed" in n],
    }
    by_kind = {group["group"]: group for group in report["by_kind"]}
    for kind, members in kinds.items():
        check(by_kind[kind], [pair[n] for n in members], BF16)
        assert by_kind[kind]["tensors"] == len(members)
    by_layer = {group["group"]: group for group in report["by_layer"]}
    assert list(by_layer) == ["layer 0", "layer 1", "layer 2", "embedding", "norm"]
    check(by_layer["layer 1"], [pair[n] for n in sft if ".1." in n], BF16)

    squares = {n: np.sum((b.astype(np.float64) - a.astype(np.float64)) ** 2) for n, (a, b) in pair.items()}
    order = sorted((n for n in squares if squares[n] > 0), key=squares.get, reverse=True)
    cumulative = np.cumsum([squares[n] for n in order]) / sum(squares.values())
    where = report["concentration"]
    assert where["order"] == order
    assert where["half"] == int(np.searchsorted(cumulative, 0.5)) + 1
    assert where["nine_tenths"] == int(np.searchsorted(cumulative, 0.9)) + 1
    assert sum(group["share"] for group in report["by_kind"]) == pytest.approx(1)


def test_does_not_depend_on_threads(tmp_path):
    sft, aligned = make_pair(1e-3, seed=3)
    a, b = write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned)
    assert inspect(a, b, "--threads", 1) == inspect(a, b, "--threads", 5)


@pytest.mark.parametrize(("step", "relation"), [
    (0, "same_model"), (1e-3, "preference_successor"), (5e-3, "cannot_tell"), (10, "different_bases")])
def test_verdict_of_plain_steps(tmp_path, step, relation):
    sft, aligned = make_pair(step, np.float32, np.float32, seed=4)
    a, b = write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned)
    verdict = inspect(a, b)["verdict"]
    assert verdict["relation"] == relation
    text = expo("inspect", a, b).stdout
    assert verdict["headline"] in text
    assert all(sentence in text for sentence in verdict["evidence"] + verdict["caveats"])


def test_verdict_heeds_chat_templates(tmp_path):
    sft, aligned = make_pair(1e-3, np.float32, np.float32, seed=5)
    chat, plain = {"chat_template": "{{ messages }}"}, {"pad_token": "x"}
    base = write_model(tmp_path / "base", sft, tokenizer_config=plain)
    sft_model = write_model(tmp_path / "sft", sft, tokenizer_config=chat)
    aligned_model = write_model(tmp_path / "aligned", aligned, tokenizer_config=chat)
    assert inspect(base, aligned_model)["verdict"]["relation"] == "base_and_sft"
    assert inspect(sft_model, aligned_model)["verdict"]["relation"] == "preference_successor"
    assert inspect(aligned_model, base)["verdict"]["relation"] == "cannot_tell"


def test_lists_what_does_not_fit(tmp_path):
    sft, aligned = make_pair(1e-3, seed=6)
    aligned["model.embed_tokens.weight"] = np.vstack(
        [aligned["model.embed_tokens.weight"], np.zeros((4, 64), BF16)])
    aligned["extra.weight"] = np.ones(3, BF16)
    sft["model.layers.0.self_attn.q_proj.weight"] = np.zeros((32, 128), BF16)
    report = inspect(write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned))
    listed = {m["tensor"]: m["problem"] for m in report["mismatches"]}
    assert set(listed) == {"model.embed_tokens.weight", "extra.weight",
                           "model.layers.0.self_attn.q_proj.weight"}
    assert "[32, 128]" in listed["model.layers.0.self_attn.q_proj.weight"]
    embedding = next(t for t in report["tensors"] if t["name"] == "model.embed_tokens.weight")
    check(embedding, [(sft[embedding["name"]], aligned[embedding["name"]][:300])], BF16)
    assert report["verdict"]["relation"] == "preference_successor"


def test_other_architectures_are_different_bases(tmp_path):
    sft, _ = make_pair(0, seed=7)
    aligned = {name.replace("model.", "transformer."): values for name, values in sft.items()}
    report = inspect(write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned))
    assert report["tensors"] == []
    assert report["verdict"]["relation"] == "different_bases"


def test_damage_in_either_model_is_listed(tmp_path):
    sft, aligned = make_pair(1e-3, np.float32, np.float32, seed=8)
    name = "model.layers.1.mlp.up_proj.weight"
    aligned[name][5, 7] = np.nan
    sft[name][0, 0] = np.inf
    sft["model.embed_tokens.weight"][290:] = 0
    a, b = write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned)
    report = inspect(a, b)
    tensor = next(t for t in report["tensors"] if t["name"] == name)
    assert tensor["aligned_values"]["nan"] == 1 and tensor["sft_values"]["infinite"] == 1
    assert tensor["nonfinite"] == 2
    whole = np.isfinite(sft[name]) & np.isfinite(aligned[name])
    difference = aligned[name][whole].astype(np.float64) - sft[name][whole]
    assert tensor["delta_norm"] == pytest.approx(np.linalg.norm(difference), rel=1e-9)
    text = expo("inspect", a, b).stdout
    assert f'ALIGNED: "{name}": 1 NaN' in text
    assert 'SFT: "model.embed_tokens.weight": 10 rows of one value' in text


def test_quick_says_that_it_estimates(tmp_path):
    draw = np.random.default_rng(9)
    values = draw.normal(0, 0.02, (2000, 1000)).astype(np.float32)
    other = values + draw.normal(0, 2e-5, values.shape).astype(np.float32)
    a = write_model(tmp_path / "a", {"model.layers.0.mlp.up_proj.weight": values})
    b = write_model(tmp_path / "b", {"model.layers.0.mlp.up_proj.weight": other})
    whole, quick = inspect(a, b), inspect(a, b, "--quick")
    assert whole["sampled_share"] == 1 and 0.03 < quick["sampled_share"] < 0.1
    assert quick["total"]["relative_norm"] == pytest.approx(whole["total"]["relative_norm"], rel=0.02)
    assert quick["total"]["elements"] == whole["total"]["elements"]
    assert "(--quick)" in expo("inspect", a, b, "--quick").stdout
    assert "--quick" not in expo("inspect", a, b).stdout


def test_one_checkpoint(tmp_path):
    sft, _ = make_pair(0, seed=10, layers=2)
    sft["rotary.position_ids"] = np.arange(5)
    folder = write_model(tmp_path / "a", sft, {**CONFIG, "tie_word_embeddings": True},
                         tokenizer={"model": {"type": "BPE"}},
                         tokenizer_config={"chat_template": "{{ x }}"})
    report = inspect(folder)
    assert report["architecture"] == "LlamaForCausalLM"
    assert report["layers"] == 2
    assert report["parameters"] == sum(v.size for v in sft.values()) - 5
    assert report["bytes"] == (folder / "model.safetensors").stat().st_size
    assert report["dtypes"]["BF16"]["tensors"] == len(sft) - 1
    assert report["dtypes"]["I64"] == {"tensors": 1, "elements": 5}
    assert report["tokenizer"] == "BPE (tokenizer.json)"
    assert report["chat_template"] and report["tied_embeddings"] and not report["output_head"]
    assert {t["name"]: tuple(t["shape"]) for t in report["tensors"]} == {n: v.shape for n, v in sft.items()}
    text = expo("inspect", folder, "--tensors").stdout
    assert "tied to the embedding" in text and "[160, 64]" in text and "not read" in text


def test_one_checkpoint_without_anything_beside_it(tmp_path):
    save(tmp_path / "model.safetensors", {"w": np.ones((2, 2), np.float32)})
    report = inspect(tmp_path / "model.safetensors")
    assert report["architecture"] is None and report["tokenizer"] is None
    assert report["chat_template"] is False and report["parameters"] == 4


def test_check_finds_damage(tmp_path):
    sft, _ = make_pair(0, seed=11)
    sft["model.norm.weight"][3] = np.nan
    sft["model.layers.0.mlp.up_proj.weight"][:] = 0
    folder = write_model(tmp_path / "a", sft)
    unchecked, checked = inspect(folder), inspect(folder, "--check")
    assert not unchecked["checked"] and "values" not in unchecked["tensors"][0]
    values = {t["name"]: t["values"] for t in checked["tensors"]}
    assert values["model.norm.weight"]["nan"] == 1
    assert values["model.layers.0.mlp.up_proj.weight"]["zero"] == 160 * 64
    largest = np.abs(sft["model.embed_tokens.weight"].astype(np.float64)).max()
    assert values["model.embed_tokens.weight"]["largest"] == largest
    text = expo("inspect", folder, "--check").stdout
    assert '"model.norm.weight": 1 NaN' in text
    assert "all 10240 values are zero" in text


def test_malformed_files_beside_the_weights_do_not_stop_it(tmp_path):
    sft, _ = make_pair(0, seed=12)
    folder = write_model(tmp_path / "a", sft)
    (folder / "tokenizer.json").write_text("{not json")
    (folder / "tokenizer_config.json").write_text('{"chat_template": 7')
    report = inspect(folder)
    assert report["tokenizer"] == "unknown kind (tokenizer.json)"
    assert report["chat_template"] is False


@pytest.mark.parametrize(("files", "kind", "template"), [
    ({"tokenizer.model": "x"}, "SentencePiece (tokenizer.model)", False),
    ({"vocab.json": "{}", "merges.txt": ""}, "BPE (vocab.json, merges.txt)", False),
    ({"tokenizer.json": '{"model": {"type": "Unigram"}}', "tokenizer.model": "x"}, "Unigram (tokenizer.json)", False),
    ({"chat_template.jinja": "{{ x }}"}, None, True),
    ({"tokenizer_config.json": '{"chat_template": [{"name": "default", "template": "x"}]}'}, None, True),
    ({"tokenizer_config.json": '{"chat_template": null}'}, None, False),
])
def test_tokenizer_and_template_are_found_where_transformers_looks(tmp_path, files, kind, template):
    folder = write_model(tmp_path / "a", {"w": np.ones((2, 2), np.float32)})
    for name, text in files.items():
        (folder / name).write_text(text)
    report = inspect(folder)
    assert (report["tokenizer"], report["chat_template"]) == (kind, template)


@pytest.mark.parametrize(("arguments", "code", "words"), [
    (["a", "--quick"], 2, "second checkpoint"),
    (["a", "--out-dtype", "bf16"], 2, "second checkpoint"),
    (["a", "a", "--check"], 2, "--check"),
    (["a", "a", "--out-dtype", "int7"], 2, "int7"),
    (["a", "missing"], 3, "missing"),
    (["a", "--threads", "0"], 2, "--threads"),
])
def test_refusals(tmp_path, arguments, code, words):
    write_model(tmp_path / "a", make_pair(0)[0])
    done = expo("inspect", *arguments, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stdout == ""


def spectrum_of(sft, aligned):
    return np.linalg.svd(aligned.astype(np.float64) - sft.astype(np.float64), compute_uv=False)


@pytest.mark.parametrize("dtype", [BF16, np.float32])
def test_spectra_agree_with_numpy(tmp_path, dtype):
    sft, aligned = make_pair(1e-2, dtype, dtype, seed=5)
    draw = np.random.default_rng(6)
    low = "model.layers.1.mlp.up_proj.weight"  # of rank 3
    sft[low] = np.zeros_like(sft[low])
    aligned[low] = (draw.integers(-4, 5, (160, 3)) @ draw.integers(-4, 5, (3, 64)) / 64).astype(dtype)
    same = "model.layers.2.mlp.up_proj.weight"
    aligned[same] = sft[same]
    folders = write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned)
    report = inspect(*folders, "--spectrum", "--threads", "2")
    matrices = {tensor["name"]: tensor for tensor in report["tensors"] if "spectrum" in tensor}
    assert set(matrices) == {name for name in sft if sft[name].ndim == 2}
    for name, tensor in matrices.items():
        expected = spectrum_of(sft[name], aligned[name])
        assert tensor["spectrum"] == pytest.approx(expected, rel=1e-6, abs=1e-6 * expected[0]), name
        assert tensor["spectrum"] == sorted(tensor["spectrum"], reverse=True)
        if name != same:
            assert tensor["stable_rank"] == pytest.approx((expected ** 2).sum() / expected[0] ** 2, rel=1e-6)
            shares = expected[expected > 1e-6 * expected[0]] / expected.sum()
            assert tensor["effective_rank"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-3)
            assert np.sum(np.square(tensor["spectrum"])) == pytest.approx(tensor["delta_norm"] ** 2, rel=1e-6)
    assert np.count_nonzero(matrices[low]["spectrum"]) == 3
    assert not any(matrices[same]["spectrum"]) and matrices[same]["stable_rank"] == 0
    for group in report["spectra"]:
        all_of_kind = [spectrum_of(sft[tensor["name"]], aligned[tensor["name"]]) for tensor in matrices.values()
                       if tensor["kind"] == group["group"] and tensor["name"] != same]
        assert group["matrices"] == len(all_of_kind) and group["full_rank"] == np.median([len(each) for each in all_of_kind])
        assert group["stable_rank"] == pytest.approx(np.median([(each ** 2).sum() / each[0] ** 2 for each in all_of_kind]), rel=1e-6)
        whole = sum((each ** 2).sum() for each in all_of_kind)
        for leading in group["leading"]:
            expected = sum((each[:leading["values"]] ** 2).sum() for each in all_of_kind) / whole
            assert leading["share"] == pytest.approx(expected, rel=1e-6)
    text = expo("inspect", *folders, "--spectrum").stdout
    assert "stable rank" in text and "mlp.up" in text.split("The spectrum of Δ")[1]
    plain = inspect(*folders)
    assert "spectra" not in plain and not any("spectrum" in tensor for tensor in plain["tensors"])
    assert "The spectrum" not in expo("inspect", *folders).stdout


def test_the_spectra_of_a_pair_without_a_changed_matrix_are_none(tmp_path):
    sft, _ = make_pair(1e-2)
    norm = "model.norm.weight"
    aligned = {**sft, norm: (2 * sft[norm]).astype(BF16)}
    folders = write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned)
    assert inspect(*folders, "--spectrum")["spectra"] == []
    assert "The spectrum of Δ: no matrix has changed." in expo("inspect", *folders, "--spectrum").stdout
    assert "spectra" not in inspect(*folders)


def test_a_spectrum_needs_two_whole_checkpoints(tmp_path):
    sft, aligned = make_pair(1e-2)
    folders = write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned)
    one = expo("inspect", folders[0], "--spectrum", check=False)
    assert one.returncode == 2 and "--spectrum" in one.stderr and "second checkpoint" in one.stderr
    sample = expo("inspect", *folders, "--spectrum", "--quick", check=False)
    assert sample.returncode == 2 and "a sample has no spectrum" in sample.stderr


def test_the_spectrum_of_an_embedding_is_read_in_blocks(tmp_path):
    draw = np.random.default_rng(0)
    sft = {"model.embed_tokens.weight": draw.normal(0, 0.02, (49152, 64)).astype(np.float32)}
    aligned = {name: (values + draw.normal(0, 1e-4, values.shape)).astype(np.float32) for name, values in sft.items()}
    report = inspect(write_model(tmp_path / "a", sft), write_model(tmp_path / "b", aligned), "--spectrum")
    (tensor,) = report["tensors"]
    expected = spectrum_of(*(each["model.embed_tokens.weight"] for each in (sft, aligned)))
    assert tensor["spectrum"] == pytest.approx(expected, rel=1e-6)
