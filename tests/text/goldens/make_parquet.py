"""Writes rows.*.parquet and rows.jsonl beside this file, with pyarrow (tried: 22.0)."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
SCHEMA = pa.schema([
    ("prompt", pa.string()), ("prompt_id", pa.large_string()), ("chosen", pa.list_(TURN)), ("rejected", pa.list_(TURN)),
    ("score_chosen", pa.float64()), ("score_rejected", pa.float32()), ("turns", pa.int64()), ("small", pa.int8()),
    ("flag", pa.bool_()), ("tags", pa.list_(pa.string())), ("nested", pa.struct([("source", pa.string()), ("depth", pa.int32())])),
])


def row(number):
    prompt = f"Frage {number}: é 漢字 🙂\n\ttab \"quoted\" \\ {'x' * number}"
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": None if number == 3 else f"answer {number % 4}"}]
    return {"prompt": prompt, "prompt_id": None if number % 5 == 1 else f"{number:03}", "chosen": turns,
            "rejected": [] if number == 2 else turns[:1], "score_chosen": number / 7, "score_rejected": -number / 4,
            "turns": number * 10**12, "small": number - 8, "flag": number % 2 == 0, "tags": None if number == 4 else ["a", "b"][:number % 3],
            "nested": {"source": "x", "depth": number}}


def main():
    rows = [row(number) for number in range(12)]
    (HERE / "rows.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    table = pa.Table.from_pylist(rows, SCHEMA)
    for codec, options in (("snappy", {}), ("zstd", {"data_page_version": "2.0"}), ("none", {"use_dictionary": False}),
                           ("gzip", {}), ("brotli", {}), ("lz4", {})):
        pq.write_table(table, HERE / f"rows.{codec}.parquet", compression=codec, row_group_size=5, store_schema=False, **options)


if __name__ == "__main__":
    main()
