"""A model that some users are shown before the others."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gnn.bundles import BundleStore
from gnn.canary import Canary
from gnn.errors import BundleError
from serving.api import routes
from serving.api.current import CurrentBundle
from serving.api.holding import Holding
from serving.api.metrics import Metrics
from serving.api.trial import CanaryWatch, Judgement, Trial
from serving.cli.main import app, main
from serving.publish_config import PublishConfig
from tests.support.api import product_ids, running_api, until
from tests.support.tiny_bundle import MADE_AT, publish_tiny_bundle

USERS = [f"user-{number}" for number in range(2000)]
T0 = 1_700_000_000_000


def canary_of(version: str = "new", share: float = 0.05, *, until_ms: int | None = None) -> Canary:
    return Canary(version=version, before="old", share=share, since_ms=T0, until_ms=until_ms)


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    """Two models, the older of which is served."""
    bundles = tmp_path / ".whycart" / "bundles"
    publish_tiny_bundle(bundles)
    store = publish_tiny_bundle(bundles, now=MADE_AT + timedelta(hours=1), decay=3.0)
    store.roll_back(store.versions()[0])
    return store


def begin(store: BundleStore, share: float = 0.5, *, until_ms: int | None = None) -> Canary:
    old, new = store.versions()
    return store.canary.begin(Canary(version=new, before=old, share=share, since_ms=T0, until_ms=until_ms))


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_users_are_drawn_by_a_hash(share: float) -> None:
    one, other = canary_of(share=share), canary_of("newer", share=share)
    drawn = [one.shows_to(user) for user in USERS]

    assert sum(drawn) == pytest.approx(share * len(USERS), abs=4 * (share * (1 - share) * len(USERS)) ** 0.5)
    assert drawn == [one.shows_to(user) for user in USERS]
    assert drawn != [other.shows_to(user) for user in USERS]


def test_who_saw_a_small_canary_sees_the_same_one_when_it_grows() -> None:
    small, large = canary_of(share=0.05), canary_of(share=0.2)

    assert all(large.shows_to(user) for user in USERS if small.shows_to(user))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_is_a_part(share: float) -> None:
    with pytest.raises(BundleError, match="above 0 and below 1"):
        canary_of(share=share)


def test_a_canary_is_there_until_it_ends_and_is_noted(store: BundleStore) -> None:
    assert store.canary.read() is None
    begun = begin(store)
    assert begun == store.canary.read()
    assert begun == begin(store)

    assert store.canary.end(begun, "stopped", "a test", now_ms=T0 + 1)
    assert not store.canary.end(begun, "alarm", "another process", now_ms=T0 + 2)

    assert store.canary.read() is None
    assert [(begun, "stopped", "a test")] == [(one.canary, one.ending, one.why) for one in store.canary.ended()]


def test_another_canary_takes_its_place(store: BundleStore) -> None:
    begin(store)
    store.canary.begin(canary_of("newest"))

    assert "newest" == getattr(store.canary.read(), "version", None)
    assert ["replaced"] == [one.ending for one in store.canary.ended()]


@pytest.mark.parametrize(("place", "ending"), [(0, "replaced"), (1, "promoted")])
def test_to_serve_a_model_to_all_ends_it(store: BundleStore, place: int, ending: str) -> None:
    begin(store)

    store.publish(store.versions()[place])

    assert store.canary.read() is None
    assert [ending] == [one.ending for one in store.canary.ended()]


def test_a_canary_is_not_deleted(store: BundleStore) -> None:
    canary = begin(store)

    assert canary.version not in store.surplus(keep=1)
    with pytest.raises(BundleError, match="is served"):
        store.delete(canary.version)


def test_a_file_that_holds_something_else_is_said_and_stops_nobody(store: BundleStore) -> None:
    (store.folder / "canary").write_text("{}")
    with pytest.raises(BundleError, match="cannot be read"):
        store.canary.read()

    store.publish(store.versions()[1])

    assert store.canary.read() is None


def test_a_broken_file_is_said_once_and_stopped_by_the_command(
    store: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    current = CurrentBundle(store, Metrics())
    (store.folder / "canary").write_text("{}")
    for _ in range(3):
        current.check()
    assert 1 == caplog.text.count("the canary cannot be used")
    assert store.versions()[0] == current.of("user-1").bundle.version

    stopped = CliRunner().invoke(app, ["models", "canary", "--stop"], catch_exceptions=False)

    assert (0, None) == (stopped.exit_code, store.canary.read())


def test_half_a_line_of_the_past_is_passed_over(store: BundleStore) -> None:
    store.canary.end(begin(store), "stopped", "", now_ms=T0)
    with (store.folder / "canaries").open("a") as file:
        file.write('{"canary": {"vers')

    assert 1 == len(store.canary.ended())


def test_each_user_is_answered_by_one_model(store: BundleStore, tmp_path: Path) -> None:
    old, new = store.versions()
    with running_api(store, tmp_path) as client:
        canary = begin(store)
        shown = next(user for user in USERS if canary.shows_to(user))
        assert until(lambda: new == client.get(f"/v1/recommend/{shown}").json()["model_version"])
        for user in USERS[:40]:
            wanted = new if canary.shows_to(user) else old
            events = [{"product_id": "p01", "type": "bought"}]
            lists = client.post("/v1/recommend", json={"user_id": user, "events": events})
            ranked = client.post("/v1/rank", json={"user_id": user, "product_ids": ["p01", "p02"]})
            explained = client.get("/v1/explain", params={"user": user, "product": "p02"})
            answers = [lists, ranked, explained, client.get(f"/v1/profile/{user}"), client.get(f"/v1/home/{user}")]
            assert [200] * len(answers) == [answer.status_code for answer in answers]
            assert [wanted] * len(answers) == [answer.json()["model_version"] for answer in answers]
        list_id = client.get(f"/v1/recommend/{shown}").json()["recommendation_id"]
        assert new == client.get(f"/v1/recommendations/{list_id}").json()["model_version"]
        nobody = client.post("/v1/recommend", json={"events": [{"product_id": "p01", "type": "bought"}]})
        assert old == nobody.json()["model_version"] == client.get("/v1/similar/p01").json()["model_version"]
        text = client.get("/metrics").text
        assert "whycart_canary_share 0.5" in text
        assert 'whycart_model_answers_total{model="canary",result="answered"}' in text

        store.canary.end(canary, "stopped", "", now_ms=T0)
        assert until(lambda: old == client.get(f"/v1/recommend/{shown}").json()["model_version"])


def test_a_canary_that_fails_is_answered_for_and_taken_away(
    store: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = store.versions()
    real = routes.recommend

    def broken(ready: object, *args: object, **words: object) -> object:
        if ready.bundle.version == new:  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return real(ready, *args, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(routes, "recommend", broken)
    with running_api(store, tmp_path) as client:
        canary = begin(store)
        assert until(lambda: "whycart_canary_share 0.5" in client.get("/metrics").text)
        for user in USERS[:200]:
            answer = client.get(f"/v1/recommend/{user}")
            assert (200, old) == (answer.status_code, answer.json()["model_version"])
            assert product_ids(answer)
        assert until(lambda: store.canary.read() is None)
        assert 'whycart_canaries_ended_total{ending="alarm"} 1.0' in client.get("/metrics").text
    (ended,) = store.canary.ended()
    assert (canary, "alarm") == (ended.canary, ended.ending)
    assert "more of its answers fail" in ended.why
    assert old == store.current_version()


def test_a_canary_that_cannot_be_loaded_is_taken_away(store: BundleStore, tmp_path: Path) -> None:
    _, new = store.versions()
    with running_api(store, tmp_path) as client:
        (store.folder / new / "priors.npy").write_bytes(b"something else")
        begin(store)
        assert until(lambda: store.canary.read() is None)
        assert 200 == client.get("/v1/recommend/user-1").status_code
    assert ["alarm"] == [one.ending for one in store.canary.ended()]


@pytest.mark.parametrize(("against", "ending"), [(None, "promoted"), ("its users take up less", "alarm")])
def test_at_its_end_it_is_served_to_all_or_taken_away(store: BundleStore, against: str | None, ending: str) -> None:
    _, new = store.versions()
    told: list[object] = []
    watch = CanaryWatch(judge=lambda canary: Judgement(against, "12% beside 11%"), tell=told.append)
    canary = begin(store, until_ms=T0 + 1)
    trial = Trial(canary, Holding(store.load(new), None, None), watch, Metrics())

    trial.look(store)
    trial.look(store)

    assert store.canary.read() is None
    assert (new == store.current_version()) == (ending == "promoted")
    assert [(ending, against or "12% beside 11%")] == [(one.ending, one.why) for one in store.canary.ended()]
    assert [ending] == [message["ending"] for message in told]  # type: ignore[index]


def test_of_several_processes_one_ends_it(store: BundleStore) -> None:
    new = store.versions()[1]
    told: list[object] = []
    canary = begin(store, until_ms=T0 + 1)
    watch, holding = CanaryWatch(tell=told.append), Holding(store.load(new), None, None)

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: Trial(canary, holding, watch, Metrics()).look(store), range(16)):
            pass

    assert 1 == len(told) == len(store.canary.ended())
    assert new == store.current_version()


def trial_of(store: BundleStore) -> Trial:
    config = PublishConfig(min_answers=20)
    return Trial(canary_of(), Holding(store.load(store.versions()[1]), None, None), CanaryWatch(config), Metrics())


@pytest.mark.parametrize(
    ("failed", "alarmed"),
    [((0, 0), False), ((1, 0), False), ((3, 40), False), ((30, 5), True)],
)
def test_more_failures_are_an_alarm_and_few_are_not(
    store: BundleStore, failed: tuple[int, int], *, alarmed: bool
) -> None:
    trial = trial_of(store)
    for is_canary, number, total in ((True, failed[0], 100), (False, failed[1], 1900)):
        for place in range(total):
            trial.count("failed" if place < number else "answered", 0.002, is_canary=is_canary)

    assert alarmed == (trial.alarm() is not None)


@pytest.mark.parametrize(("took_s", "alarmed"), [(0.002, False), (0.005, False), (0.02, True)])
def test_a_slow_canary_is_an_alarm(store: BundleStore, took_s: float, *, alarmed: bool) -> None:
    trial = trial_of(store)
    for _ in range(19):
        trial.count("answered", took_s, is_canary=True)
        trial.count("answered", 0.002, is_canary=False)
    assert trial.alarm() is None
    trial.count("answered", took_s, is_canary=True)
    trial.count("answered", 0.002, is_canary=False)

    assert alarmed == (trial.alarm() is not None)


def test_the_command_begins_tells_and_stops(
    store: BundleStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    old, new = store.versions()

    def run(*args: str) -> str:
        result = CliRunner().invoke(app, ["models", *args], catch_exceptions=False)
        assert 0 == result.exit_code, result.output
        return " ".join(result.stdout.split())

    assert "no model was shown to some users only yet" in run("canary")
    assert 2 == main(["models", "canary", new])
    assert "--share must be above 0 and below 1, got 0" in " ".join(capsys.readouterr().err.split())
    assert 2 == main(["models", "canary", old, "--share", "0.1"])
    assert "is served to all already" in " ".join(capsys.readouterr().err.split())
    assert 2 == main(["models", "canary", "--stop"])
    assert "is shown to 10.0% of the users until somebody decides" in run(
        "canary", new, "--share", "0.1", "--hours", "0"
    )
    assert "shown to 10.0% of the users" in run("list")
    facts = json.loads(run("canary", "--json"))
    assert (new, 0) == (facts["canary"]["version"], facts["uptake"]["canary"]["users"])
    assert "too early to say" in run("canary")
    assert f"all are shown {old}" in run("canary", "--stop", "--reason", "customers complain")
    assert "stopped, customers complain" in run("canary")
    capsys.readouterr()
