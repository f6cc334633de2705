"""`whycart users` as a person runs it, with and without pseudonyms."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kg.privacy import is_pseudonym
from kg.store import GraphConfig, GraphStore
from serving.cli.main import main
from serving.graph_input import snapshot_of_graph
from serving.settings import load_settings
from tests.integration.conftest import EMPTY
from tests.support.api import product_ids, running_api
from tests.support.folders import EVENTS, write_shop
from tests.support.tiny_bundle import publish_tiny_bundle


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_config: GraphConfig) -> Path:
    """Give a project whose graph is empty, and an input folder."""
    for name in ("WHYCART_GRAPH_URI", "WHYCART_CONFIG", "WHYCART_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WHYCART_GRAPH_FOLDER", str(local_config.folder))
    with GraphStore.open(local_config) as store:
        store.write(EMPTY, [])
    write_shop(tmp_path / "in", users=[{"user_id": "u1", "city": "Oslo"}, {"user_id": "u2", "city": "Kyiv"}])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    try:
        found = main(arguments)
    except SystemExit as end:
        found = int(end.code or 0)
    told = capsys.readouterr()
    assert code == found, told.err
    return told.err if code else told.out


def test_a_user_is_handed_out_deleted_and_stays_away(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "ingest", "in")
    run(capsys, "users", "export", "u2", "--out", "u2.json")
    found = json.loads((shop / "u2.json").read_text())
    assert ("Kyiv", ["p2", "p3"]) == (
        found["graph"]["properties"]["city"],
        [one["product_id"] for one in found["graph"]["events"]],
    )

    told = run(capsys, "users", "delete", "u2", "--yes")
    again = run(capsys, "ingest", "in")

    assert "1 user was deleted" in told
    assert "1 user who was deleted stayed out, with all events" in again
    assert "nothing is held of a user 'u2'" in run(capsys, "users", "export", "u2", code=2)


def test_one_who_is_allowed_comes_back(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "ingest", "in")
    run(capsys, "users", "delete", "u2", "--yes")

    run(capsys, "users", "allow", "u2")
    told = json.loads(run(capsys, "ingest", "in", "--json"))

    assert (0, 1, 2) == (told["deleted_users"], told["written"]["nodes_created"], told["written"]["events_created"])
    assert "u2 was not deleted" in run(capsys, "users", "allow", "u2", code=2)


def test_many_are_deleted_from_a_file(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "ingest", "in")
    (shop / "gone.txt").write_text("u1\n\n u2 \nnobody\nu1\n")

    told = json.loads(run(capsys, "users", "delete", "--file", "gone.txt", "--yes", "--json"))

    assert (3, None) == (told["users"], told["traces"])
    assert [0, 0] == [len(snapshot_of_graph_here().ids("User")), len(snapshot_of_graph_here().events)]


def snapshot_of_graph_here():  # type: ignore[no-untyped-def]
    settings = load_settings()
    with GraphStore.open(settings.graph) as store:
        return snapshot_of_graph(store, settings.schema)


def test_nothing_is_deleted_without_a_yes(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "ingest", "in")
    monkeypatch.setattr("sys.stdin", io.StringIO())

    run(capsys, "users", "delete", "u2", code=1)
    run(capsys, "users", "delete", code=2)

    assert ["u1", "u2"] == snapshot_of_graph_here().ids("User")


def test_pseudonyms_are_what_the_graph_has_and_the_shop_asks_by_its_own_ids(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shop / "whycart.toml").write_text("[privacy]\npseudonymise = true\nscrub = true\n")
    run(capsys, "ingest", "in")
    snapshot = snapshot_of_graph_here()
    assert [True, True] == [is_pseudonym(user) for user in snapshot.ids("User")]

    bundles = publish_tiny_bundle(shop / ".whycart" / "bundles", snapshot=snapshot)
    run(capsys, "recommend", "--all", "--out", "lists.parquet", "--workers", "1", "-n", "2")
    lists = pq.read_table(shop / "lists.parquet").to_pylist()
    name = run(capsys, "users", "pseudonym", "u2").strip()
    listed = [row["product_id"] for row in lists if row["user_id"] == name]
    told = json.loads(run(capsys, "recommend", "u2", "-n", "2", "--json"))
    with running_api(bundles, shop / "api", pseudonyms=load_settings().secret()) as client:
        answered = product_ids(client.get("/v1/recommend/u2", params={"n": 2}))
        profile = client.get("/v1/profile/u2").json()
        client.post("/v1/events", json={"events": [{"user_id": "u2", "product_id": "p1", "type": "bought"}]})
        again = client.get("/v1/profile/u2").json()

    assert listed == answered == [item["product_id"] for item in told["items"]]
    assert (name, 2, 3) == (profile["user_id"], profile["events_used"], again["events_used"])
    written = [path for path in shop.rglob("*") if path.suffix in (".db", ".parquet")]
    held = b"".join(path.read_bytes() for path in written)
    assert (False, len(EVENTS)) == (b"u2" in held.replace(name.encode(), b""), len(snapshot.events))
    run(capsys, "users", "delete", "u2", "--yes")
    assert [name] == sorted({row["user_id"] for row in lists} - set(snapshot_of_graph_here().ids("User")))


def test_rows_that_are_there_otherwise_are_told_and_kept_if_wanted(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "ingest", "in")
    write_shop(shop / "in", users=[{"user_id": "u1", "city": "Lima"}, {"user_id": "u2", "city": "Kyiv"}])

    kept = run(capsys, "ingest", "in", "--on-conflict", "keep")
    before = json.loads(run(capsys, "users", "export", "u1"))["graph"]["properties"]["city"]
    replaced = run(capsys, "ingest", "in")
    after = json.loads(run(capsys, "users", "export", "u1"))["graph"]["properties"]["city"]

    assert "1 rows were there with other properties and were kept as they were" in kept
    assert "1 rows were there with other properties and were replaced" in replaced
    assert ("Oslo", "Lima") == (before, after)
