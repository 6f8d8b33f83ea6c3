"""α on a server that reads whole checkpoints: what it is told to read, and the proof that it has."""

import json
import resource
import signal
import struct

import ml_dtypes
import pytest
from checkpoints import expo
from small_models import read_rows

from model_server import Changed, Reset, Status, next_tokens, text_of, word
from served_runs import ids_of


@pytest.fixture
def folder(models):
    """What the servers of these tests have read."""
    return models[1]


@pytest.fixture
def policy(serve, folder):
    """Starts servers whose answers and log-probabilities depend on the values of their weights."""
    return lambda **settings: serve(**({"weights": folder, "context": 128} | settings))


def is_probe(request):
    return (request.body or {}).get("prompt_logprobs") is not None


def is_answer(request):
    return request.path == "/v1/completions" and not is_probe(request)


def answered(server):
    return [request for request in server.requests if is_answer(request)]


def check_answers(out, data, server, weights):
    """That all answers are those of these weights, as the server's rule has them."""
    rows, asked = read_rows(out), read_rows(data)
    seeds = {}
    for request in answered(server):
        seeds.setdefault(tuple(request.body["prompt"]), set()).add(request.body["seed"])
    assert len(rows) == len(asked)
    for row, one in zip(rows, asked):
        ids = ids_of(one["prompt"])
        seed, = seeds[tuple(ids)]
        assert row["messages"][-1]["content"] == text_of(next_tokens([*ids, int(weights[:4], 16)], seed, 5))


def test_alpha_reaches_the_server_as_a_checkpoint_and_is_proven(policy, generate, at, data, tmp_path):
    server = policy()
    assert server.weights == at(0), "the values of ALIGNED, whatever file they are in"
    generate(server)
    assert server.reloads == [at(0.3), at(0), at(0.3)], "there, to other weights, and back"
    paths = [request.path for request in server.requests if request.method == "POST"]
    assert all(paths[i + 1] == "/reset_prefix_cache" for i, path in enumerate(paths) if path == "/collective_rpc")
    check_answers(tmp_path / "out.jsonl", data, server, at(0.3))
    first, last = (answered(server)[i].number for i in (0, -1))
    probes = [request for request in server.requests if is_probe(request)]
    assert max(request.number for request in probes if request.number < first) > max(
        request.number for request in server.requests if request.path == "/reset_prefix_cache")
    assert max(request.number for request in probes) > last
    count = len(probes) // (1 + 3 * 2 + 2)  # before the move, twice after each of three, and around the batch
    asked = [request.body["prompt"] for request in probes]
    assert asked == asked[:count] * 9
    assert sum(map(len, asked[:count])) >= 256 + count
    assert not list((tmp_path / "staging").glob("expo-*")), "nothing is left there"
    facts = json.loads((tmp_path / "out.jsonl.run.json").read_text())["engine"]
    assert facts["dtype"] == "float32" and facts["rounding"]["used"] == "nearest"


@pytest.mark.parametrize("alpha, contrast", [("0", -1), ("-1", 0)])
def test_the_ends_of_the_line_are_proven_against_each_other(policy, generate, at, alpha, contrast):
    server = policy()
    generate(server, alpha=alpha)
    assert server.reloads == [at(float(alpha)), at(contrast), at(float(alpha))]


def test_the_checkpoint_has_the_servers_type_and_the_order_of_the_layers(policy, generate, at, tmp_path):
    server = policy(dtype="bfloat16")
    seen = []

    def look(request):
        if request.path == "/collective_rpc":
            path = request.body["kwargs"]["weights_path"] + "/model.safetensors"
            raw = open(path, "rb").read()
            header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
            header.pop("__metadata__", None)
            seen.append(sorted(header, key=lambda name: header[name]["data_offsets"]))
            assert {tensor["dtype"] for tensor in header.values()} == {"BF16"}
    server.misbehave = look
    generate(server, "--rounding", "nearest", alpha="2")
    assert server.reloads[0] == at(2, ml_dtypes.bfloat16)
    layers = [0 if "embed" in name else int(name.split(".")[2]) + 1 if ".layers." in name else 9 for name in seen[0]]
    assert layers == sorted(layers) and set(layers) == {0, 1, 2, 9}
    message = generate(server, "--dtype", "f32", code=2, out="other.jsonl")
    assert "holds its weights in bfloat16, not in float32" in message


def test_a_server_that_does_not_say_its_type_is_told(policy, generate):
    server = policy()
    server.without = {"/server_info"}
    assert "--dtype TYPE" in generate(server, code=2)
    generate(server, "--dtype", "f32")


def test_a_reload_that_changes_nothing_is_found(policy, generate):
    server = policy()
    server.obeys = False
    message = generate(server, code=3)
    assert '{"results":[null]}' in message and "it does not do as it says" in message and server.url in message
    assert not answered(server)


def test_a_reload_that_fails_says_what_the_server_said(policy, generate):
    server = policy()
    server.misbehave = lambda request: (Status(500, body={"error": {"message": "no such shard"}})
                                        if request.path == "/collective_rpc" else None)
    message = generate(server, code=4)
    assert "no such shard" in message and "expo-staged-1" in message and "--server-path" in message
    assert not answered(server)


