"""The tests of served models use the small models of the commands' tests, and start servers of them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from model_server import ModelServer, values_of, word
from safetensors.numpy import load_file

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from checkpoints import expo, reference, save  # noqa: E402: they lie in that folder
from small_models import pair, prompts, write_rows  # noqa: E402

from judge_runs import JUDGE, ROWS  # noqa: E402


@pytest.fixture
def models(tmp_path):
    """SFT and ALIGNED."""
    return pair(tmp_path)


@pytest.fixture
def at(tmp_path, models):
    """The digest of θ + αΔ in a type, by numpy alone; `trained` is another θ than ALIGNED."""
    def digest(alpha, dtype=np.float32, trained=None):
        sft, aligned = (load_file(model / "model.safetensors") for model in (models[0], trained or models[1]))
        folder = tmp_path / f"expected-{alpha}"
        folder.mkdir(exist_ok=True)
        save(folder / "model.safetensors",
             {name: reference(sft[name], value, alpha, dtype) for name, value in aligned.items()})
        return values_of(folder)
    return digest


@pytest.fixture
def inputs(tmp_path, models):
    """What a short search is told: the pair, prompts, and amounts."""
    texts = sorted(set(prompts(np.random.default_rng(5), 24, shortest=3)))
    data = write_rows(tmp_path / "dev.jsonl", [{"id": f"p{i}", "prompt": text} for i, text in enumerate(texts)])
    return [*models, data, "--alphas", "0.5,3", "--max-new-tokens", "12", "--threads", "1"]


@pytest.fixture
def scorer(tmp_path):
    """A command that scores answers by their words, from 0 to 6."""
    path = tmp_path / "score.py"
    path.write_text("import json, sys\n"
                    "for line in sys.stdin:\n"
                    "    words = json.loads(line)['answer'].split()\n"
                    "    print(sum(int(word[1:]) for word in words) % 7, flush=True)\n")
    return f"{sys.executable} {path}"


@pytest.fixture
def data(tmp_path):
    """Twelve prompts with ids."""
    texts = prompts(np.random.default_rng(7), 12)
    return write_rows(tmp_path / "prompts.jsonl", [{"id": f"p{i}", "prompt": text} for i, text in enumerate(texts)])


@pytest.fixture
def serve(folder):
    """Starts servers of the test module's model."""
    running = []

    def start(dialect="vllm", kind=ModelServer, **settings):
        running.append(kind(dialect, **({"root": folder} | settings)).__enter__())
        return running[-1]
    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def certificate(tmp_path):
    """Makes self-signed certificates: paths of one and of its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl")

    def make(name, names="IP:127.0.0.1"):
        paths = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                        "-addext", f"subjectAltName={names}", "-out", paths[0], "-keyout", paths[1]],
                       check=True, capture_output=True)
        return paths
    return make


@pytest.fixture
def generate(models, data, tmp_path):
    """Answers by a server at an α."""
    def run(server, *options, alpha="0.3", code=0, out="out.jsonl", **more):
        staging = [] if "--staging-dir" in options else ["--staging-dir", tmp_path / "staging"]
        done = expo("generate", word(server), data, "-o", tmp_path / out, "--sft", models[0], f"--alpha={alpha}", *staging,
                    "--max-new-tokens", "40", *options, check=False, **more)
        assert done.returncode == code, done.stderr
        assert (tmp_path / out).exists() == (code == 0)
        return done.stderr
    return run


@pytest.fixture
def judge(serve):
    """Starts servers of judges."""
    return lambda dialect="openai", **settings: serve(dialect, **({"served": JUDGE} | settings))


@pytest.fixture
def pairs():
    """Instructions with the baseline's and the model's answers, the last two the same."""
    rows = [(f"Instruction {i}: write {i} words.", f"baseline's {i} " + "b" * (i + 5), f"model's {i} " + "a" * 3 * i)
            for i in range(ROWS - 1)]
    return rows + [("What is new?", "Nothing.", "Nothing.")]


@pytest.fixture
def files(tmp_path, pairs):
    """The options that name the answers."""
    def write(name, generator, column):
        rows = [{"dataset": "selfinstruct", "instruction": pair[0], "output": pair[column], "generator": generator}
                for pair in pairs]
        (tmp_path / name).write_text(json.dumps(rows))
        return tmp_path / name
    return ["--model-outputs", write("model.json", "small", 2),
            "--reference-outputs", write("baseline.json", "base", 1)]
