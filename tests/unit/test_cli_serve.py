"""`whycart serve`, `recommend` and `explain` as a person at a terminal meets them."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil
import pytest

from serving.api.schemas import ExplainAnswer, RecommendAnswer
from serving.cli.main import main
from serving.keys import KeyLog
from serving.runs import RunLog
from tests.support.api import until
from tests.support.tiny_bundle import publish_tiny_bundle

COMMAND = [sys.executable, "-c", "import sys; from serving.cli.main import main; sys.exit(main())"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    publish_tiny_bundle(folder / "bundles")
    return folder


@pytest.fixture
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHYCART_HOME", str(home))
    return home


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "WHYCART_HOME": str(home), "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def serving(home: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str, int]]:
    """Give a running `whycart serve` with host and port; it is ended in any case."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *arguments], env=environment(home), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        address = urllib.parse.urlsplit(process.stdout.readline().strip().removeprefix("serving at "))
        yield process, str(address.hostname), int(address.port or 0)
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def get(host: str, port: int, path: str, *, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=20)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def children(pid: int) -> list[int]:
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def still_there(pids: list[int]) -> list[int]:
    """Return the processes that are there after some seconds; Python's own resource tracker ends a moment later."""
    deadline = time.monotonic() + 10
    while (left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc/PID/maps")
def test_the_serving_process_loads_no_torch_and_ends_well_on_sigterm(home: Path) -> None:
    with serving(home) as (process, host, port):
        status, body = get(host, port, "/v1/recommend/u1?n=5&explain=paths")
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)

    assert (200, 5, 0) == (status, len(json.loads(body)["items"]), code)
    assert [] == [name for name in ("torch", "transformers") if name in maps]


def test_importing_the_api_loads_no_learning_library() -> None:
    code = (
        "import sys, serving.api.app, serving.cli.serve\n"
        "print([name for name in ('torch', 'sentence_transformers', 'transformers') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "[]\n" == done.stdout


def test_several_processes_share_a_port_and_end_together(home: Path) -> None:
    with serving(home, "--workers", "2") as (process, host, port):
        statuses = [get(host, port, "/v1/recommend/u1")[0] for _ in range(8)]
        pids = children(process.pid)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=20)

    assert ([200] * 8, 0) == (statuses, code)
    assert [] == still_there(pids)


def test_with_jobs_it_retrains_beside_the_answers_and_ends_what_it_started(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYCART_JOB_SCHEDULE", "1h")
    monkeypatch.setenv("WHYCART_GRAPH_URI", "bolt://127.0.0.1:1")  # nobody answers there, so the run waits
    shutil.copytree(home / "bundles", tmp_path / "bundles")
    with serving(tmp_path, "--with-jobs") as (process, host, port), RunLog.open(tmp_path / "state.db") as runs:
        assert until(lambda: bool(runs.all()), seconds=60)
        status = get(host, port, "/v1/recommend/u1")[0]
        pids = children(process.pid)
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=60)

        assert (200, 0, ["stopped"]) == (status, code, [run.outcome for run in runs.all()])
    assert 2 <= len(pids)
    assert [] == still_there(pids)


def test_jobs_need_a_schedule(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["serve", "--with-jobs"])

    assert "[job] schedule" in capsys.readouterr().err


def test_without_a_model_it_serves_and_says_what_to_do(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, host, port):
        assert process.stdout is not None
        hint = process.stdout.readline()

        assert 503 == get(host, port, "/health/ready")[0]

    assert "whycart retrain" in hint


