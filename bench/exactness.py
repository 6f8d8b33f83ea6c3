"""exactness.py SFT ALIGNED OUT ALPHA: how far a result is from θ + α(θ − θ_sft) in float64, rounded once to bfloat16.

Prints one JSON object: elements, changed (θ ≠ θ_sft), wrong (elements that differ from the exact answer),
effective_alpha (least-squares slope of the applied change on θ − θ_sft) and best_effective_alpha (that of the exact
answer, which is the best that bfloat16 allows).
"""

import json
import sys
from pathlib import Path

import ml_dtypes
import numpy as np

CHUNK = 1 << 22


def locations(folder):
    """Maps the tensors in a folder of bfloat16 safetensors: {tensor: (file, offset, bytes)}."""
    found = {}
    for file in sorted(Path(folder).glob("*.safetensors")):
        with open(file, "rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            for name, entry in json.loads(stream.read(size)).items():
                if name != "__metadata__":
                    assert entry["dtype"] == "BF16", f"{file}: {name} is {entry['dtype']}"
                    begin, end = entry["data_offsets"]
                    found[name] = (file, 8 + size + begin, end - begin)
    return found


def chunks(location):
    file, offset, size = location
    for begin in range(0, size, 2 * CHUNK):
        count = min(CHUNK, (size - begin) // 2)
        yield np.fromfile(file, np.uint16, count, offset=offset + begin).view(ml_dtypes.bfloat16)


def main():
    sft, aligned, out = map(locations, sys.argv[1:4])
    alpha = float(sys.argv[4])
    assert set(aligned) == set(out), sorted(set(aligned) ^ set(out))[:5]
    elements = changed = wrong = 0
    square = applied = best = 0.0
    for name in aligned:
        for s, a, o in zip(chunks(sft[name]), chunks(aligned[name]), chunks(out[name]), strict=True):
            theta = a.astype(np.float64)
            delta = theta - s.astype(np.float64)
            exact = (theta + alpha * delta).astype(ml_dtypes.bfloat16)
            elements += len(delta)
            changed += int(np.count_nonzero(delta))
            wrong += int(np.count_nonzero(exact.view(np.uint16) != o.view(np.uint16)))
            square += float(delta @ delta)
            applied += float((o.astype(np.float64) - theta) @ delta)
            best += float((exact.astype(np.float64) - theta) @ delta)
    print(json.dumps({"elements": elements, "changed": changed, "wrong": wrong, "effective_alpha": applied / square,
                      "best_effective_alpha": best / square}))


if __name__ == "__main__":
    main()
