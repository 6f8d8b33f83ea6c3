"""A server of a made-up model that speaks as vLLM, llama-server and other OpenAI-compatible servers do, and misbehaves
on demand. It uses nothing but Python's standard library.

    with ModelServer("vllm") as server:
        server.misbehave = lambda request: Status(429, {"Retry-After": "1"}) if request.number == 0 else None
        ...
        server.requests  # what was asked
"""

import hashlib
import json
import math
import random
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Request:
    number: int  # of all requests but those of GET, from 0 on
    method: str
    path: str
    headers: dict
    body: dict | None
    time: float = field(default_factory=time.monotonic)


# What a server may do instead of answering:

@dataclass
class Status:
    """An error, or any other answer as it is."""
    code: int
    headers: dict = field(default_factory=dict)
    body: object = None


@dataclass
class Half:
    """The first half of the answer, then the end of the connection."""


@dataclass
class Stall:
    """Silence before the answer, or in its middle."""
    seconds: float
    in_the_middle: bool = False


@dataclass
class Trickle:
    """The answer, with a pause after each byte."""
    seconds: float


@dataclass
class Reset:
    """A connection that is reset."""


@dataclass
class Changed:
    """An answer that a function changes; Python's words for NaN are written."""
    change: object


# The model. Its tokens are those of small_models.py: number n reads "wn", 2 ends an answer.

END = 2


def next_tokens(prompt, seed, count):
    """The tokens of an answer."""
    state = sum((place + 1) * token for place, token in enumerate(prompt)) + (seed or 0) % 1009
    return [6 + (state * 31 + step * 17) % 90 for step in range(count)]


def log_prob(tokens, place):
    return -0.125 * ((tokens[place - 1] * 7 + tokens[place] * 3 + place) % 40) - 0.0625


def values_of(folder):
    """A digest of the values of a checkpoint's tensors, wherever they lie in its files."""
    folder, tensors = Path(folder), {}
    for path in folder.glob("*.safetensors"):
        data = path.read_bytes()
        start = 8 + struct.unpack("<Q", data[:8])[0]
        for name, tensor in json.loads(data[8:start]).items():
            if name != "__metadata__":
                begin, end = tensor["data_offsets"]
                tensors[name] = (tensor["dtype"], hashlib.sha256(data[start + begin:start + end]).hexdigest())
    assert tensors, folder
    return hashlib.sha256(json.dumps(sorted(tensors.items())).encode()).hexdigest()


def shift(weights, token, place):
    """What other weights make of a log-probability."""
    return -((int(weights[:8], 16) * (token + 3) + place * 7919) % 1009) / 4096


def reward(tokens):
    return sum(token * (place + 1) for place, token in enumerate(tokens)) % 37 / 8 - 2


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def weighed_letters(messages):
    """What a judge makes of its prompt: the probabilities of the tokens that it weighs, by token."""
    digits = hashlib.sha256("\n".join(message["content"] for message in messages).encode()).hexdigest()
    share = (int(digits[:8], 16) + 0.5) / 2 ** 32
    return {"m": 0.9 * share, "M": 0.9 * (1 - share), "The": 0.05, " m": 0.03, "**": 0.02}


def text_of(tokens):
    return " ".join(f"w{token}" for token in tokens)


