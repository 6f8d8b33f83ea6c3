"""The proof that a server which reads a checkpoint reads a head that is the model's embedding too."""

import json
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from checkpoints import load, save
from safetensors.numpy import load_file

from tied_server import EMBEDDING, HEAD, TiedServer


def change(model, tensors, **settings):
    """Puts tensors into a checkpoint, and takes those that are None out of it."""
    all_tensors = load_file(model / "model.safetensors") | tensors
    save(model / "model.safetensors", {name: values for name, values in all_tensors.items() if values is not None})
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | settings))


@pytest.fixture
def models(models):
    """Those whose embedding is their head."""
    for model in models:
        change(model, {HEAD: None}, tie_word_embeddings=True)
    return models


@pytest.fixture
def folder(models):
    return models[1]


@pytest.fixture
def policy(serve, folder):
    def start(**settings):
        server = serve(kind=TiedServer, **({"weights": folder, "context": 128} | settings))
        server.seen = []  # path and tensors of each reload

        def look(request):
            if request.path == "/collective_rpc":
                path = request.body["kwargs"]["weights_path"]
                server.seen.append((path.rsplit("/", 1)[1], load(path)))
        server.misbehave = look
        return server
    return start


def embedding_of(model):
    return load_file(model / "model.safetensors")[EMBEDDING]


def probed(server):
    """The probe texts' tokens."""
    return {token for body in server.asked("/v1/completions") if body.get("prompt_logprobs") is not None
            for token in body["prompt"]}


def answered(server):
    return [body for body in server.asked("/v1/completions") if body.get("prompt_logprobs") is None]


def changed_rows(server, name=EMBEDDING):
    """Those of the third checkpoint that are not the second's, each of which must be another row of that."""
    before, after = (server.seen[i][1] for i in (1, 2))
    assert list(before) == list(after)
    assert all(np.array_equal(before[other], after[other]) for other in before if other not in (EMBEDDING, HEAD))
    rows = np.flatnonzero((before[name] != after[name]).any(axis=1))
    for row in rows:
        sources = np.flatnonzero((before[name] == after[name][row]).all(axis=1))
        assert set(sources) & probed(server), "it is as likely as a token of the answers"
    return set(rows)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_a_head_that_is_read_anew_is_proven_by_one_more_reload(policy, generate, at, tmp_path, dtype):
    server = policy(dtype=np.dtype(dtype).name)
    assert "head" not in generate(server, "--rounding", "nearest", alpha="2")
    there, contrast = at(2, dtype), at(0, dtype)
    assert server.reloads == [there, contrast, server.reloads[2], there]
    assert [path for path, _ in server.seen] == ["expo-staged-1", "expo-staged-2", "expo-staged-head", "expo-staged-1"]
    rows = changed_rows(server)
    assert rows and not rows & probed(server), "no input is touched"
    assert answered(server) and not list((tmp_path / "staging").glob("*expo-staged*")), "nothing is left there"


def test_a_server_that_goes_on_with_its_old_head_is_found(policy, generate, at):
    server = policy(keeps_head=True)
    message = generate(server, code=3)
    assert "goes on with the head that it began with" in message and server.url in message
    assert f'copy of "{EMBEDDING}" as "{HEAD}"' in message and '{"results":[null]}' in message
    assert server.reloads == [at(0.3), at(0), server.reloads[2], at(0)], "it is not left with the changed rows"
    assert not answered(server)


def test_the_servers_noise_is_no_change_of_the_head(policy, generate):
    server = policy(keeps_head=True)
    server.noise = 0.0005
    assert "goes on with the head" in generate(server, code=3)
    server = policy()
    server.noise = 0.0005
    generate(server, out="other.jsonl")


def test_an_old_head_is_the_right_one_where_alpha_does_not_move_it(policy, generate, models, at):
    change(models[1], {EMBEDDING: embedding_of(models[0])})
    server = policy(keeps_head=True)
    generate(server)
    assert server.reloads == [at(0.3), at(0), at(0.3)]


def test_a_head_that_is_stored_beside_the_embedding_is_changed_in_both(policy, generate, models):
    for model in models:
        change(model, {HEAD: embedding_of(model)})
    server = policy(stored_head=True)
    generate(server)
    assert changed_rows(server) == changed_rows(server, HEAD) != set()


def test_several_servers_are_each_asked_to_prove_it(policy, generate, at):
    servers = [policy(), policy()]
    generate(SimpleNamespace(dialect="vllm", url=",".join(server.url for server in servers)))
    assert servers[0].reloads == servers[1].reloads and len(servers[0].reloads) == 4
    servers = [policy(), policy(keeps_head=True)]
    message = generate(SimpleNamespace(dialect="vllm", url=",".join(server.url for server in servers)), code=3,
                       out="other.jsonl")
    assert f"{servers[1].url}: the server says that it has read another head" in message


def test_a_head_of_its_own_needs_no_further_reload(policy, generate, models, at):
    for model in models:
        change(model, {HEAD: embedding_of(model)}, tie_word_embeddings=False)
    server = policy(stored_head=True)
    generate(server)
    assert server.reloads == [at(0.3), at(0), at(0.3)]
