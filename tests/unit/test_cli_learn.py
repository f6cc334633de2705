"""The commands of learning on input folders, in empty projects; from the graph they are tested in tests/integration."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cypher.errors import InputError
from gnn.bundles import BundleStore
from kg.snapshot_files import load_snapshot
from serving import retrain as job
from serving.cli.learn import read_config
from serving.cli.main import app, main
from serving.cli.times import parse_time
from serving.settings import load_settings
from tests.support.shops import QUICK, write_fickle, write_generated


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generated(tmp_path_factory.mktemp("generated"))


@pytest.fixture(scope="module")
def trained(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which one model was published."""
    project = tmp_path_factory.mktemp("trained")
    (project / "whycart.toml").write_text(QUICK, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        result = CliRunner().invoke(app, ["retrain", "--data", str(shop)], catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    return project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with settings that learn quickly."""
    (tmp_path / "whycart.toml").write_text(QUICK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str | Path) -> str:
    result = CliRunner().invoke(app, list(map(str, args)), catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    return result.stdout


def published(project: Path) -> str | None:
    return BundleStore(project / ".whycart" / "bundles").current_version()


def test_a_snapshot_of_a_folder_is_written_below_the_home_folder(project: Path, shop: Path) -> None:
    facts = json.loads(run("snapshot", "--data", shop, "--json"))

    assert (2400, facts["hash"]) == (facts["events"], load_snapshot(Path(facts["folder"])).hash)


def test_the_same_snapshot_is_not_written_twice(project: Path, shop: Path) -> None:
    run("snapshot", "--data", shop)

    assert "was there already" in run("snapshot", "--data", shop)


def test_a_cutoff_leaves_later_events_out(project: Path, shop: Path) -> None:
    facts = json.loads(run("snapshot", "--data", shop, "--cutoff", "2025-06-01T00:00:00Z", "--out", "cut", "--json"))

    assert 0 < facts["events"] < 2400
    assert (project / "cut").is_dir()


def test_a_cutoff_without_a_time_zone_says_what_to_write() -> None:
    with pytest.raises(InputError, match="for UTC write 2026-01-31T00:00:00Z"):
        parse_time("2026-01-31")


def test_a_cutoff_that_is_no_time_is_bad_input() -> None:
    with pytest.raises(InputError, match="must be a time in ISO 8601"):
        parse_time("yesterday")


def test_encoding_again_reads_no_text_again(project: Path, shop: Path) -> None:
    first = json.loads(run("encode", "--data", shop, "--json"))["nodes"]["Product"]
    again = json.loads(run("encode", "--data", shop, "--json"))["nodes"]["Product"]

    assert (first["num_distinct"], 0) == (first["num_encoded"], again["num_encoded"])


def test_training_tells_what_validation_chose_and_publishes_nothing(project: Path, shop: Path) -> None:
    text = run("train", "--data", shop)

    assert "co_purchase" in text
    assert "validation users" in text
    assert published(project) is None


def test_a_training_that_was_interrupted_goes_on(project: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gnn.learn.fuse", stopped)
        assert 130 == main_code("train", "--data", str(shop))
    assert (project / ".whycart" / "training" / "train").is_dir()

    text = run("train", "--data", shop)

    assert "s of them before it was interrupted; the best was epoch 1" in " ".join(text.split())
    assert not (project / ".whycart" / "training").exists()


def test_each_training_of_a_run_has_curves_of_its_own_where_a_folder_is_named(
    project: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHYCART_TRACKING_TENSORBOARD", "curves")

    run("retrain", "--data", shop)
    run("train", "--data", shop)

    (entry,) = json.loads(run("runs", "list", "--json"))["runs"]
    (alone,) = (path.name for path in (project / "curves").iterdir() if path.name.startswith("train-"))
    found = {str(path.parent.relative_to(project / "curves")) for path in project.glob("curves/*/*/events.out.*")}
    assert {f"{entry['run_id']}/train", f"{alone}/train"} <= found
    assert {entry["run_id"], alone} == {Path(name).parts[0] for name in found}


def test_a_profile_says_where_the_time_went(project: Path, shop: Path) -> None:
    text = run("train", "--data", shop, "--profile")

    parts, stages = text.split("stage of the network")
    assert all(part in parts for part in ("co_purchase", "ease", "network", "blend", "encode"))
    assert all(stage in stages for stage in ("cut batches", "propagate", "loss", "back", "step", "validate"))
    shares = [float(share) for share in re.findall(r"([0-9.]+)%", stages)]
    assert 99 <= sum(shares) <= 101


def test_training_tells_machines_the_weights(project: Path, shop: Path) -> None:
    facts = json.loads(run("train", "--data", shop, "--json"))

    assert {"whycart", "whycart without the network"} == set(facts["blends"])
    assert 1 == len(facts["network"]["losses"])


def test_evaluating_prints_the_table_and_two_sentences_and_publishes_nothing(project: Path, shop: Path) -> None:
    text = run("evaluate", "--data", shop)

    rows = [name for name in ("popularity", "habit", "itemknn", "rp3beta", "ease", "whycart ") if f"\n{name}" in text]
    assert 6 == len(rows)
    assert "the best baseline" in text
    assert "Without the network ndcg@10" in text or "the network did not earn a weight" in text
    assert published(project) is None


def test_evaluating_writes_the_same_as_json(project: Path, shop: Path) -> None:
    printed = json.loads(
        run("evaluate", "--data", shop, "--k", 5, "--split", "leave-one-out", "--out", "e.json", "--json")
    )

    assert printed == json.loads((project / "e.json").read_text(encoding="utf-8"))
    assert (5, "leave-one-out") == (printed["k"], printed["split"])


def test_retraining_publishes_a_model_that_is_listed_and_shown(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    version = published(trained)

    listed = json.loads(run("models", "list", "--json"))

    assert [(version, True)] == [(entry["version"], entry["served"]) for entry in listed]
    assert "# Model card" in run("models", "show")
    assert version == json.loads(run("models", "show", str(version), "--json"))["manifest"]["version"]
    assert str(version) in run("models", "list")


def test_a_retraining_is_recorded_step_by_step(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)

    first = json.loads(run("runs", "list", "--json"))["runs"][-1]

    assert ("published", published(trained)) == (first["outcome"], first["version"])
    names = ["snapshot", "watch", "encode", "train", "evaluate", "fit on everything", "explain", "gate", "publish"]
    assert names == [step["name"] for step in first["steps"]]
    assert "2,400 events" in first["steps"][0]["line"]
    assert 10 == json.loads(run("runs", "show", first["run_id"], "--json"))["config"]["learn"]["k"]


def test_a_model_can_be_rolled_back_and_promoted_again(
    trained: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    first = published(trained)
    second = json.loads(run("retrain", "--data", shop, "--json"))["version"]

    assert f"{first} is served from now on, {second} was before" in run("models", "rollback")
    assert first == published(trained)
    run("models", "promote", second)
    assert second == published(trained)
    run("models", "promote", str(first))


def test_a_new_model_can_be_shown_to_some_first(trained: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)
    monkeypatch.setenv("WHYCART_PUBLISH_CANARY", "0.1")
    first, store = str(published(trained)), BundleStore(trained / ".whycart" / "bundles")

    told = run("retrain", "--data", shop, "--incremental")

    shown = store.canary.read()
    assert shown is not None
    assert (first, first, 0.1) == (published(trained), shown.before, shown.share)
    assert "is shown to 10.0% of the users until" in " ".join(told.split())
    latest = json.loads(run("runs", "list", "--json"))["runs"][0]
    assert ("published", shown.version) == (latest["outcome"], latest["version"])
    run("models", "promote", shown.version)
    assert (shown.version, None) == (published(trained), store.canary.read())
    run("models", "promote", first)


def test_two_models_are_compared_and_old_ones_deleted(
    trained: Path, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    first = str(published(trained))
    monkeypatch.setenv("WHYCART_LEARN_K", "5")
    second = json.loads(run("retrain", "--data", shop, "--json"))["version"]

    found = json.loads(run("models", "diff", first, second, "--json"))

    assert "ndcg@5" in {row["name"] for row in found["differences"]}
    assert 50 >= found["lists"]["num_users"] > 40
    assert 0.5 < found["lists"]["overlap"] <= 1
    assert "users keep" in run("models", "diff", first)
    assert f"{first} would be deleted" not in run("models", "prune", "--keep", "1", "--dry-run")
    run("models", "rollback", "--to", first)
    assert first == published(trained)
    assert 2 == main_code("models", "rollback", "--to", "20200101T000000Z-00000000")
    assert "was never published" in capsys.readouterr().err
    run("models", "prune", "--keep", "1")
    assert {first, second} <= {entry["version"] for entry in json.loads(run("models", "list", "--json"))}


def test_the_gate_is_not_overruled_without_a_word(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main_code("retrain", "--force-publish")
    assert "needs --reason TEXT" in capsys.readouterr().err
    assert 2 == main_code("retrain", "--reason", "because")
    assert "give --force-publish too" in capsys.readouterr().err


def test_a_page_on_the_runs_is_written(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)

    text = run("runs", "report", "--out", tmp_path / "runs.html")

    assert "written to" in text
    page = (tmp_path / "runs.html").read_text("utf-8")
    assert str(published(trained)) in page
    assert "Run by run" in page


def test_a_run_that_was_stopped_is_gone_on_with(project: Path, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = job.measure

    def stopped(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "measure", stopped)
    assert 130 == main_code("retrain", "--data", str(shop))
    monkeypatch.setattr(job, "measure", measure)

    text = run("retrain", "--data", shop)

    assert "going on where the run before was interrupted" in text
    assert "kernels, network stopped after 1 epochs (by the run before, which was interrupted)" in " ".join(
        text.split()
    )
    assert not (project / ".whycart" / "work").exists()
    assert ["published", "stopped"] == [entry["outcome"] for entry in json.loads(run("runs", "list", "--json"))["runs"]]


def test_there_is_nothing_before_the_first_model(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)
    while main_code("models", "rollback") == 0:
        pass

    assert "no version before" in capsys.readouterr().err


def test_an_unknown_version_is_named(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(trained)

    assert 0 != main_code("models", "promote", "20200101T000000Z-00000000")
    assert "no bundle '20200101T000000Z-00000000'" in capsys.readouterr().err


def test_a_model_worse_than_the_best_baseline_is_refused_with_exit_code_three(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_fickle(project / "fickle")

    code = main_code("retrain", "--data", str(folder))

    assert (3, None) == (code, published(project))
    told = " ".join(capsys.readouterr().err.split())
    assert "Refused, " in told
    assert "against popularity -" in told
    (record,) = json.loads(run("runs", "list", "--json"))["runs"]
    assert ("refused", True) == (record["outcome"], "against popularity -" in record["sentence"])


def test_settings_of_learning_come_from_the_file(project: Path) -> None:
    text = QUICK + "tolerance = 0.25\n[operators]\ntop_k = 7\n"
    (project / "whycart.toml").write_text(text, encoding="utf-8")

    config = read_config(load_settings(), k=3)

    assert (7, 16, 3, 0.25) == (
        config.learn.kernels.operators.top_k,
        config.learn.model.dim,
        config.learn.k,
        config.gate.tolerance,
    )


def main_code(*args: str) -> int:
    """Return the exit code of the command line."""
    try:
        return main(args)
    except SystemExit as end:
        return int(end.code or 0)
