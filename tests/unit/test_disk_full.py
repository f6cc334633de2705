"""A disk that is full: nothing that was promised is lost, what is served stays, and with room again the same comes out.

The system stands in for the full disk with a limit on the size of a file, which every write meets.
"""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnn.bundles import BundleStore
from tests.support.api import running_api
from tests.support.shops import QUICK, write_generated
from tests.support.tiny_bundle import publish_tiny_bundle

ROOT = Path(__file__).parents[2]
CODE = (
    "import resource, sys\nfrom serving.cli.main import main\n"
    "most = int(sys.argv[1]) or resource.RLIM_INFINITY\nresource.setrlimit(resource.RLIMIT_FSIZE, (most, most))\n"
    "sys.exit(main(sys.argv[2:]))"
)


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def retrain(project: Path, shop: Path, *, most: int = 0) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WHYCART_HOME": str(project / "home")}
    command = [sys.executable, "-c", CODE, str(most), "retrain", "--data", str(shop)]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""


def _largest(folder: Path) -> int:
    return max(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.stat().st_nlink == 1)


def test_a_retraining_says_so_and_leaves_what_is_served(tmp_path: Path) -> None:
    (tmp_path / "whycart.toml").write_text(QUICK)
    bundles, shop = (
        BundleStore(tmp_path / "home" / "bundles"),
        write_generated(tmp_path / "shop", products=60, users=30, events=1200),
    )
    assert 0 == retrain(tmp_path, shop)[0]
    served = bundles.current()

    for most in (8_192, _largest(bundles.folder) - 1):
        code, sentence = retrain(tmp_path, shop, most=most)
        assert 1 == code
        assert "disk" in sentence
        assert "error of Whycart" not in sentence
        assert (served.version, [served.version]) == (bundles.current_version(), bundles.versions())
        assert served.model_hash == bundles.current().model_hash  # reads every file and compares its hash

    assert 0 == retrain(tmp_path, shop)[0]
    assert served.model_hash == bundles.current().model_hash
    assert {served.version, bundles.current_version()} == set(bundles.versions())
    assert not [path.name for path in bundles.folder.iterdir() if path.name.startswith(".")]


def test_events_are_acknowledged_or_refused_and_lists_go_on(tmp_path: Path) -> None:
    def batch(start: int) -> dict[str, object]:
        numbers = range(start, start + 500)
        return {"events": [{"event_id": f"full-{number}", "user_id": "u1", "product_id": "p02"} for number in numbers]}

    with running_api(publish_tiny_bundle(tmp_path / "bundles"), tmp_path) as client:
        log, acknowledged = client.app.state.services.log, []  # type: ignore[attr-defined]
        with no_file_above(256_000):
            for start in range(0, 10_000, 500):
                answer = client.post("/v1/events", json=batch(start))
                assert answer.status_code in (200, 503)
                if answer.status_code == 200:
                    acknowledged.append(start)
                else:
                    assert "nothing was taken, try again" in answer.json()["detail"]
                assert 200 == client.get("/v1/recommend/stranger").status_code
        refused = [start for start in range(0, 10_000, 500) if start not in acknowledged]

        assert acknowledged
        assert refused
        assert 500 * len(acknowledged) == log.last_seq()
        assert [200] * len(refused) == [client.post("/v1/events", json=batch(start)).status_code for start in refused]
        assert 10_000 == log.count(0) + log.count(1)


def test_a_full_disk_is_said_in_words(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from serving.cli import main as door

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(door, "load_entry", full)

    assert 1 == door.main(["doctor"])
    assert "the disk is full" in capsys.readouterr().err
