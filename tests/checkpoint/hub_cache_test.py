"""Compares the reader of the Hugging Face cache with huggingface_hub itself, without a network."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import pytest
from huggingface_hub import try_to_load_from_cache
from huggingface_hub import file_download
from huggingface_hub.utils import _shared_blobs as shared_blobs

ID = "owner/some-model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"
VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME")


def locate(name, **variables):
    """Runs the support program with exactly these variables set for the cache."""
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | variables
    program = pathlib.Path(os.environ["EXPO_BUILD_DIR"]) / "tests" / "locate_model"
    return subprocess.run([program, name], env=environment, capture_output=True, text=True)


class Cache:
    """A cache that is filled by huggingface_hub's own functions for names, links and refs."""

    def __init__(self, folder):
        self.folder = folder

    def repository(self, model_id):
        return self.folder / file_download.repo_folder_name(repo_id=model_id, repo_type="model")

    def add(self, model_id, commit, name, data, lfs=False):
        """Adds a file as a download does: LFS files under their SHA-256, others under a git hash."""
        digest = hashlib.sha256(data).hexdigest()
        etag = digest if lfs else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        blob = self.repository(model_id) / "blobs" / etag
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(data)
        pointer = file_download._get_pointer_path(str(self.repository(model_id)), commit, name)
        os.makedirs(os.path.dirname(pointer), exist_ok=True)
        file_download._create_symlink(str(blob), pointer, new_blob=True)
        return digest, blob

    def set_ref(self, model_id, revision, commit):
        file_download._cache_commit_hash_for_specific_revision(
            str(self.repository(model_id)), revision, commit)


@pytest.fixture
def cache(tmp_path):
    result = Cache(tmp_path / "hub")
    result.digest, result.blob = result.add(ID, COMMIT, "model.safetensors", b"weights" * 50, lfs=True)
    result.add(ID, COMMIT, "config.json", b"{}")
    result.add(ID, COMMIT, "additional_chat_templates/tools.jinja", b"{{ tools }}")
    result.add(ID, COMMIT, "README.md", b"# card")
    result.set_ref(ID, "main", COMMIT)
    result.add(ID, OTHER, "config.json", b"{ }")
    result.set_ref(ID, "refs/pr/3", OTHER)
    result.set_ref(ID, "v1.0", OTHER)
    return result


@pytest.mark.parametrize("revision", [None, "main", "refs/pr/3", "v1.0", COMMIT, OTHER])
def test_revisions_lead_where_huggingface_hub_goes(cache, revision):
    config = try_to_load_from_cache(ID, "config.json", cache_dir=cache.folder, revision=revision)
    assert isinstance(config, str)
    done = locate(ID if revision is None else f"{ID}@{revision}", HF_HUB_CACHE=str(cache.folder))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["path"] == os.path.dirname(config)
    assert found["model_id"] == ID
    assert found["commit"] == os.path.basename(os.path.dirname(config))


@pytest.mark.parametrize("name", ["owner/absent", f"{ID}@absent", f"{ID}@{'0' * 40}"])
def test_what_huggingface_hub_does_not_have_is_refused(cache, name):
    model_id, _, revision = name.partition("@")
    assert try_to_load_from_cache(model_id, "config.json", cache_dir=cache.folder,
                                  revision=revision or None) is None
    done = locate(name, HF_HUB_CACHE=str(cache.folder))
    assert done.returncode == 3
    line = f"hf download {model_id}" + (f" --revision {revision}" if revision else "")
    assert f"`{line}`" in done.stderr


def test_weights_sidecars_and_digests(cache):
    found = json.loads(locate(ID, HF_HUB_CACHE=str(cache.folder)).stdout)
    assert found["weights"] == os.path.join(found["path"], "model.safetensors")
    assert found["sidecars"] == ["additional_chat_templates/tools.jinja", "config.json"]
    assert found["sha256"] == {"model.safetensors": cache.digest}
    assert hashlib.sha256(pathlib.Path(found["weights"]).read_bytes()).hexdigest() == cache.digest


def test_a_blob_shared_between_models_keeps_its_digest(cache):
    other_hash = "c" * 64
    assert shared_blobs.publish_blob_to_shared_store(
        blob_path=str(cache.blob), xet_hash=other_hash, cache_dir=cache.folder,
        expected_size=cache.blob.stat().st_size)
    weights = try_to_load_from_cache(ID, "model.safetensors", cache_dir=cache.folder)
    assert os.path.basename(os.path.realpath(weights)) == other_hash
    found = json.loads(locate(ID, HF_HUB_CACHE=str(cache.folder)).stdout)
    assert found["sha256"] == {"model.safetensors": cache.digest}


@pytest.mark.parametrize("variables", [
    {},
    {"HF_HUB_CACHE": "/a/hub"},
    {"HF_HUB_CACHE": "/a/hub", "HF_HOME": "/b", "HUGGINGFACE_HUB_CACHE": "/c"},
    {"HUGGINGFACE_HUB_CACHE": "/c", "HF_HOME": "/b"},
    {"HF_HOME": "~/hf"},
    {"HF_HOME": "/b/$EXPO_TEST_WORD/${EXPO_TEST_WORD}x", "EXPO_TEST_WORD": "word"},
    {"HF_HUB_CACHE": "~/$EXPO_TEST_WORD", "EXPO_TEST_WORD": "word"},
    {"HF_HUB_CACHE": "/a/$EXPO_TEST_UNSET/${}/$"},
    {"XDG_CACHE_HOME": "/x"},
    {"XDG_CACHE_HOME": "~/x", "HOME": "/home/somebody"},
    {"HOME": "/home/somebody"},
    {"HF_HOME": ""},
    {"HF_HUB_CACHE": ""},
])
def test_the_cache_lies_where_huggingface_hub_puts_it(tmp_path, variables):
    environment = {k: v for k, v in os.environ.items() if k not in VARIABLES} | variables
    theirs = subprocess.run(
        [sys.executable, "-c", "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"],
        env=environment, capture_output=True, text=True, check=True).stdout.rstrip("\n")
    (tmp_path / "model").mkdir()
    ours = json.loads(locate(str(tmp_path / "model"), **variables).stdout)["cache"]
    assert ours == theirs
