"""A test server whose log-probabilities are a softmax over the rows of a real head, which is its embedding."""

import hashlib

import numpy as np
from checkpoints import load

from model_server import ModelServer

EMBEDDING = "model.embed_tokens.weight"
HEAD = "lm_head.weight"


class TiedServer(ModelServer):
    """`keeps_head`: it reads all of a checkpoint but the head, as vLLM 0.32 does on CPUs. `stored_head`: it reads the head
    from the tensor of that name."""

    def __init__(self, dialect="vllm", keeps_head=False, stored_head=False, **settings):
        super().__init__(dialect, **settings)
        self.stored_head, self.keeps_head = stored_head, False
        self.take(settings["weights"])
        self.keeps_head = keeps_head

    def read(self, folder):
        super().read(folder)
        self.take(folder)

    def take(self, folder):
        tensors = load(folder)
        stored, embedding = tensors.pop(HEAD, None), tensors.pop(EMBEDDING)
        self.embedding = embedding.astype(np.float64)
        if not self.keeps_head:
            self.head = stored.astype(np.float64) if self.stored_head else self.embedding
        bytes_of_body = b"".join(name.encode() + values.tobytes() for name, values in sorted(tensors.items()))
        seed = int.from_bytes(hashlib.sha256(bytes_of_body).digest()[:8], "little")
        width = self.embedding.shape[1]
        self.body = np.random.default_rng(seed).standard_normal((width, width)) / width ** 0.5

    def log_prob(self, tokens, place):
        hidden = self.body @ self.embedding[tokens[place - 1]] * (1 + place / 100)
        logits = self.head @ hidden
        value = logits[tokens[place]] - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
        return float(value) - self.noise * np.random.random()