def test_a_port_in_use_is_named(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code = main(["serve", "--port", str(port)])

    message = capsys.readouterr().err
    assert (2, 1) == (code, message.count("\n"))
    assert f"port {port} of 127.0.0.1" in message
    assert "--port" in message


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_beyond_this_machine_is_refused_without_keys(
    host: str, at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["serve", "--host", host, "--port", "0"])

    message = capsys.readouterr().err
    assert (2, 1) == (code, message.count("\n"))
    assert f"host '{host}' can be reached by other machines" in message
    assert "whycart keys create" in message


def test_with_a_key_it_listens_beyond_this_machine_and_asks_for_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "bundles").symlink_to(home / "bundles")
    with KeyLog.open(tmp_path / "state.db") as keys:
        text = keys.create("shop", ["read"], now_ms=int(time.time() * 1000)).text
    with serving(tmp_path, "--host", "0.0.0.0") as (_, _, port):
        statuses = [
            get("127.0.0.1", port, "/v1/recommend/u1", headers=headers)[0] for headers in ({}, {"X-API-Key": text})
        ]

    assert [401, 200] == statuses


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_with_a_certificate_it_speaks_https(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    ask = ["-keyout", files[0], "-out", files[1], "-days", "1", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", *ask], check=True, capture_output=True)
    monkeypatch.setenv("WHYCART_SERVE_TLS_KEY", files[0])
    monkeypatch.setenv("WHYCART_SERVE_TLS_CERT", files[1])
    with serving(home) as (_, host, port):
        context = ssl.create_default_context(cafile=files[1])
        context.check_hostname = False
        connection = http.client.HTTPSConnection(host, port, timeout=20, context=context)
        connection.request("GET", "/v1/recommend/u1")
        status = connection.getresponse().status
        connection.close()

    assert 200 == status


def test_half_of_a_certificate_is_refused(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_SERVE_TLS_KEY", "key.pem")

    assert 2 == main(["serve", "--port", "0"])
    assert "tls_cert and tls_key go together" in capsys.readouterr().err


def test_recommend_prints_rank_product_score_and_reasons(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(["recommend", "u1", "-n", "3", "--paths"])

    lines = capsys.readouterr().out.splitlines()
    assert ["rank", "product", "score", "why"] == lines[0].split()
    assert ["1", "2", "3"] == [line.split()[0] for line in lines[1:4]]
    assert any(line.startswith("   +") for line in lines[4:])


def test_recommend_gives_the_json_of_the_api(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(["recommend", "nobody", "-n", "2", "--json"])

    found = RecommendAnswer.model_validate_json(capsys.readouterr().out)
    assert 2 == len(found.items)


def test_explain_takes_the_score_apart(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(["explain", "u1", "p05"])

    text = capsys.readouterr().out
    assert text.startswith("Oat biscuits (p05): rank ")
    assert ["evidence", "because", "of", "adds"] == text.splitlines()[1].split()


def test_explain_gives_the_json_of_the_api(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(["explain", "u1", "p05", "--json"])

    assert "p05" == ExplainAnswer.model_validate_json(capsys.readouterr().out).item.product_id


WHY_NOT = """\
Plain mug (p10): rank 10 of 10, score #
evidence because of adds
text Green tea (p01) #
ease_text Green tea (p01) #
ease_text Espresso beans (p03) #
Similar to what you looked for
it is not in the list of 2: rank 9 of the 9 that may be recommended
- 8 products that may be recommended have a higher score, and the list takes 2
# behind Oat biscuits (p05), which has rank 2 and score #:
evidence it gets the other gets difference
also_bought 0 1 -1
same_basket 0 # #
next_twice 0 # #
text # # #
co_purchase 0 # #
category_1 0 # #
all else # # #
because of it gets the other gets difference
Green tea (p01) # # #
Espresso beans (p03) # # #
all else 0 # #
what if: No addition of up to 3 events with other products was found that brings it into the list
"""
"""What is said of a mug that nobody chose; # stands for a number with a point."""


def masked(text: str) -> str:
    """Return a text with # for numbers with a point, and one space where columns are filled."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return re.sub(r"-?\d+\.\d+", "#", "\n".join(lines)) + "\n"


def test_why_not_tells_causes_differences_and_what_if(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(["explain", "u1", "p10", "-n", "2", "--why-not"])

    lines = capsys.readouterr().out.splitlines(keepends=True)
    assert lines[-1].startswith("model ")
    assert WHY_NOT == masked("".join(lines[:-1]))


def test_what_holds_a_product_in_the_list_is_told(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(["explain", "u1", "p05", "-n", "2", "--why-not"])

    lines = capsys.readouterr().out.splitlines()
    assert "it is in the list of 2: rank 2 of the 9 that may be recommended" in lines
    assert "what if: Without Green tea in the history it would fall to rank 9, out of the list of 2" in lines


def test_without_why_not_no_counterfactual_is_looked_for(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        main(["explain", "u1", "p05", "-n", "2", "--json"])

    assert ExplainAnswer.model_validate_json(capsys.readouterr().out).what_if is None


@pytest.mark.parametrize("n", ["0", "501", "ten"])
def test_a_list_that_cannot_be_is_bad_usage(n: str, at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", "u1", "p05", "-n", n])

    assert "Invalid value for '-n'" in capsys.readouterr().err


def test_an_unknown_product_is_bad_input(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["explain", "u1", "p99"])

    assert 2 == code
    assert "'p99'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["recommend", "u1"], ["explain", "u1", "p01"]])
def test_without_a_model_the_way_to_one_is_said(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path / "empty"))

    code = main(arguments)

    assert 1 == code
    assert "whycart retrain" in capsys.readouterr().err
