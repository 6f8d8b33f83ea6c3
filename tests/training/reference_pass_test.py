"""expo train dpo, interrupted while it computes the reference's log-probabilities: what is computed is kept and used."""

import json
import re
import signal
import struct
import subprocess

import pytest
import xxhash
from tiny_chat import pairs
from train_program import TRAIN, command, files_of, rows_of, train

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")
PAIRS = 3000  # so many batches that a run is far from its end when its first one is kept


@pytest.fixture
def keys(tmp_path, model):
    return {"model_name_or_path": model, "dataset_name": pairs(tmp_path / "pairs.jsonl", PAIRS, 5), "max_steps": 1,
            "warmup_ratio": 0}


@pytest.fixture
def whole(tmp_path, keys):
    """The log-probabilities and the result of a run that nothing disturbs."""
    train("dpo", output_dir=tmp_path / "whole", **keys)
    (file,) = (tmp_path / "whole").glob("reference-log-probs-*.json")
    return file, files_of(tmp_path / "whole/final")


def stop_once_some_are_kept(sent, **keys):
    """Returns how many pairs the run has said to be kept before it was stopped, all that it said, and its exit code."""
    process = subprocess.Popen(command("dpo", **keys), stderr=subprocess.PIPE, text=True)
    said = ""
    while not (kept := re.search(rf"… (\d+) of {PAIRS} pairs are kept", said)):
        line = process.stderr.readline()
        assert line, said + process.communicate()[1]
        said += line
    process.send_signal(sent)
    _, rest = process.communicate(timeout=300)
    return int(kept[1]), said + rest, process.returncode


def kept_in(folder):
    (file,) = folder.glob("reference-log-probs-*.begun.json")
    numbers = json.loads(file.read_text())["log_probs"]
    assert len(numbers) % 2 == 0
    return len(numbers) // 2


def finish(folder, kept, whole, **keys):
    """The rest alone is computed, to the same bytes."""
    done = train("dpo", output_dir=folder, **keys)
    report = json.loads(subprocess.run([*command("dpo", output_dir=folder, overwrite_output_dir="true", **keys), "--json"],
                                       capture_output=True, text=True, check=True).stdout)
    assert report["references"] == {"kept": PAIRS, "computed": 0}, "all are there by now"
    assert f"log-probabilities of {PAIRS} pairs, of which {kept} are kept from before" in done.stderr
    file, result = whole
    assert [path.name for path in folder.glob("reference-log-probs-*")] == [file.name]
    assert (folder / file.name).read_bytes() == file.read_bytes()
    assert files_of(folder / "final") == result


def test_ctrl_c_keeps_what_is_computed(tmp_path, keys, whole):
    out, before = tmp_path / "out", 0
    for further in ({}, {"resume": "true"}, {}):
        said_kept, said, code = stop_once_some_are_kept(signal.SIGINT, output_dir=out, **keys, **further)
        found = re.search(rf"interrupted; the reference's log-probabilities of (\d+) of {PAIRS} pairs are kept", said)
        assert code == 130 and found, said
        assert before < said_kept <= int(found[1]) < PAIRS
        assert kept_in(out) == int(found[1])
        assert not before or f"of which {before} are kept from before" in said
        before = int(found[1])
    finish(out, before, whole, **keys)


def test_what_a_killed_run_has_written_is_used(tmp_path, keys, whole):
    out = tmp_path / "out"
    said_kept, _, code = stop_once_some_are_kept(signal.SIGKILL, output_dir=out, **keys)
    assert code == -signal.SIGKILL and said_kept <= kept_in(out) < PAIRS
    finish(out, kept_in(out), whole, **keys)


def test_the_report_counts_what_was_kept_and_what_was_computed(tmp_path, keys):
    cache = tmp_path / "cache"
    cut = {**keys, "reference_cache_dir": cache}
    stop_once_some_are_kept(signal.SIGINT, output_dir=tmp_path / "out", **cut)
    kept = kept_in(cache)
    for folder, expected in (("out", {"kept": kept, "computed": PAIRS - kept}), ("next", {"kept": PAIRS, "computed": 0})):
        done = subprocess.run([*command("dpo", output_dir=tmp_path / folder, **cut), "--json"], capture_output=True, text=True,
                              check=True)
        assert json.loads(done.stdout)["references"] == expected


def test_what_is_kept_is_taken_only_as_it_was_written(tmp_path, keys, whole):
    cache = tmp_path / "cache"
    keys = {**keys, "reference_cache_dir": cache}
    stop_once_some_are_kept(signal.SIGINT, output_dir=tmp_path / "cut", **keys)
    (file,) = cache.iterdir()
    begun = json.loads(file.read_text())
    numbers = begun["log_probs"]

    def leave(log_probs):
        digest = xxhash.xxh3_128_hexdigest(b"".join(struct.pack("<d", number) for number in log_probs))
        file.write_text(json.dumps({**begun, "log_probs": log_probs, "digest": "xxh3-128:" + digest}))

    # A short pair's, as the longest is computed again: what is there is taken as it is.
    lengths = [sum(len(row[side].split()) for side in ("prompt", "chosen", "rejected")) for row in rows_of(keys["dataset_name"])]
    place = 2 * lengths.index(min(lengths[:len(numbers) // 2]))
    changed = [*numbers[:place], numbers[place] - 1, *numbers[place + 1:]]
    leave(changed)
    train("dpo", output_dir=tmp_path / "other", **keys)
    expected = json.loads(whole[0].read_text())["log_probs"]
    assert json.loads((cache / whole[0].name).read_text())["log_probs"] == changed + expected[len(numbers):]
    (cache / whole[0].name).unlink()
    leave([1.1 * number for number in numbers])
    assert "but the reference model gives" in train("dpo", 3, output_dir=tmp_path / "wrong", **keys).stderr
    leave(numbers[:-1])
    assert f"holds {len(numbers) - 1} log-probabilities" in train("dpo", 3, output_dir=tmp_path / "odd", **keys).stderr
    leave(numbers)
    file.write_text(file.read_text().replace(str(numbers[0]), str(numbers[0] - 1), 1))
    assert "not those that were written" in train("dpo", 3, output_dir=tmp_path / "spoilt", **keys).stderr
