"""`expo report` on folders that this test writes, and what it refuses."""

import json
import os
import random
import resource
import stat
import subprocess
import sys
import time

import pytest

from checkpoints import EXPO, expo
from pages import (decoded, expected_answers, expected_prompts, lines, only_run, shown_answers, shown_prompts)

HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "\x1b[31mred\x1b[0m",
           "\u202eright to left", "\u0000\u0001\u007f\u0085", "@EXPO_REPORT_DATA@", "\ud83d", "\udc00\ud83d", "\U0001f600",
           "line\u2028end\n\r\t\"\\", "", " "]


def record(limit=64, **other):
    return {"expo": "0.1.0", "command": "search",
            "settings": {"answers": {"max_new_tokens": limit}, "search": {"objective": "command"}, **other}}


def write_lines(path, rows):
    """Python writes half a surrogate pair as an escape."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def search_folder(folder, answers=200, seed=7, limit=64, texts=None):
    """A search as expo leaves it: answers, those that the screening cut, scores of two programs, scores taken back."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record(limit)))
    (folder / "search.json").write_text(json.dumps({"schema": "expo-search-1", "alpha": 2.0, "verdict": "gain", "x": 1e-300}))
    write_lines(folder / "trace.jsonl", [{"look": 1, "tokens": 5}, {"confirmed": 2.0}])
    prompts = [{"prompt": f"p{i}", "part": draw.choice(["choosing", "confirming"]),
                "messages": [{"role": "system", "content": "s"}] * (i % 3 == 0)
                + [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}] if i % 4 == 0
                    else draw.choice(HOSTILE) + f" {i}"}]} for i in range(40)]
    write_lines(folder / "prompts.jsonl", prompts)
    rows, waiting = [{"format": "expo-answers-1"}], []
    for i in range(answers):
        key = {"key": f"key-{i}", "limit": limit}
        text = draw.choice(texts or HOSTILE) + f" {i}"
        facts = {"candidate": f"α = {i // 40 % 5}", "prompt": f"p{i % 40}", "sample": i // 200}
        if i % 7 == 3:  # the screening's cap ended it, and it was made again
            rows.append({**key, "limit": 16, **facts, "text": text[:4], "finish_reason": "length", "tokens": 16})
        if i % 7 == 5:  # it ended by itself below the cap
            key["limit"] = 16
        at_limit = i % 5 == 0 and key["limit"] == limit
        rows.append({**key, **facts, "text": text, "finish_reason": "length" if at_limit else "stop",
                     "tokens": limit if at_limit else draw.randrange(1, 16)})
        waiting.append(key)
        if draw.random() < 0.2 or i == answers - 1:
            for scorer in ("first", "second"):
                rows += [{**each, "scorer": f"{scorer}/row", "score": draw.choice([0.0, 1.0, -2.5e-7])} for each in waiting]
            waiting = []
        if i == answers // 2:
            rows.append({"void": "first/"})
    write_lines(folder / "answers.jsonl", rows)
    return folder


def assert_shows(run, folder):
    assert run["result"] == json.loads((folder / "search.json").read_text())
    assert run["settings"] == json.loads((folder / "run.json").read_text())
    assert run["looks"] == lines(folder / "trace.jsonl")
    assert {each: tuple(row) for each, row in shown_prompts(run).items()} == expected_prompts(folder)
    assert shown_answers(run) == expected_answers(folder)


@pytest.mark.parametrize("limit", [64, None])
def test_a_page_holds_what_the_folder_holds(tmp_path, limit):
    folder = search_folder(tmp_path / "run", limit=limit or 64)
    if limit is None:
        for name in ("run.json", "answers.jsonl"):
            path = folder / name
            path.write_text(path.read_text().replace('"limit": 64', '"limit": null').replace('tokens": 64}', 'tokens": null}'))
        (folder / "answers.jsonl").write_text((folder / "answers.jsonl").read_text().replace('"tokens": null', '"tokens": 64'))
    page = tmp_path / "report.html"
    done = expo("report", folder, "-o", page)
    assert done.stdout == f"wrote {page} (1 run, {page.stat().st_size / 1e3:.4g} kB)\n" or "kB)" in done.stdout
    assert done.stderr == ""
    data = decoded(page)
    assert (data["schema"], data["expo"]) == ("expo-report-1", expo("--version").stdout.split()[-1])
    assert data["command"] == f"expo report {folder} -o {page}"
    made = time.mktime(time.strptime(data["made"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    assert abs(made - time.time()) < 600
    assert_shows(only_run(page), folder)


def test_bytes_that_are_no_unicode_are_marked(tmp_path):
    folder = search_folder(tmp_path / "run", answers=0)
    draw = random.Random(3)
    noise = [bytes(draw.choice([0x41, 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xA0, 0xF0, 0x9F, 0xF4, 0xFF, 0x20])
                   for _ in range(draw.randrange(1, 60))) for _ in range(300)]
    with open(folder / "answers.jsonl", "ab") as file:
        for i, text in enumerate(noise):
            file.write(b'{"key":"k%d","limit":64,"candidate":"\xff","prompt":"p1","sample":%d,"text":"%s",'
                       b'"finish_reason":"stop","tokens":1}\n' % (i, i, text))
    expo("report", folder, "-o", tmp_path / "report.html")
    run = only_run(tmp_path / "report.html")
    assert run["answers"]["text"] == [text.decode("utf-8", "replace") for text in noise]
    assert run["labels"] == ["\ufffd"]


def test_several_runs_compare_in_one_page(tmp_path):
    folders = [search_folder(tmp_path / name / "run", answers=20, seed=i) for i, name in enumerate(["all", "fifth"])]
    done = expo("report", *folders, "-o", tmp_path / "report.html", "--json")
    assert json.loads(done.stdout) == {"path": str(tmp_path / "report.html"),
                                       "bytes": (tmp_path / "report.html").stat().st_size, "runs": 2}
    runs = decoded(tmp_path / "report.html")["runs"]
    assert [run["name"] for run in runs] == ["all", "fifth"]
    assert [run["folder"] for run in runs] == [str(folder) for folder in folders]
    for run, folder in zip(runs, folders):
        assert_shows(run, folder)


def test_a_run_is_named_from_within(tmp_path):
    folder = search_folder(tmp_path / "my run", answers=3)
    expo("report", ".", "-o", "report.html", cwd=folder)
    assert only_run(folder / "report.html")["name"] == "my run"
    done = expo("report", "../my run/", "-o", "report.html", "--overwrite", cwd=folder)
    assert done.stdout.startswith("wrote report.html (1 run, ")
    assert decoded(folder / "report.html")["command"] == "expo report '../my run/' -o report.html --overwrite"


def test_a_search_that_goes_on_has_a_page(tmp_path):
    folder = search_folder(tmp_path / "run", answers=50)
    (folder / "search.json").unlink()
    raw = (folder / "answers.jsonl").read_bytes()
    for end in range(len(raw) - 1, 0, -len(raw) // 23):
        (folder / "answers.jsonl").write_bytes(raw[:end])
        expo("report", folder, "-o", tmp_path / "report.html", "--overwrite")
        run = only_run(tmp_path / "report.html")
        assert run["result"] is None
        assert shown_answers(run) == expected_answers(folder)
        assert any("search.json" in sentence for sentence in run["missing"])
        assert any("answers.jsonl was cut off" in sentence for sentence in run["missing"]) == (raw[end - 1:end] != b"\n")


# To Linux, a new process has had at least the memory of the one that starts it, so that a small one has to.
STARTER = """
import os, sys
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_memory(*command):
    """Runs a program that must succeed; returns its largest resident size in kB."""
    done = subprocess.run([sys.executable, "-S", "-c", STARTER, *map(str, command)], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


def test_memory_does_not_hold_the_texts_of_answers(tmp_path):
    folder = search_folder(tmp_path / "run", answers=10)
    text = "".join(random.Random(1).choices("abcdefgh ", k=10_000))
    with open(folder / "answers.jsonl", "a", encoding="utf-8") as file:
        for i in range(20_000):  # 200 MB
            file.write(json.dumps({"key": f"big-{i}", "limit": 64, "candidate": "α = 9", "prompt": f"p{i % 40}",
                                   "sample": 1000 + i, "text": f"{i} {text}", "finish_reason": "stop", "tokens": 5}) + "\n")
    most = peak_memory(EXPO, "report", folder, "-o", tmp_path / "report.html")
    assert len(only_run(tmp_path / "report.html")["answers"]["text"]) == 20_010
    if "asan" not in EXPO and "tsan" not in EXPO:
        assert most < 64 * 1024, "kB"


def test_one_line_may_be_a_megabyte(tmp_path):
    folder = search_folder(tmp_path / "run", texts=["<b>" + "x" * (1 << 20)], answers=3)
    expo("report", folder, "-o", tmp_path / "report.html")
    assert_shows(only_run(tmp_path / "report.html"), folder)


def refused(code, words, *arguments, **options):
    done = expo("report", *arguments, check=False, **options)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and done.stderr.count("\n") == 1 and done.stdout == "", done.stderr


def test_what_is_wrong_is_said_in_one_sentence(tmp_path):
    folder = search_folder(tmp_path / "run", answers=3)
    page = tmp_path / "report.html"
    page.write_text("mine")
    (tmp_path / "empty").mkdir()
    inspection = tmp_path / "change.json"
    inspection.write_text('{"sft": {}, "aligned": {}, "by_layer": [], "tensors": []}')
    before = sorted(path.name for path in tmp_path.iterdir())
    refused(2, "no file is named for the page; give -o", folder)
    refused(2, "RUN is required", "-o", tmp_path / "new.html")
    refused(2, "is there already; --overwrite replaces it", folder, "-o", page)
    refused(2, "is a folder", folder, "-o", tmp_path, "--overwrite")
    refused(2, "there is no folder", folder, "-o", tmp_path / "none/report.html")
    refused(2, "do not compare: the first is a search, the other one an inspection", folder, inspection, "-o",
            tmp_path / "new.html")
    refused(2, "named twice", folder, f"{folder}/", "-o", tmp_path / "new.html")
    refused(2, "is an input", inspection, "-o", inspection, "--overwrite")
    refused(3, "is no run, as it holds no run.json", tmp_path / "empty", "-o", tmp_path / "new.html")
    refused(3, "is not there", tmp_path / "none", "-o", tmp_path / "new.html")
    refused(3, "is one file of a run; name its folder", folder / "run.json", "-o", tmp_path / "new.html")
    (folder / "search.json").write_text('{"schema": "expo-search-9"}')
    refused(3, 'has the schema "expo-search-9"', folder, "-o", tmp_path / "new.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert page.read_text() == "mine"


def test_no_file_of_a_run_is_replaced(tmp_path):
    folder = search_folder(tmp_path / "run", answers=3)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "alias").symlink_to(folder)
    for output in (folder / "answers.jsonl", tmp_path / "alias/search.json", folder / "report"):
        refused(2, "its name must end in .html", folder, "-o", output, "--overwrite")
    refused(2, "its name must end in .html", "..//run", "-o", "answers.jsonl", "--overwrite", cwd=folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    expo("report", folder, "-o", folder / "mine.html")
    assert only_run(folder / "mine.html")["kind"] == "search"


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    folder = search_folder(tmp_path / "run", answers=3)
    pipe, link = tmp_path / "pipe.html", tmp_path / "link.html"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for output in (pipe, link):
        for overwrite in ([], ["--overwrite"]):
            refused(2, "is no regular file but a device, a pipe or a socket", folder, "-o", output, *overwrite)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and link.is_symlink()


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    folder = search_folder(tmp_path / "run", answers=3)
    page, kept = tmp_path / "report.html", tmp_path / "kept.html"
    kept.write_text("mine")
    page.symlink_to(kept)
    expo("report", folder, "-o", page, "--overwrite")
    assert kept.read_text() == "mine" and not page.is_symlink()
    assert only_run(page)["kind"] == "search"


def test_a_full_disk_leaves_what_was_there(tmp_path):
    folder = search_folder(tmp_path / "run", answers=3)
    page = tmp_path / "report.html"
    page.write_text("mine")

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = expo("report", folder, "-o", page, "--overwrite", check=False, preexec_fn=small_files)
    assert done.returncode == 4, done.stderr
    assert done.stderr.count("\n") == 1
    assert page.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "run"]


def browser(folder, script):
    path = folder / "browser"
    path.write_text(f"#!{sys.executable}\nimport sys, pathlib\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_page_is_opened_without_a_shell(tmp_path):
    folder = search_folder(tmp_path / "run", answers=3)
    seen = tmp_path / "seen"
    program = browser(tmp_path, f"pathlib.Path({str(seen)!r}).write_text(repr(sys.argv[1:]))")
    name = tmp_path / "a $(touch pwned) 'page'.html"
    for setting, expected in ((f"{program}", [str(name)]), (f"{program} --new %s", ["--new", str(name)]),
                              (f"not-a-program-{os.getpid()}:{program}", [str(name)])):
        done = expo("report", folder, "-o", name.name, "--open", "--overwrite", cwd=tmp_path,
                    env={**os.environ, "BROWSER": setting})
        assert done.stderr == ""
        assert seen.read_text() == repr(expected)
        seen.unlink()
    assert not (tmp_path / "pwned").exists()


def test_a_browser_that_fails_is_told_of(tmp_path):
    folder = search_folder(tmp_path / "run", answers=3)
    for setting, words in ((str(browser(tmp_path, "sys.exit(3)")), "browser has failed"),
                           ("not-a-program", "not-a-program cannot be started")):
        done = expo("report", folder, "-o", tmp_path / "report.html", "--open", "--overwrite",
                    env={**os.environ, "BROWSER": setting})
        assert done.stderr.startswith("warning: ") and words in done.stderr and done.stderr.count("\n") == 1
        assert "wrote" in done.stdout
