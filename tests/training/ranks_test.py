"""expo train on two ranks: the same weights as on one, resumable, and an end with a message when a rank dies."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_chat import chat_model, pairs
from train_program import TRAIN, command, files_of, metrics, spoil, train

pytestmark = pytest.mark.skipif(not TRAIN.exists(), reason="built without libtorch")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(size, **keys):
    port = free_port()
    return [subprocess.Popen(command("dpo", **keys), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size),
                                  "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}) for rank in range(size)]


def finish(processes):
    for process in processes:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors


@pytest.fixture
def keys(tmp_path):
    return {"model_name_or_path": chat_model(tmp_path / "model"), "dataset_name": pairs(tmp_path / "pairs.jsonl", 14, 1),
            "eval_dataset_name": pairs(tmp_path / "dev.jsonl", 5, 2), "beta": 0.1, "adam_epsilon": 1e-6}


def test_two_ranks_equal_one(tmp_path, keys):
    from safetensors.torch import load_file

    train("dpo", output_dir=tmp_path / "one", **keys)
    finish(start(2, output_dir=tmp_path / "two", save_steps=2, **{**keys, "gradient_accumulation_steps": 1}))
    one, two = (load_file(tmp_path / folder / "final/model.safetensors") for folder in ("one", "two"))
    for name, value in one.items():
        assert (two[name] - value).abs().max() < 1e-5 * value.abs().max(), name
    for here, there in zip(metrics(tmp_path / "one"), metrics(tmp_path / "two"), strict=True):
        for key, value in here.items():
            if key != "tokens_per_second":
                assert abs(there[key] - value) <= 1e-5 * max(abs(value), 1), key
    assert len(list((tmp_path / "two/checkpoint-2").glob("optimizer_rank?_of_2.safetensors"))) == 2
    (tmp_path / "two/final").rename(tmp_path / "before")
    for name in ("checkpoint-4",):
        (tmp_path / "two" / name).rename(tmp_path / name)
    finish(start(2, output_dir=tmp_path / "two", resume="true", **{**keys, "gradient_accumulation_steps": 1}))
    assert files_of(tmp_path / "two/final") == files_of(tmp_path / "before")


def test_a_dead_rank_ends_the_run_with_a_message(tmp_path, keys):
    processes = start(2, output_dir=tmp_path / "out", max_steps=100000, **keys)
    # Both have met once the first step is logged.
    line = ""
    while "step 1/" not in line:
        line = processes[0].stderr.readline()
        assert line, processes[0].communicate()
    processes[1].send_signal(signal.SIGKILL)
    _, errors = processes[0].communicate(timeout=120)
    assert processes[0].returncode == 4 and "another rank cannot be reached" in errors
    processes[1].communicate()


def test_torchrun_starts_the_ranks(tmp_path, keys):
    torchrun = Path(sys.executable).with_name("torchrun")
    if not torchrun.exists():
        pytest.skip("torchrun is not installed")
    done = subprocess.run([torchrun, "--no-python", "--nproc-per-node", "2", "--master-port", str(free_port()),
                           *command("dpo", output_dir=tmp_path / "out", max_steps=2, **keys)],
                          capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/final/model.safetensors").is_file()


@pytest.mark.parametrize("change, said", [
    (lambda path: {"dataset_name": pairs(path / "other.jsonl", 14, 7)}, "rank 1 has read different rows than rank 0"),
    (lambda path: {"dataset_name": pairs(path / "more.jsonl", 40, 7)}, "rank 1 has read different rows than rank 0"),
    (lambda path: {"eval_dataset_name": pairs(path / "dev2.jsonl", 3, 7)}, "rank 1 has read different rows to evaluate on"),
    (lambda path: {"model_name_or_path": spoil(chat_model(path / "other"))}, "rank 1 has read a different model than rank 0"),
    (lambda path: {"ref_model_name_or_path": spoil(chat_model(path / "reference"))}, "rank 1 has a different reference than rank 0"),
    (lambda path: {"warmup_steps": 0}, "rank 1 has a different warmup_ratio than rank 0"),
    (lambda path: {"learning_rate": 2e-3}, "rank 1 has a different learning_rate than rank 0")])
def test_ranks_that_go_by_something_else_are_refused(tmp_path, keys, change, said):
    """Before anything is computed: nothing is left behind."""
    port = free_port()
    processes = []
    for rank in range(2):
        own = {**keys, **(change(tmp_path) if rank else {})}
        processes.append(subprocess.Popen(
            command("dpo", output_dir=tmp_path / "out", **own), stderr=subprocess.PIPE, text=True,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}))
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2 and said in errors, errors
    assert not (tmp_path / "out").exists()


def test_a_rank_that_refuses_its_input_ends_the_others(tmp_path, keys):
    """The first rank finds its folder in use, the second waits for it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    first, second = start(2, output_dir=tmp_path / "out", **keys)
    _, errors = first.communicate(timeout=120)
    assert first.returncode == 2 and "something else in it (notes.txt)" in errors
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 4 and "another rank cannot be reached" in errors


def test_another_reference_under_the_same_name_is_refused(tmp_path, keys):
    """Each machine has its own files."""
    port, processes = free_port(), []
    for rank, factor in enumerate((1.5, 2)):
        here = tmp_path / str(rank)
        here.mkdir()
        spoil(chat_model(here / "reference"), factor)
        processes.append(subprocess.Popen(
            command("dpo", output_dir=tmp_path / "out", ref_model_name_or_path="reference", **keys), stderr=subprocess.PIPE,
            text=True, cwd=here, env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                                      "MASTER_PORT": str(port)}))
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2 and "rank 1 has a different reference than rank 0" in errors, errors


def test_an_interruption_is_one_whichever_rank_sees_it(tmp_path, keys):
    processes = start(2, output_dir=tmp_path / "out", max_steps=100000, save_steps=1, save_total_limit=1, **keys)
    line = ""
    while "step 3/" not in line:
        line = processes[0].stderr.readline()
        assert line, processes[0].communicate()
    for process in processes[::-1]:
        process.send_signal(signal.SIGINT)
    _, errors = processes[0].communicate(timeout=120)
    processes[1].communicate(timeout=120)
    assert processes[0].returncode == 130 and "--resume continues from" in errors
