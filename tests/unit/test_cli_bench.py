"""`whycart bench quality` on a small generated shop: what it writes, what it says, and what it refuses early."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cypher.errors import InputError
from gnn.entrants import ENTRANTS
from serving.cli.bench import read_cuts, read_ks, read_models
from serving.cli.main import app, main
from tests.support.shops import write_generated

MODELS = "popularity,habit,ease"
QUICK = "[train]\nepochs = 1\nmin_steps = 1\n[model]\ndim = 16\nheads = 2\n[learn]\nshare = 0.15\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_generated(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home folder for all projects, so that no text is read twice."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def project(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "whycart.toml").write_text(f"home = '{home}'\n[learn]\nshare = 0.15\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str | Path, command: str = "quality") -> str:
    result = CliRunner().invoke(app, ["bench", command, *map(str, args)], catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    return result.stdout


def written(file: Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return plain


def test_the_result_goes_to_the_home_folder_with_a_page_beside_it(project: Path, home: Path, shop: Path) -> None:
    text = run("--data", shop, "--k", "5,10", "--models", MODELS)

    file = home / "bench" / f"quality-{shop.name}-temporal.json"
    result = written(file)
    assert (MODELS.split(","), [5, 10], [0]) == (list(result["models"]), result["k"], result["seeds"])
    assert f"--data {shop} --k 5,10 --models {MODELS}" in result["command"]
    assert f"{result['models']['ease']['metrics']['ndcg@10']['mean']:.4f}" in text
    assert "</html>" in file.with_suffix(".html").read_text(encoding="utf-8")
    assert str(file.with_suffix(".html")) in text


def test_a_random_split_is_drawn_anew_for_each_seed(project: Path, shop: Path) -> None:
    run("--data", shop, "--split", "random", "--models", "popularity", "--seeds", 2, "--json", "out/a.json")

    result = written(project / "out" / "a.json")
    means = result["models"]["popularity"]["metrics"]["ndcg@20"]["per_seed"]
    assert ("random", 2) == (result["split"], len(set(means)))


def test_relations_can_be_left_out(project: Path, shop: Path) -> None:
    run("--data", shop, "--models", "popularity", "--relations", "none", "--max-users", 5, "--json", "a.json")

    result = written(project / "a.json")
    assert ([], 5) == (result["relations"], result["num_users"])


def test_the_parts_can_be_cut_at_given_times(project: Path, shop: Path) -> None:
    times = pq.read_table(shop / "events.parquet")["at"].to_pylist()
    valid, test = (_time(min(times) + share * (max(times) - min(times))) for share in (0.6, 0.8))

    run("--data", shop, "--models", "popularity", "--valid-from", valid, "--test-from", test, "--json", "a.json")

    before = sum(at < datetime.fromisoformat(test).timestamp() * 1000 for at in times)
    assert before == written(project / "a.json")["num_train_events"]


def test_settings_of_learning_can_come_from_another_file(project: Path, shop: Path) -> None:
    (project / "other.toml").write_text("[learn]\nrepeats_from = 0.0\nshare = 0.3\n", encoding="utf-8")

    run("--data", shop, "--models", "popularity", "--json", "a.json")
    run("--data", shop, "--models", "popularity", "--config", "other.toml", "--json", "b.json")

    own, other = written(project / "a.json"), written(project / "b.json")
    assert other["num_train_events"] < own["num_train_events"]
    assert not (project / ".whycart").exists(), "the home folder is still the project's"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--models", "popularty"), "did you mean 'popularity'"),
        (("--models", "xyz"), "known: "),
        (("--models", "ease,ease"), "each named once"),
        (("--models", ","), "needs models"),
        (("--k", "10,5"), "must be at least 1 and rise"),
        (("--k", "0,5"), "must be at least 1 and rise"),
        (("--k", "five"), "whole numbers separated by commas"),
        (("--relations", "ALSO_BOUGT"), "did you mean ALSO_BOUGHT"),
        (("--split", "given"), "needs split_train and split_test"),
        (("--valid-from", "2025-01-01T00:00:00Z"), "go together"),
        (("--valid-from", "2025-01-01", "--test-from", "2025-02-01"), "--valid-from needs a time zone"),
        (("--valid-from", "2025-02-01T00:00:00Z", "--test-from", "2025-01-01T00:00:00Z"), "must be before"),
        (("--split", "random", "--valid-from", "2025-01-01T00:00Z", "--test-from", "2025-02-01T00:00Z"), "belong to"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_said_before_anything_is_learned(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(["bench", "quality", "--data", str(shop), *options])

    assert (2, 1) == (code, capsys.readouterr().err.count(message))
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("options", [(), ("--seeds", "0"), ("--max-users", "0"), ("--config", "missing.toml")], ids=str)
def test_usage_errors_have_exit_code_two(project: Path, shop: Path, options: tuple[str, ...]) -> None:
    data = ("--data", str(shop)) if options else ()

    with pytest.raises(SystemExit) as caught:
        main(["bench", "quality", *data, *options])

    assert 2 == caught.value.code


def test_an_ablation_compares_variants_with_the_whole_model(project: Path, home: Path, shop: Path) -> None:
    (project / "quick.toml").write_text(QUICK, encoding="utf-8")

    text = run(
        "--data", shop, "--variants", "full,text_only,paths", "--k", "10", "--config", "quick.toml", command="ablation"
    )

    file = home / "bench" / f"ablation-{shop.name}-temporal.json"
    result = written(file)
    assert {"full", "text_only", "paths"} == set(result["models"])
    assert {"full-text_only", "full-paths"} == set(result["paired"])
    assert f"whycart bench ablation --data {shop} --k 10 --variants full,text_only,paths" in result["command"]
    assert "</html>" in file.with_suffix(".html").read_text(encoding="utf-8")
    assert "text_only: nothing but the texts and words of products" in text
    assert "no_graph:" not in text


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ("paths,no_text", "every variant is compared with full; name it too"),
        ("full,no_grap", "--variants: no model 'no_grap'; did you mean 'no_graph'?"),
        ("full,full", "each named once"),
    ],
)
def test_an_ablation_that_cannot_be_is_refused_before_anything_is_learned(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shop: Path,
    capsys: pytest.CaptureFixture[str],
    variants: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    code = main(["bench", "ablation", "--data", str(shop), "--variants", variants])

    assert (2, 1) == (code, capsys.readouterr().err.count(message))
    assert [] == list(tmp_path.iterdir())


def test_all_models_take_part_unless_some_are_named() -> None:
    assert (ENTRANTS, ("ease", "popularity")) == (read_models(None), read_models("ease, popularity"))


def test_cut_offs_and_times_are_read() -> None:
    assert ((5, 10), None) == (read_ks("5,10"), read_cuts(None, None))
    assert (0, 1000) == read_cuts("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z")


def test_times_without_order_are_refused() -> None:
    with pytest.raises(InputError, match=re.escape("got 1970-01-01T00:00:00Z and 1970-01-01T00:00:00Z")):
        read_cuts("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z")


def _time(epoch_ms: float) -> str:
    return datetime.fromtimestamp(round(epoch_ms / 1000), UTC).isoformat()
