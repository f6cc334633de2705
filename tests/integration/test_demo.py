"""The demo end to end, as a user starts it: one process, its graph server and its API, and nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
COMMAND = "import sys; from serving.cli.main import main; sys.exit(main())"
SIZE = ("--data", "generated", "--users", "50", "--events", "2400", "--no-keep")


def demo(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WHYCART_")}
    learning = {"WHYCART_TRAIN_EPOCHS": "2", "WHYCART_TRAIN_SMALL_EPOCHS": "2", "WHYCART_MODEL_DIM": "16"}
    learning["WHYCART_GATE_REASON_USERS"] = "20"
    argv = [sys.executable, "-P", "-c", COMMAND, "demo", *args]
    return subprocess.run(
        argv,
        cwd=folder,
        env=kept | learning | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def processes_in(folder: Path) -> list[list[str]]:
    """Return the command lines of running processes that name a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if any(str(folder) in part for part in command):
            found.append(command)
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """What a small demo told, and where it ran."""
    folder = tmp_path_factory.mktemp("demo")
    return demo(folder, *SIZE), folder


def test_the_demo_ends_well(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, _ = told

    assert (0, "") == (done.returncode, done.stderr.replace(_unknown_words(done.stderr), ""))


def test_every_step_is_told_with_its_number(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    steps = [line.split("] ")[1].split("  ")[0] for line in told[0].stdout.splitlines() if line.startswith("[")]

    expected = "read the data,import,snapshot,watch,encode,train,evaluate,fit on everything,explain,gate,publish,serve"
    assert expected.split(",") == steps


def test_the_event_names_itself_in_what_changed(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    text = told[0].stdout

    bought = text.split("category that is new to it: ")[1].split(", ")[0]
    assert f"You bought {bought}" in text.split("Asked again at once")[1]


def test_the_table_paths_and_the_next_commands_are_shown(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    text = told[0].stdout

    missing = [
        part for part in ("popularity", "the best baseline", "you -", "GiB of memory", "curl ") if part not in text
    ]
    assert [] == missing


def test_the_demo_leaves_no_process_behind(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    assert [] == processes_in(told[1])


def test_a_second_demo_imports_and_encodes_nothing_again(
    told: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    again = demo(told[1], *SIZE)

    lines = {line.split("] ")[1].split("  ")[0]: line for line in again.stdout.splitlines() if line.startswith("[")}
    first = {line.split("] ")[1].split("  ")[0]: line for line in told[0].stdout.splitlines() if line.startswith("[")}
    assert "nothing new" in lines["import"]
    assert "0 encoded now" in lines["encode"]
    assert first["snapshot"].split("hash")[1] == lines["snapshot"].split("hash")[1]


def _unknown_words(text: str) -> str:
    """The part of the error stream that warns of words the encoder does not know; the shop is half Chinese."""
    return "".join(line for line in text.splitlines(keepends=True) if "unknown to the tokenizer" in line)
