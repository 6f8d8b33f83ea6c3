"""Makes a synthetic Llama pair in bfloat16: SFT with normal weights of 0.02, ALIGNED a thousandth away from it.

Run as a program: synthetic_pair.py FOLDER LAYERS [--tiny]. Writes FOLDER/sft and FOLDER/aligned, three shards each,
at bounded memory. The weights are slices of one pool of random numbers, since only their distribution matters.
"""

import argparse
import json
from pathlib import Path

import ml_dtypes
import numpy as np

SEED = 20240418
STD = 0.02
RELATIVE_DELTA = 1e-3
SHARDS = 3
POOL = 1 << 26
TINY_LLAMA = {"hidden_size": 2048, "intermediate_size": 5632, "num_attention_heads": 32,
              "num_key_value_heads": 4, "vocab_size": 32000}
TINY = {"hidden_size": 256, "intermediate_size": 704, "num_attention_heads": 8,
        "num_key_value_heads": 2, "vocab_size": 1000}


def config(shape, layers):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", **shape, "num_hidden_layers": layers,
            "hidden_act": "silu", "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "bos_token_id": 1, "eos_token_id": 2, "initializer_range": STD, "tie_word_embeddings": False,
            "attention_bias": False, "mlp_bias": False, "dtype": "bfloat16"}


def tensors(shape, layers):
    """Yields names and shapes in the model's order."""
    hidden, inner, vocabulary = shape["hidden_size"], shape["intermediate_size"], shape["vocab_size"]
    kv = hidden // shape["num_attention_heads"] * shape["num_key_value_heads"]
    yield "model.embed_tokens.weight", (vocabulary, hidden)
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "self_attn.q_proj.weight", (hidden, hidden)
        yield prefix + "self_attn.k_proj.weight", (kv, hidden)
        yield prefix + "self_attn.v_proj.weight", (kv, hidden)
        yield prefix + "self_attn.o_proj.weight", (hidden, hidden)
        yield prefix + "mlp.gate_proj.weight", (inner, hidden)
        yield prefix + "mlp.up_proj.weight", (inner, hidden)
        yield prefix + "mlp.down_proj.weight", (hidden, inner)
        yield prefix + "input_layernorm.weight", (hidden,)
        yield prefix + "post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    yield "lm_head.weight", (vocabulary, hidden)


def shards(all_tensors):
    """Divides the tensors, in order, into SHARDS groups of about the same size."""
    total = sum(int(np.prod(shape)) for _, shape in all_tensors)
    groups, filled = [[] for _ in range(SHARDS)], 0
    for name, shape in all_tensors:
        groups[min(SHARDS - 1, filled * SHARDS // total)].append((name, shape))
        filled += int(np.prod(shape))
    return groups


class Pool:
    """Random weights of both models; the slice of a tensor depends only on its position in the model."""

    def __init__(self, size):
        random = np.random.default_rng(SEED)
        sft = random.standard_normal(size, dtype=np.float32) * np.float32(STD)
        self.sft = sft.astype(ml_dtypes.bfloat16).view(np.uint16)
        sft += random.standard_normal(size, dtype=np.float32) * np.float32(STD * RELATIVE_DELTA)
        self.aligned = sft.astype(ml_dtypes.bfloat16).view(np.uint16)

    def write(self, which, offset, count, file):
        pool = getattr(self, which)
        offset %= len(pool)
        while count:
            piece = pool[offset:offset + count]
            file.write(piece.tobytes())
            count -= len(piece)
            offset = 0


def header(group):
    entries, end = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in group:
        begin, end = end, end + 2 * int(np.prod(shape))
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, end


def write_model(folder, which, groups, pool, model_config):
    folder.mkdir(parents=True)
    weight_map, total, position = {}, 0, 0
    for number, group in enumerate(groups, 1):
        name = f"model-{number:05d}-of-{SHARDS:05d}.safetensors"
        head, size = header(group)
        with open(folder / name, "wb") as file:
            file.write(head)
            for tensor, shape in group:
                count = int(np.prod(shape))
                if len(shape) == 1:
                    file.write(np.ones(count, ml_dtypes.bfloat16).tobytes())
                else:
                    pool.write(which, position, count, file)
                position += count
                weight_map[tensor] = name
        total += size
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1))
    (folder / "config.json").write_text(json.dumps(model_config, indent=1))
    (folder / "generation_config.json").write_text('{"bos_token_id": 1, "eos_token_id": 2}')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("layers", type=int)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    shape = TINY if arguments.tiny else TINY_LLAMA
    groups = shards(list(tensors(shape, arguments.layers)))
    pool = Pool(1 << 20 if arguments.tiny else POOL)
    for which in ("sft", "aligned"):
        write_model(arguments.folder / which, which, groups, pool, config(shape, arguments.layers))


if __name__ == "__main__":
    main()