class ModelServer:
    """`answers`: the length of an answer that nothing cuts. `served`: the model's name; `root`: its folder. `weights`:
    a checkpoint whose values its answers and log-probabilities depend on, and which it can be told to change."""

    def __init__(self, dialect, served="small", root=None, context=64, length=5, tls=None, labels=1, weights=None,
                 dtype="float32"):
        self.dialect, self.served, self.root, self.context = dialect, served, root or served, context
        self.length, self.labels = length, labels
        self.misbehave = lambda request: None
        self.requests, self.lock = [], threading.Lock()
        self.in_flight = self.most_in_flight = 0
        self.adapters = []  # of llama-server: paths
        self.pause = 0
        self.activates_always = False
        self.weigh = weighed_letters  # of messages, as a judge
        self.drawn = lambda weights: max(weights, key=weights.get)  # the token that a judge writes
        self.without = set()  # paths that this server does not have
        self.first = self.weights = values_of(weights) if weights else None
        self.dtype = dtype  # as /server_info tells it
        self.reloads = []  # the digests that it was told to read
        self.obeys = True  # whether it does
        self.mounts = ("", "")  # what its paths begin with, and what that is here
        self.noise = 0
        server = self

        class Bound(Handler):
            model = server

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                pass  # clients that hang up are part of the tests

        self.http = Server(("127.0.0.1", 0), Bound)
        self.scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
            self.scheme = "https"
        self.url = f"{self.scheme}://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def restart(self):
        self.weights = self.first

    def read(self, folder):
        """Does as it is told by a reload."""
        values = values_of(folder)
        self.reloads.append(values)
        if self.obeys:
            self.weights = values

    def log_prob(self, tokens, place):
        value = log_prob(tokens, place)
        if self.weights:
            value += shift(self.weights, tokens[place], place)
        return value - self.noise * random.random()

    def asked(self, path):
        return [request.body for request in self.requests if request.path == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the acknowledgement of its header
    model: ModelServer

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.handle_request(None)

    def do_POST(self):
        self.handle_request(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def handle_request(self, body):
        model = self.model
        with model.lock:
            number = sum(request.method == "POST" for request in model.requests)
            request = Request(number, self.command, self.path, dict(self.headers), body)
            if self.path != "/echo":
                model.requests.append(request)
            model.in_flight += 1
            model.most_in_flight = max(model.most_in_flight, model.in_flight)
        try:
            if model.pause:
                time.sleep(model.pause)
            self.obey(model.misbehave(request), request)
        finally:
            with model.lock:
                model.in_flight -= 1

    def obey(self, action, request):
        if isinstance(action, Status):
            self.send(action.code, action.body, action.headers)
        elif isinstance(action, Reset):
            self.reset()
        elif isinstance(action, Stall) and not action.in_the_middle:
            time.sleep(action.seconds)
            self.send(200, self.answer(request))
        elif isinstance(action, (Half, Stall)):
            self.send_half(self.answer(request), action)
        elif isinstance(action, Trickle):
            self.send(200, b" " * 1000 + json.dumps(self.answer(request)).encode(), pause=action.seconds)
        else:
            status, answer = self.answer_or_error(request)
            self.send(status, action.change(answer) if isinstance(action, Changed) else answer)

    def send(self, status, body, headers=None, pause=0):
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for byte in data if pause else ():
            self.wfile.write(bytes([byte]))
            time.sleep(pause)
        if not pause:
            self.wfile.write(data)

    def send_half(self, body, action):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:len(data) // 2])
        self.wfile.flush()
        if isinstance(action, Stall):
            time.sleep(action.seconds)
        self.close_connection = True

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def answer(self, request):
        return self.answer_or_error(request)[1]

    def answer_or_error(self, request):
        routes = {"/echo": lambda body: body} | {
            "vllm": {"/v1/models": self.models, "/version": lambda _: {"version": "0.32.0"},
                     "/v1/completions": self.completions, "/v1/chat/completions": self.chat,
                     "/classify": self.classify, "/pooling": self.pooling, "/server_info": self.server_info,
                     "/collective_rpc": self.collective_rpc, "/reset_prefix_cache": lambda _: {"success": True}},
            "openai": {"/v1/models": self.models, "/v1/completions": self.completions,
                       "/v1/chat/completions": self.chat},
            "llama": {"/v1/models": self.models, "/props": self.props, "/lora-adapters": self.lora_adapters,
                      "/completion": self.completion, "/v1/chat/completions": self.chat},
        }[self.model.dialect]
        route = routes.get(request.path)
        if route is None or request.path in self.model.without:
            return 404, {"detail": "Not Found"}
        if request.body and request.body.get("model", self.model.served) != self.model.served:
            name = request.body["model"]
            return 404, {"error": {"message": f"The model `{name}` does not exist.", "code": 404}}
        if self.model.dialect == "vllm" and request.path == "/v1/completions":
            tokens = len(request.body["prompt"]) + request.body["max_tokens"]
            if tokens > self.model.context:
                return 400, {"error": {"message": f"{tokens} tokens are more than {self.model.context}", "code": 400}}
        if request.path == "/completion" and request.body["repeat_last_n"] < 0:  # since 2026; before, it was "all"
            return 400, {"error": {"message": "Field 'repeat_last_n': Value must be between 0 <= value", "code": 400}}
        return 200, route(request.body)

    def models(self, _):
        one = {"id": self.model.served, "object": "model"}
        if self.model.dialect == "vllm":
            one |= {"root": str(self.model.root), "max_model_len": self.model.context}
        return {"object": "list", "data": [one]}

    def server_info(self, _):
        return {"vllm_config": f"model='{self.model.root}', speculative_config=None, kv_cache_dtype=auto, "
                               f"dtype=torch.{self.model.dtype}, max_seq_len={self.model.context}, seed=0"}

    def collective_rpc(self, body):
        assert body["method"] == "reload_weights", body
        there, here = self.model.mounts
        folder = body["kwargs"]["weights_path"]
        assert folder.startswith(there), folder
        self.model.read(here + folder[len(there):])
        return {"results": [None]}

    def generated(self, prompt, body, most):
        if not isinstance(prompt, list):  # text
            prompt = [ord(letter) % 90 for letter in prompt]
        if self.model.weights:
            prompt = prompt + [int(self.model.weights[:4], 16)]
        tokens = next_tokens(prompt, body.get("seed"), most if body.get("ignore_eos") else self.model.length)
        ends = most >= len(tokens) + 1 and not body.get("ignore_eos")
        return tokens[:most], "stop" if ends else "length"

    def completions(self, body):
        tokens, finish = self.generated(body["prompt"], body, body["max_tokens"])
        choice = {"index": 0, "text": text_of(tokens), "finish_reason": finish, "stop_reason": None}
        prompt = body["prompt"]
        if body.get("prompt_logprobs") is not None:
            choice["prompt_logprobs"] = [None] + [
                {str(prompt[place]): {"logprob": self.model.log_prob(prompt, place), "rank": 3, "decoded_token": "x"},
                 "95": {"logprob": -0.5, "rank": 1, "decoded_token": "w95"}} for place in range(1, len(prompt))]
        if body.get("echo"):
            values = [None] + [log_prob(prompt, place) for place in range(1, len(prompt))] + [-0.25] * len(tokens)
            choice["logprobs"] = {"token_logprobs": values, "tokens": [text_of([token]) for token in prompt + tokens]}
        return {"model": self.model.served, "choices": [choice],
                "usage": {"prompt_tokens": len(prompt), "completion_tokens": len(tokens) + (finish == "stop")}}

    def judge(self, body):
        """One token with log-probabilities, as a judge is asked for it."""
        weights = self.model.weigh(body["messages"])
        entries = sorted(({"token": token, "logprob": math.log(share), "bytes": None}
                          for token, share in weights.items()), key=lambda entry: -entry["logprob"])
        drawn = next(entry for entry in entries if entry["token"] == self.model.drawn(weights))
        if self.model.dialect == "vllm":  # as vLLM does
            entries = [drawn] + [entry for entry in entries[:body["top_logprobs"]] if entry != drawn]
        content = [{**drawn, "top_logprobs": entries[:body["top_logprobs"]]}]
        message = {"role": "assistant", "content": drawn["token"], "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": {"content": content}, "finish_reason": "length"}
        # Four letters a token, as English has about.
        prompt = sum(len(message["content"]) for message in body["messages"]) // 4
        return {"model": self.model.served, "choices": [choice],
                "usage": {"prompt_tokens": prompt, "completion_tokens": 1, "total_tokens": prompt + 1}}

    def chat(self, body):
        if body.get("logprobs"):
            return self.judge(body)
        prompt = " ".join(message["content"] for message in body["messages"])
        tokens, finish = self.generated(prompt, body, body.get("max_completion_tokens") or body["max_tokens"])
        message = {"role": "assistant", "content": text_of(tokens)}
        return {"model": self.model.served, "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": {"prompt_tokens": 3, "completion_tokens": len(tokens) + (finish == "stop")}}

    def rewards_of(self, body):
        values = [[reward(tokens) + label for label in range(self.model.labels)] for tokens in body["input"]]
        if body.get("use_activation", True) or self.model.activates_always:
            values = [[sigmoid(value) for value in row] for row in values]
        return values

    def classify(self, body):
        return {"data": [{"index": index, "label": "LABEL_0", "probs": probs, "num_classes": len(probs)}
                         for index, probs in enumerate(self.rewards_of(body))]}

    def pooling(self, body):
        assert body["task"] == "classify"
        return {"data": [{"index": index, "object": "pooling", "data": values}
                         for index, values in enumerate(self.rewards_of(body))]}

    def props(self, _):
        return {"default_generation_settings": {"n_ctx": self.model.context}, "model_path": str(self.model.root),
                "build_info": "b9999-test"}

    def lora_adapters(self, _):
        return [{"id": index, "path": path, "scale": 1.0} for index, path in enumerate(self.model.adapters)]

    def completion(self, body):
        prompt = body["prompt"]
        scales = sum(round(1000 * each["scale"]) for each in body.get("lora", []))
        room = self.model.context - len(prompt)
        tokens, finish = self.generated(prompt + [scales], body, min(body["n_predict"], room))
        kind = {"stop": "eos", "length": "limit"}[finish]
        written = len(tokens) + (finish == "stop")
        return {"content": text_of(tokens), "tokens": tokens + [END] * (finish == "stop"), "stop_type": kind,
                "tokens_evaluated": len(prompt), "tokens_predicted": written,
                # llama.cpp: before token i there are len(prompt) + i − 1, and the last place stays empty.
                "truncated": len(prompt) + written >= self.model.context, "model": self.model.served}


KINDS = {"vllm": "vllm", "llama": "llama-server", "openai": "openai"}


def word(server, name=""):
    """The server, and a model's name there, as expo's MODEL."""
    return f"{KINDS[server.dialect]}={server.url}{name}"