def test_prefixes_that_cannot_be_forgotten_yet_are_asked_for_again(policy, generate):
    server = policy()
    server.misbehave = lambda request: (Status(200, body={"success": False}) if request.path == "/reset_prefix_cache"
                                        and len(server.asked(request.path)) < 3 else None)
    generate(server)
    assert len(server.asked("/reset_prefix_cache")) == 5
    server.misbehave = lambda request: (Status(200, body={"success": False}) if request.path == "/reset_prefix_cache"
                                        else None)
    message = generate(server, code=4, out="other.jsonl")
    assert '{"success":false}' in message and "old weights" in message


def test_a_server_without_the_route_is_told_how_to_start(policy, generate):
    server = policy()
    server.without = {"/collective_rpc"}
    assert "VLLM_SERVER_DEV_MODE=1" in generate(server, code=2)


def test_the_servers_noise_is_no_change(policy, generate, at, data, tmp_path):
    server = policy()
    server.noise = 0.002
    generate(server)
    assert len(server.reloads) == 3
    check_answers(tmp_path / "out.jsonl", data, server, at(0.3))
    server.noise = 5  # more than any weights make
    assert "it does not do as it says" in generate(server, code=3, out="other.jsonl")


@pytest.mark.parametrize("resets", [False, True])
def test_a_restart_with_the_first_weights_is_found_and_made_good(policy, generate, at, data, tmp_path, resets):
    server, restarts = policy(), []

    def restart(request):
        if is_answer(request) and len(answered(server)) >= 7 and not restarts:
            restarts.append(request)
            server.restart()
            return Reset() if resets else None
        return None
    server.misbehave = restart
    message = generate(server, "--batch-size", "2")
    assert "lost the weights that it was moved to once" in message
    check_answers(tmp_path / "out.jsonl", data, server, at(0.3))
    # Eight are a batch: it is asked anew, and the four after it once.
    assert len(answered(server)) == 8 + resets + 12
    assert server.reloads == [at(0.3), at(0), at(0.3), at(0.3)]


def test_a_server_that_is_restarted_again_and_again_is_given_up(policy, generate):
    server = policy()
    server.misbehave = lambda request: server.restart() if is_answer(request) else None
    message = generate(server, code=4)
    assert "3 times in a row" in message and len(answered(server)) == 36


def test_a_reload_that_brings_other_weights_the_second_time_is_found(policy, generate, at):
    server = policy()

    def spoil(request):
        if request.path == "/reset_prefix_cache" and len(server.reloads) == 3:
            server.weights = at(7)
        return None
    server.misbehave = spoil
    message = generate(server, code=3)
    assert "not those that it had with them before" in message and not answered(server)


def test_a_probe_that_is_no_number_is_named(policy, generate):
    server = policy()

    def spoil(answer):
        rows = answer["choices"][0]["prompt_logprobs"]
        for entry in rows[-1].values():
            entry["logprob"] = float("nan")
        return answer
    server.misbehave = lambda request: Changed(spoil) if is_probe(request) else None
    message = generate(server, code=3)
    assert "NaN" in message and "probe text 1" in message and server.url in message


def test_a_context_that_is_too_short_for_the_probe_is_named(policy, generate):
    assert "--max-model-len" in generate(policy(context=20), code=3)


def test_paths_are_those_of_the_servers_machine(policy, generate, tmp_path):
    server = policy()
    server.mounts = ("/staged/weights", str(tmp_path / "staging"))
    generate(server, "--server-path", f"{tmp_path}/staging=/staged/weights")
    folders = [body["kwargs"]["weights_path"] for body in server.asked("/collective_rpc")]
    assert folders == [f"/staged/weights/expo-staged-{i}" for i in (1, 2, 1)]
    message = generate(server, "--server-path", f"{tmp_path}/elsewhere=/staged/weights", code=2, out="other.jsonl")
    assert "does not lie in" in message
    assert "CLIENT=SERVER" in generate(server, "--server-path", "staging", code=2, out="other.jsonl")


def test_the_staging_folder_is_no_place_of_an_input(policy, generate, models):
    before = sorted(path.name for path in models[0].iterdir())
    for place in (models[0], models[1] / "inside"):
        generate(policy(), "--staging-dir", place, code=2)
    assert sorted(path.name for path in models[0].iterdir()) == before


def test_what_else_lies_in_the_staging_folder_stays(policy, generate, tmp_path):
    mine = tmp_path / "staging/expo-staged-1"
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("mine")
    assert "expo-staged-1" in generate(policy(), code=2)
    assert (mine / "thesis.txt").read_text() == "mine"


def test_a_full_disk_is_told_of(policy, generate, tmp_path):
    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    server = policy()
    message = generate(server, code=4, preexec_fn=small_files)
    assert "expo-staged-1" in message and not server.reloads
    assert not (tmp_path / "staging/expo-staged-1").exists()


def test_a_pair_of_one_model_is_refused(policy, models, tmp_path):
    done = expo("generate", word(policy()), "--prompt", "w9", "--sft", models[1], "--alpha", "1", "--staging-dir",
                tmp_path / "staging", check=False)
    assert done.returncode == 3 and "SFT and ALIGNED are the same" in done.stderr, done.stderr


@pytest.mark.parametrize("options, words", [
    (["--alpha", "1"], "--sft"), (["--alpha", "1", "--sft", "S"], "--staging-dir"),
    (["--staging-dir", "S"], "no effect"), (["--aligned", "A"], "no effect"), (["--prove-embedded"], "no effect")])
def test_options_that_belong_together(policy, data, options, words):
    done = expo("generate", word(policy()), data, *options, check=False)
    assert done.returncode == 2 and words in done.stderr, done.stderr
