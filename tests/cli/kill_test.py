"""Real runs of `expo extrapolate` that are killed, interrupted, starved of space and in each other's way: the output
is whole or absent, and the inputs are never touched.

EXPO_KILL_RUNS sets how many runs are killed (40 unless told; 1,000 where EXPO_LONG_TESTS is set), EXPO_TEST_SEED
their moments."""

import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from checkpoints import EXPO, checkpoint, expo, load, pair

SEED = int(os.environ.get("EXPO_TEST_SEED", "20240425"))
KILL_RUNS = int(os.environ.get("EXPO_KILL_RUNS", "1000" if os.environ.get("EXPO_LONG_TESTS") else "40"))
OPTIONS = ["--alpha", "0.3", "--max-shard-size", "4MB"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A pair of 24 MB on disk, and what an undisturbed run makes of it in how many seconds."""
    folder = tmp_path_factory.mktemp("models")
    sft, aligned, _, _ = pair(folder, np.random.default_rng(SEED), layers=4, shards=2, width=1024)
    start = time.monotonic()
    expo("extrapolate", sft, aligned, "-o", folder / "reference", *OPTIONS)
    seconds = time.monotonic() - start
    made = {"sft": sft, "aligned": aligned, "seconds": seconds,
            "reference": contents(folder / "reference"), "inputs": digests(sft, aligned)}
    yield made
    assert digests(sft, aligned) == made["inputs"]


def digests(*folders):
    return {path: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()}


def contents(folder):
    """The files of an output, without what tells the story of the run: its command, and that it started over."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    load(folder)  # every shard is a valid safetensors file
    record = json.loads((folder / "run.json").read_text())
    record.pop("command"), record.pop("warnings")
    files["run.json"] = record
    assert files.pop("README.md")
    return files


def command(models, out, *options):
    return [EXPO, "extrapolate", str(models["sft"]), str(models["aligned"]), "-o", str(out), *OPTIONS, *options]


def run_and_kill(arguments, seconds, sig=signal.SIGKILL):
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(sig)
        out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def old_checkpoint(folder):
    checkpoint(folder, {"old.weight": np.ones((2, 2), np.float32)})
    return folder


def test_killed_runs_leave_the_output_whole_or_absent(tmp_path, models):
    print("seed", SEED)
    moments = random.Random(SEED)
    counts = {"absent": 0, "old": 0, "whole": 0}
    for number in range(KILL_RUNS):
        out = tmp_path / "out"
        overwrite = number % 3 == 2
        options = ["--overwrite"] if overwrite else []
        before = digests(old_checkpoint(out)) if overwrite else None
        for attempt in range(moments.choice([1, 1, 2])):
            # Killing a program before it has begun shows little: most moments lie in its work.
            moment = moments.uniform(0.0, 1.1) * models["seconds"]
            where = f"run {number}, attempt {attempt}, killed after {moment:.4f} s"
            done = run_and_kill(command(models, out, *options, *(["--resume"] if attempt else [])), moment)
            assert done.returncode in (0, -signal.SIGKILL), (where, done.stderr)
            assert set(names(tmp_path)) <= {"out", ".out.expo-partial", ".out.expo-replaced", ".out.expo-lock"}, where
            if not out.exists():
                assert not overwrite, where
                counts["absent"] += 1
            elif overwrite and digests(out) == before:
                counts["old"] += 1
            else:
                assert contents(out) == models["reference"], where
                counts["whole"] += 1
                break
        else:
            done = subprocess.run(command(models, out, *options, "--resume"), capture_output=True, text=True)
            assert done.returncode == 0, (where, done.stderr)
            assert contents(out) == models["reference"], where
            assert names(tmp_path) == ["out"], where
        if number % 10 == 9:
            assert digests(models["sft"], models["aligned"]) == models["inputs"], where
        for path in tmp_path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(counts)
    assert counts["absent"] > 0


def test_ctrl_c_ends_with_130_and_can_be_resumed(tmp_path, models):
    print("seed", SEED)
    moments = random.Random(SEED + 1)
    interrupted = 0
    for number in range(20):
        out = tmp_path / "out"
        done = run_and_kill(command(models, out), moments.uniform(0.1, 0.9) * models["seconds"], signal.SIGINT)
        if done.returncode == -signal.SIGINT:
            continue  # before the program had begun to listen
        assert done.returncode in (0, 130), done.stderr
        if done.returncode == 0:
            assert contents(out) == models["reference"]
            shutil.rmtree(out)
            continue
        interrupted += 1
        assert not out.exists()
        assert set(names(tmp_path)) <= {".out.expo-partial"}
        kept = (tmp_path / ".out.expo-partial").exists()
        assert ("--resume" in done.stderr) == kept, done.stderr
        assert "interrupted" in done.stderr
        done = subprocess.run(command(models, out, "--resume"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert contents(out) == models["reference"]
        assert names(tmp_path) == ["out"]
        shutil.rmtree(out)
        if interrupted == 5:
            break
    assert interrupted > 0


def test_two_runs_at_once(tmp_path, models):
    for _ in range(5):
        out = tmp_path / "out"
        processes = [subprocess.Popen(command(models, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                     for _ in range(2)]
        done = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
        assert any(code == 0 for _, code in done), done
        for message, code in done:
            assert (code == 0 or code == 4 and "another run is writing" in message
                    or code == 2 and "--overwrite" in message), (code, message)
        assert contents(out) == models["reference"]
        assert names(tmp_path) == ["out"]
        shutil.rmtree(out)


def test_a_held_lock_refuses_a_second_run(tmp_path, models):
    with open(tmp_path / ".out.expo-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = expo(*command(models, tmp_path / "out")[1:], check=False)
        assert done.returncode == 4
        assert "another run is writing" in done.stderr
        assert names(tmp_path) == [".out.expo-lock"]
    expo(*command(models, tmp_path / "out")[1:])
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--dry-run"]])
def test_an_output_that_is_in_the_way_of_an_input_is_refused(tmp_path, options):
    sft, aligned, _, _ = pair(tmp_path / "models", np.random.default_rng(SEED))
    (tmp_path / "link").symlink_to(tmp_path / "models")
    inputs = digests(tmp_path / "models")
    for out in [sft, aligned, tmp_path / "link" / "sft", aligned / "inside", aligned / "deep" / "inside",
                tmp_path / "link" / "aligned" / "inside", tmp_path / "models", tmp_path, tmp_path / "link"]:
        done = expo("extrapolate", sft, aligned, "-o", out, "--alpha", 0.3, *options, check=False)
        assert done.returncode == 2, (out, done.stderr)
        assert "input" in done.stderr or "not empty" in done.stderr, done.stderr
        assert digests(tmp_path / "models") == inputs, out
    assert names(tmp_path) == ["link", "models"]
    assert names(tmp_path / "models") == ["aligned", "sft"]


def test_overwrite_spares_what_is_no_checkpoint(tmp_path):
    sft, aligned, _, _ = pair(tmp_path / "models", np.random.default_rng(SEED))
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    done = expo("extrapolate", sft, aligned, "-o", out, "--alpha", 0.3, "--overwrite", check=False)
    assert done.returncode == 2
    assert "does not look like a checkpoint" in done.stderr
    assert (out / "thesis.txt").read_text() == "years of work"


@pytest.fixture
def on_tmpfs(tmp_path):
    """Runs shell lines where $DISK is a fresh tmpfs of a size, in a mount namespace that ends with them."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    disk = tmp_path / "disk"
    disk.mkdir()

    def run(size, script, **variables):
        lines = f'mount -t tmpfs -o size={size} tmpfs "$DISK" || exit 77\n{script}'
        environment = {**os.environ, "DISK": str(disk), "EXPO": EXPO, **variables}
        return subprocess.run([*unshare, "sh", "-c", lines], capture_output=True, text=True, env=environment)

    try:
        if run("1m", "exit 0").returncode == 0:
            return run
    except FileNotFoundError:
        pass
    pytest.skip("mounting a tmpfs needs root, or user namespaces")


RUN = '"$EXPO" extrapolate "$SFT" "$ALIGNED" -o "$DISK/out" --alpha 0.3 --max-shard-size 4MB'


def paths(models):
    return {"SFT": str(models["sft"]), "ALIGNED": str(models["aligned"])}


def test_a_disk_that_is_too_small_says_so_before_work(models, on_tmpfs):
    done = on_tmpfs("8m", f'{RUN}; code=$?; ls -A "$DISK"; exit $code', **paths(models))
    assert done.returncode == 4, done.stderr
    assert "free" in done.stderr and "needs" in done.stderr, done.stderr
    assert done.stdout == ""


def test_a_disk_that_fills_up_leaves_no_output_and_resumes_with_space(tmp_path, models, on_tmpfs):
    """The weights fit, and reserve their space; a large tokenizer does not."""
    aligned = tmp_path / "aligned"
    shutil.copytree(models["aligned"], aligned)
    (aligned / "tokenizer.json").write_text('"' + "x" * 8_000_000 + '"')
    script = f"""
      {RUN}; first=$?; [ -e "$DISK/out" ] && exit 1
      mount -o remount,size=64m "$DISK"
      {RUN} --resume --json >"$COPY.json" || exit 1
      ls -A "$DISK"; cp -r "$DISK/out" "$COPY"; exit $first"""
    done = on_tmpfs("30m", script, **(paths(models) | {"ALIGNED": str(aligned), "COPY": str(tmp_path / "copy")}))
    assert done.returncode == 4, done.stderr
    assert "the disk is full" in done.stderr and "--resume continues from them" in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == "out", done.stdout
    assert json.loads((tmp_path / "copy.json").read_text())["resumed"]
    made = contents(tmp_path / "copy")
    assert made.pop("tokenizer.json")
    assert {name: digest for name, digest in made.items() if name != "run.json"} == \
        {name: digest for name, digest in models["reference"].items() if name != "run.json"}


def test_a_mount_point_is_refused_before_work(models, on_tmpfs):
    onto = RUN.replace("$DISK/out", "$DISK")
    script = f"""
      {onto}; [ $? = 4 ] || exit 1
      [ -z "$(ls -A "$DISK")" ] || exit 1
      {RUN} >/dev/null || exit 1
      mv "$DISK"/out/* "$DISK" && rmdir "$DISK/out"
      {onto} --overwrite; [ $? = 4 ] || exit 1
      ls "$DISK"/model.safetensors.index.json"""
    done = on_tmpfs("64m", script, **paths(models))
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert done.stderr.count("mount point") == 2, done.stderr


def test_a_read_only_disk_is_refused(models, on_tmpfs):
    done = on_tmpfs("64m", f'mount -o remount,ro "$DISK"; {RUN}', **paths(models))
    assert done.returncode == 4, done.stderr
    assert "Read-only" in done.stderr and "out" in done.stderr, done.stderr


def test_a_folder_without_permission_is_refused(tmp_path, models):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = expo(*command(models, closed / "out")[1:], check=False)
    closed.chmod(0o700)
    assert done.returncode == 4
    assert "check the permissions" in done.stderr
    assert names(closed) == []


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-s"]))
