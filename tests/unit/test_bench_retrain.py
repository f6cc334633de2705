"""A whole retraining is measured from outside: its seconds, its CPU and its memory."""

import json
from pathlib import Path

import pytest

from bench.data import main as write_data
from bench.retrain import main


@pytest.mark.slow
def test_a_retraining_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TRAIN_EPOCHS": 1, "TRAIN_MIN_STEPS": 1, "MODEL_DIM": 16, "GATE_REASON_USERS": 10}.items():
        monkeypatch.setenv(f"WHYCART_{name}", str(value))
    size = ("--users=80", "--products=100", "--purchases=900", "--edges=900")
    write_data(["synthetic", str(tmp_path / "shop"), *size])

    code = main(["--data", str(tmp_path / "shop"), "--json", str(tmp_path / "figures.json")])

    found = json.loads((tmp_path / "figures.json").read_text())
    assert (0, "shop") == (code, found["data"])
    assert found["retrain"]["cpu_s"] > 1
    assert found["retrain"]["wall_s"] > 1
    assert found["retrain"]["peak_rss_mb"] > 100
