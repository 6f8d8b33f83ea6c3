"""The room `http` against a server that misbehaves."""

import json
import os
import select
import socket
import socketserver
import subprocess
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from model_server import Changed, Half, ModelServer, Reset, Stall, Status, Trickle

TOOL = Path(os.environ["EXPO_BUILD_DIR"]) / "tests/http_tool"
QUICK = {"first_wait": 20, "connect_limit": 2000, "answer_limit": 3000, "stall_limit": 400}
KEY = "sk-Secret-4711"


def tool(url, requests, check=True, environment=None, **options):
    """The answers to the requests by their number; the words of a refusal without check."""
    done = subprocess.run([TOOL, url, json.dumps(QUICK | options)], text=True, capture_output=True,
                          input="".join(json.dumps(request) + "\n" for request in requests),
                          env=os.environ | (environment or {}))
    if not check:
        return done
    assert done.returncode == 0, done.stderr
    answers = {answer["tag"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    assert len(answers) == len(done.stdout.splitlines())
    return answers


def echoes(count=1):
    return [{"path": "/echo", "body": {"number": number}} for number in range(count)]


def once(action, until=1):
    """Misbehaves in the first requests of each number."""
    seen = {}

    def misbehave(request):
        number = request.body["number"]
        seen[number] = seen.get(number, 0) + 1
        return action if seen[number] <= until else None
    return misbehave, seen


@pytest.fixture
def server():
    with ModelServer("openai") as running:
        yield running


@pytest.mark.parametrize("action", [
    Status(408), Status(409), Status(429), Status(500, body={"error": "tired"}), Status(503), Half(), Reset(),
    Status(200, body=b'{"number": 0'),
], ids=str)
def test_what_passes_is_tried_again(server, action):
    server.misbehave, seen = once(action, until=2)
    # A connection that breaks at once is tried again by curl itself where it was used before.
    answer = tool(server.url, echoes())[0]
    assert answer["json"] == {"number": 0}
    assert seen[0] >= 3


@pytest.mark.parametrize("action, code, words", [
    (Status(400, body={"error": {"message": "too long", "code": 400}}), 3, 'status 400: "too long"'),
    (Status(404, body={"detail": "Not Found"}), 3, 'status 404: "Not Found"'),
    (Status(422, body={"detail": [{"msg": "field required"}]}), 3, '"field required"'),
    (Status(401, body={"error": {"message": "no key"}}), 4, "--key-variable names"),
    (Status(403), 4, "--key-variable names"),
    (Status(429, body={"error": {"message": "pay", "code": "insufficient_quota"}}), 4, 'status 429: "pay"'),
    (Status(302, {"Location": "http://127.0.0.1:1/"}), 2, "redirections are not followed"),
], ids=str)
def test_what_does_not_pass_is_not_tried_again(server, action, code, words):
    server.misbehave, seen = once(action, until=9)
    answer = tool(server.url, echoes())[0]
    assert answer["exit"] == code
    assert words in answer["failure"] and server.url in answer["failure"]
    assert seen == {0: 1}


def test_the_last_failure_is_told_with_the_number_of_tries(server):
    server.misbehave, seen = once(Status(500, body={"error": {"message": "out of\nmemory " + "x" * 1000}}), until=9)
    answer = tool(server.url, echoes(), retries=2)[0]
    assert seen == {0: 3}
    assert answer["exit"] == 4
    assert "(tried 3 times): the server answered with status 500: \"out of memory xxx" in answer["failure"]
    assert len(answer["failure"]) < 450 and "\n" not in answer["failure"]


@pytest.mark.parametrize("in_the_middle", [True, False])
def test_a_time_that_is_over_is_given_once_more_only(server, in_the_middle):
    limits = {"answer_limit": 300, "connect_limit": 100, "stall_limit": 300}
    server.misbehave, seen = once(Stall(1, in_the_middle=in_the_middle))
    assert tool(server.url, echoes(), **limits)[0]["json"] == {"number": 0}
    server.misbehave, seen = once(Stall(1, in_the_middle=in_the_middle), until=9)
    assert "(tried 2 times)" in tool(server.url, echoes(), **limits)[0]["failure"]
    assert seen == {0: 2}


def test_an_answer_that_comes_byte_by_byte_ends(server):
    server.misbehave = lambda request: Trickle(0.1)
    began = time.monotonic()
    answer = tool(server.url, echoes(), retries=0, answer_limit=300, connect_limit=100, stall_limit=400)[0]
    assert "was not complete within 0.8 s" in answer["failure"] and answer["exit"] == 4
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("action, times", [
    (Reset(), 1), (Stall(2), 1), (Half(), 1), (Stall(2, in_the_middle=True), 1), (Status(200, body=b'{"number": 0'), 1),
    (Status(500), 3), (Status(429), 3),
], ids=str)
def test_what_costs_is_repeated_only_where_an_error_says_that_nothing_was_done(server, action, times):
    server.misbehave, seen = once(action, until=2)
    answer = tool(server.url, echoes(), repeat_unanswered=False, answer_limit=300, connect_limit=100)[0]
    assert ("failure" in answer) == (times == 1) and seen == {0: times}


@pytest.mark.parametrize("value", ["0", "-5", "Thu, 01 Jan 1970 00:00:09 GMT"])
def test_a_wait_that_is_none_grows_all_the_same(server, value):
    times = []
    server.misbehave = lambda request: times.append(request.time) or Status(429, {"Retry-After": value})
    tool(server.url, echoes(), first_wait=100, retries=3)
    waits = [after - before for before, after in zip(times, times[1:])]
    assert len(waits) == 3 and all(wait >= 0.074 * 2 ** number for number, wait in enumerate(waits))


@pytest.mark.parametrize("value", ["9" * 400, "1e300", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wait_beyond_all_bounds_is_a_failure(server, value):
    server.misbehave, seen = once(Status(429, {"Retry-After": value}), until=9)
    assert "it asks to wait for 86400 s" in tool(server.url, echoes())[0]["failure"]
    assert seen == {0: 1}


@pytest.mark.parametrize("header, low, high", [
    ({"Retry-After": "1"}, 0.95, 2), ({"retry-after-ms": "700", "Retry-After": "9"}, 0.65, 1.6),
    ({"Retry-After": "date"}, 0.8, 3.2),
])
def test_the_server_says_how_long_to_wait(server, header, low, high):
    if header.get("Retry-After") == "date":
        header = {"Retry-After": formatdate(time.time() + 2, usegmt=True)}
    server.misbehave, _ = once(Status(429, header))
    times = []
    inner = server.misbehave
    server.misbehave = lambda request: times.append(request.time) or inner(request)
    assert tool(server.url, echoes())[0]["json"] == {"number": 0}
    assert low <= times[1] - times[0] <= high


def test_a_wait_of_hours_is_a_failure(server):
    server.misbehave, seen = once(Status(429, {"Retry-After": "7200"}), until=9)
    answer = tool(server.url, echoes())[0]
    assert "it asks to wait for 7200 s" in answer["failure"] and answer["exit"] == 4
    assert seen == {0: 1}


def test_waits_grow_and_stay_within_their_bounds(server):
    times = []
    server.misbehave = lambda request: times.append(request.time) or Status(500)
    tool(server.url, echoes(), first_wait=100, retries=5)
    waits = [after - before for before, after in zip(times, times[1:])]
    for number, wait in enumerate(waits):
        nominal = 0.1 * 2 ** number
        assert 0.75 * nominal - 0.01 <= wait <= nominal + 0.25


def test_a_silent_server_and_one_that_stops_are_named(server):
    server.misbehave = lambda request: Stall(1.5, in_the_middle=request.body["number"] == 0)
    answers = tool(server.url, echoes(2), retries=0, answer_limit=300, connect_limit=100)
    assert "stopped in the middle for 0.4 s" in answers[0]["failure"] and answers[0]["exit"] == 4
    assert "no answer within 0.3 s" in answers[1]["failure"] and answers[1]["exit"] == 4


def test_an_answer_beyond_the_bound_is_refused(server):
    server.misbehave = lambda request: Changed(lambda answer: {"text": "x" * 100_000})
    answer = tool(server.url, echoes(), largest_answer=50_000)[0]
    assert "larger than 50000 bytes" in answer["failure"] and answer["exit"] == 3


def test_where_nobody_listens_is_said_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    answer = tool(f"http://127.0.0.1:{port}", echoes(), first_wait=5000)[0]
    assert "cannot be reached" in answer["failure"] and answer["exit"] == 4
    assert time.monotonic() - began < 3


def test_all_are_answered_in_flight_up_to_the_limit(server):
    server.pause = 0.02
    server.misbehave, _ = once(Reset())
    answers = tool(server.url, echoes(100), in_flight=8)
    assert {tag: answer["json"]["number"] for tag, answer in answers.items()} == {n: n for n in range(100)}
    # A connection that was reset may still be counted by the server when the next one comes.
    server.misbehave = lambda request: None
    server.most_in_flight = 0
    tool(server.url, echoes(100), in_flight=8)
    assert 4 <= server.most_in_flight <= 8


def test_ten_thousand_requests_lose_and_double_nothing_in_flat_memory(server):
    server.pause = 0.005
    server.misbehave = lambda request: Status(500) if hash((request.body["number"], request.time)) % 50 == 0 else None
    done = subprocess.run([TOOL, server.url, json.dumps(QUICK | {"in_flight": 64}), "10000"], capture_output=True,
                          text=True, check=True)
    result = json.loads(done.stdout)
    assert (result["answers"], result["distinct"], result["failures"]) == (10_000, 10_000, 0)
    assert result["memory"][-1] - result["memory"][1] < 2000, result["memory"]
    assert 16 <= server.most_in_flight <= 64


def test_a_key_is_sent_and_never_shown(server):
    server.misbehave = lambda request: Status(401, body={"error": {"message": f"bad key {KEY} there"}})
    answer = tool(server.url, echoes() + [{"path": "/v1/models"}], key="EXPO_TEST_KEY", environment={"EXPO_TEST_KEY": KEY})[0]
    assert "bad key [the key] there" in answer["failure"] and KEY not in answer["failure"]
    assert "check the key in the environment variable EXPO_TEST_KEY" in answer["failure"]
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_a_key_is_hidden_before_anything_is_cut(server):
    secret = {"key": "EXPO_TEST_KEY", "environment": {"EXPO_TEST_KEY": KEY}}
    for length in range(280, 302):
        server.misbehave = lambda request: Status(400, body={"error": "y" * length + KEY})  # noqa: B023
        assert "sk-" not in tool(server.url, echoes(), **secret)[0]["failure"]
    server.misbehave = lambda request: Status(500, body=b"y" * 1197 + KEY.encode())
    assert "sk-" not in tool(server.url, echoes(), **secret, retries=0)[0]["failure"]
    server.misbehave = lambda request: Changed(lambda answer: {"id": [f"of {KEY}."]})
    assert tool(server.url, echoes(), **secret)[0]["json"] == {"id": ["of [the key]."]}


@pytest.mark.parametrize("url, environment, words", [
    ("http://192.0.2.1:8000", {"EXPO_TEST_KEY": KEY}, "unencrypted"),
    ("http://127.0.0.1.example.org", {"EXPO_TEST_KEY": KEY}, "unencrypted"),
    ("http://127.0.0.1:8000", {}, "EXPO_TEST_KEY is not set"),
    ("http://127.0.0.1:8000", {"EXPO_TEST_KEY": "a b"}, "a space, a line end"),
    (f"http://me:{KEY}@127.0.0.1:8000", {"EXPO_TEST_KEY": "x"}, "name or password"),
    ("ftp://127.0.0.1", {"EXPO_TEST_KEY": "x"}, "is no server's address"),
    ("http://127.0.0.1:80000", {"EXPO_TEST_KEY": "x"}, "no address"),
    ("127.0.0.1:8000", {"EXPO_TEST_KEY": "x"}, "no address"),
    (f"http://127.0.0.1/?a={KEY}", {"EXPO_TEST_KEY": "x"}, "is no server's address"),
])
def test_addresses_and_keys_that_will_not_do(url, environment, words):
    done = tool(url, echoes(), check=False, key="EXPO_TEST_KEY", environment=environment)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert KEY not in done.stderr and "a b" not in done.stderr


def test_the_key_does_not_go_through_a_proxy_to_this_machine(server):
    with ModelServer("openai") as proxy:
        answer = tool(server.url, echoes(), environment={"http_proxy": proxy.url, "no_proxy": ""})[0]
        assert answer["json"] == {"number": 0}
        assert proxy.most_in_flight == 0


def test_certificates_are_verified(certificate):
    good, other = certificate("good"), certificate("other", "DNS:example.org")
    with ModelServer("openai", tls=good) as server:
        assert tool(server.url, echoes(), environment={"SSL_CERT_FILE": str(good[0])})[0]["json"] == {"number": 0}
        for trusted in ({}, {"SSL_CERT_FILE": str(other[0])}):
            answer = tool(server.url, echoes(), environment=trusted)[0]
            assert "certificate is not accepted" in answer["failure"] and answer["exit"] == 4
    with ModelServer("openai", tls=other) as server:  # trusted, but of another host
        answer = tool(server.url, echoes(), environment={"SSL_CERT_FILE": str(other[0])})[0]
        assert "certificate is not accepted" in answer["failure"]


class Proxy(socketserver.StreamRequestHandler):
    """Takes CONNECT, and leads to the same server whatever is asked for."""

    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", self.server.port)) as behind:
            sides = {self.connection: behind, behind: self.connection}
            while True:
                for side in select.select(list(sides), [], [])[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    sides[side].sendall(data)


def test_what_a_proxy_says_is_no_answer(certificate):
    paths = certificate("far", "DNS:server.example")
    with ModelServer("openai", tls=paths) as server, socketserver.ThreadingTCPServer(("127.0.0.1", 0), Proxy) as proxy:
        proxy.daemon_threads, proxy.port = True, server.http.server_port
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        environment = {"SSL_CERT_FILE": str(paths[0]), "https_proxy": f"http://127.0.0.1:{proxy.server_address[1]}",
                       "no_proxy": ""}
        server.pause = 1  # longer than an answer may stop in its middle
        answer = tool("https://server.example", echoes(), environment=environment, retries=0)[0]
        proxy.shutdown()
    assert answer["json"] == {"number": 0}


def test_v1_and_slashes_at_the_end_are_no_difference(server):
    for end in ("", "/", "/v1", "/v1/"):
        assert tool(server.url + end, [{"path": "/v1/models"}])[0]["json"]["data"][0]["id"] == "small"
