"""Runs of the retraining: recorded whatever comes of them, one at a time, listed, shown and compared."""

import json
import logging
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cypher.errors import InputError
from serving import runs as runs_module
from serving.cli.main import main
from serving.errors import GateRefused, JobBusyError, UnknownRun
from serving.runs import Run, RunLog, RunStep, differences, recorded_run

CONFIG = {"learn": {"k": 10}, "cutoff": None}


def runs_of(state: Path) -> tuple[Run, ...]:
    with RunLog.open(state) as log:
        return log.all()


def test_a_run_is_written_when_it_begins_after_each_step_and_when_it_ends(tmp_path: Path) -> None:
    state, seen = tmp_path / "home" / "state.db", []

    with recorded_run(state, data=Path("shop"), config=CONFIG) as record:
        seen += runs_of(state)
        record.learned_from("abc")
        record.step("encode", 1.23456, "7 texts")
        seen += runs_of(state)
        record.end("published", "Passed.", version="v1")

    (last,) = runs_of(state)
    told = [(run.outcome, len(run.steps), run.snapshot) for run in seen]
    assert [("running", 0, None), ("running", 1, "abc")] == told
    assert ("published", "Passed.", "v1", "shop", CONFIG) == (
        last.outcome,
        last.sentence,
        last.version,
        last.data,
        last.config,
    )
    assert (RunStep("encode", 1.235, "7 texts"),) == last.steps
    assert last.ended_at_ms is not None
    assert 0 <= last.took_s < 60
    assert os.getpid() == last.pid


@pytest.mark.parametrize(
    ("error", "outcome", "sentence"),
    [
        (GateRefused("worse than habit"), "refused", "worse than habit"),
        (InputError("no such folder"), "failed", "no such folder"),
        (ZeroDivisionError("oh"), "failed", "ZeroDivisionError: oh"),
        (KeyboardInterrupt(), "stopped", "stopped by Ctrl-C or SIGTERM"),
    ],
)
def test_whatever_ends_a_run_is_recorded_and_goes_on(
    error: BaseException, outcome: str, sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(type(error)), recorded_run(tmp_path / "state.db", data=None, config={}):
        raise error

    (last,) = runs_of(tmp_path / "state.db")
    assert (outcome, sentence) == (last.outcome, last.sentence)
    assert last.ended_at_ms is not None


def test_a_second_run_is_told_who_is_at_it(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    with recorded_run(state, data=None, config={}) as record:
        with (
            pytest.raises(JobBusyError, match=f"process {os.getpid()} on .* since .*wait for it"),
            recorded_run(state, data=None, config={}),
        ):
            pytest.fail("two at once")
        record.end("published", "Passed.")

    assert ["published"] == [run.outcome for run in runs_of(state)]


def test_a_killed_run_lets_go_of_the_lock_and_is_called_lost_by_the_next(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom serving.runs import recorded_run\n"
        "with recorded_run(Path(sys.argv[1]), data=None, config={}) as record:\n"
        "    record.step('encode', 2.0, 'done')\n    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(state)], check=False)
    assert -9 == done.returncode
    assert ["running"] == [run.outcome for run in runs_of(state)]

    with recorded_run(state, data=None, config={}) as record:
        record.end("published", "Passed.")

    after = {run.outcome: run for run in runs_of(state)}
    assert {"lost", "published"} == set(after)
    assert (1, 2.0) == (len(after["lost"].steps), after["lost"].took_s)


def run_of(**values: Any) -> Run:
    plain = Run(
        run_id="20260131T120000Z-aaaaaa",
        started_at_ms=1_000,
        ended_at_ms=61_000,
        outcome="published",
        host="h",
        pid=1,
        data=None,
        config={"learn": {"k": 10}},
        snapshot="abc",
        version="v1",
        sentence="Passed.",
        steps=(RunStep("train", 5.0, ""),),
    )
    return replace(plain, **values)


def test_two_runs_are_compared_by_what_they_were_told_and_came_to() -> None:
    steps = (RunStep("train", 7.0, ""),)
    later = run_of(run_id="x", started_at_ms=5, pid=9, config={"learn": {"k": 20}}, version="v2", steps=steps)

    assert [("config.learn.k", 10, 20), ("seconds of train", 5.0, 7.0), ("version", "v1", "v2")] == differences(
        run_of(), later
    )
    assert [] == differences(run_of(), run_of(run_id="y"))


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path) -> None:
    with RunLog.open(tmp_path / "state.db") as log:
        for name in ("20260131T120000Z-aaaaaa", "20260131T130000Z-bbbbbb"):
            log.write(run_of(run_id=name))

        assert "20260131T130000Z-bbbbbb" == log.find("20260131T13").run_id
        with pytest.raises(UnknownRun, match="2 runs have ids that begin with '2026'"):
            log.find("2026")
        with pytest.raises(UnknownRun, match="no run has an id that begins with 'x'"):
            log.find("x")


def test_the_command_line_lists_shows_and_compares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> str:
        with pytest.raises(SystemExit, match="0"):
            main(["runs", *arguments])
        return capsys.readouterr().out

    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    assert "there was no run yet" in told("list")
    with RunLog.open(tmp_path / "state.db") as log:
        log.write(run_of())
        log.write(run_of(run_id="20260201T120000Z-bbbbbb", started_at_ms=9_000, outcome="refused", version=None))

    listed = json.loads(told("list", "--json"))["runs"]
    assert ["refused", "published"] == [run["outcome"] for run in listed]
    assert {"took_s": 60.0, "started_at": "1970-01-01T00:00:01Z"}.items() <= listed[1].items()
    shown = told("show", "20260131")
    assert all(part in shown for part in ("published", "train", "5.0", "Passed.", "the graph"))
    assert {"learn": {"k": 10}} == json.loads(told("show", "20260131", "--json"))["config"]
    changed = json.loads(told("diff", "20260131", "20260201", "--json"))["differences"]
    assert {"name": "outcome", "before": "published", "after": "refused"} in changed
    assert "do not differ" in told("diff", "20260131", "20260131")
    assert 2 == main(["runs", "show", "nothing"])


def test_each_run_has_a_log_and_the_newest_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    monkeypatch.setattr(runs_module, "KEPT_LOGS", 2)
    ids = []

    def fail(number: int) -> None:
        with recorded_run(tmp_path / "state.db", data=None, config={}) as record:
            ids.append(record.run.run_id)
            logging.getLogger("serving.runs").warning("attempt %s", number, extra={"rows": number})
            raise ZeroDivisionError("oh")

    for number in range(3):
        with pytest.raises(ZeroDivisionError):
            fail(number)

    assert 2 == len(list((tmp_path / "logs").iterdir()))

    def told(*arguments: str) -> list[str]:
        with pytest.raises(SystemExit, match="0"):
            main(["runs", "logs", ids[-1], *arguments])
        return capsys.readouterr().out.splitlines()

    whole = told()
    assert any("warning serving.runs: attempt 2 rows=2" in line for line in whole)
    assert any("run ended outcome=failed" in line for line in whole)
    assert "ZeroDivisionError: oh" in whole
    assert 1 == len(told("--warnings"))
    assert ["attempt 2"] == [json.loads(line)["message"] for line in told("--warnings", "--json")]
    assert 2 == main(["runs", "logs", ids[0]])
    assert "not kept any more" in capsys.readouterr().err
