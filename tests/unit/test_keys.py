"""API keys: made and shown once, kept as hashes, rotated, revoked, expired; and `whycart keys` around them."""

import json
import re
from pathlib import Path

import pytest

from serving.cli.keys import parse_duration
from serving.cli.main import main
from serving.errors import InputError, KeysError, UnknownKey
from serving.keys import SCOPES, KeyLog, match_key
from tests.support.old_state import make_version_8

NOW = 1_800_000_000_000
DAY_MS = 86_400_000


@pytest.fixture
def log(tmp_path: Path) -> KeyLog:
    return KeyLog.open(tmp_path / "state.db")


def test_a_key_is_found_by_its_text_and_only_by_it(log: KeyLog) -> None:
    made = [log.create(name, ["read"], now_ms=NOW) for name in ("shop", "app")]

    keys = log.all()

    assert [one.key for one in made] == [match_key(one.text, keys) for one in made]
    texts = [made[0].text[:-1] + "x", made[0].text + "x", made[0].text.replace(made[0].key.key_id, made[1].key.key_id)]
    assert [None] * 5 == [match_key(text, keys) for text in (*texts, "", "wk_1_2")]


def test_the_file_holds_no_secret(log: KeyLog, tmp_path: Path) -> None:
    made = log.create("shop", ["read"], now_ms=NOW)
    secret = made.text.split("_", 2)[2]
    log.close()

    held = b"".join(file.read_bytes() for file in tmp_path.iterdir())

    assert made.key.key_id.encode() in held
    assert secret.encode() not in held


def test_scopes_stand_in_one_order_and_admin_is_for_everything(log: KeyLog) -> None:
    one = log.create("a", ["write", "read", "read"], now_ms=NOW).key
    chief = log.create("b", ["admin"], now_ms=NOW).key

    assert ("read", "write") == one.scopes
    assert [True, True, False, False, False] == [one.allows(scope) for scope in SCOPES]
    assert all(chief.allows(scope) for scope in SCOPES)


@pytest.mark.parametrize(
    ("name", "scopes", "expires", "words"),
    [
        ("", ["read"], None, "1 to 100 characters"),
        ("a\nb", ["read"], None, "one line"),
        ("a", [], None, "at least one scope; there are read, write, cypher, rules, admin"),
        ("a", ["reed"], None, "no scope is named 'reed'; there are read"),
        ("a", ["read"], NOW, "expired already"),
    ],
)
def test_a_key_that_cannot_be_is_refused(
    name: str, scopes: list[str], expires: int | None, words: str, log: KeyLog
) -> None:
    with pytest.raises(KeysError, match=words):
        log.create(name, scopes, now_ms=NOW, expires_at_ms=expires)
    assert () == log.all()


def test_a_key_expires_and_can_be_revoked_once(log: KeyLog) -> None:
    short = log.create("a", ["read"], now_ms=NOW, expires_at_ms=NOW + DAY_MS).key
    other = log.create("b", ["read"], now_ms=NOW + 1).key

    log.revoke(other.key_id, now_ms=NOW + 5)

    first, second = log.all()
    assert [True, False] == [first.is_good(NOW + DAY_MS + late) for late in (-1, 0)]
    assert ("good", "expired", "revoked") == (
        first.state(NOW),
        first.state(NOW + DAY_MS),
        second.state(NOW),
    )
    for key_id, words in (
        (other.key_id, "revoked already"),
        (short.key_id, "expired already"),
        ("0" * 12, "no key has"),
    ):
        with pytest.raises(UnknownKey, match=words):
            log.revoke(key_id, now_ms=NOW + 2 * DAY_MS)


def test_a_rotated_key_has_a_follower_and_stays_good_for_a_while(log: KeyLog) -> None:
    old = log.create("shop", ["read", "write"], now_ms=NOW, expires_at_ms=NOW + 90 * DAY_MS)

    new = log.rotate(old.key.key_id, now_ms=NOW + DAY_MS, grace_ms=DAY_MS)

    before, after = log.all()
    assert ("shop", ("read", "write"), NOW + 91 * DAY_MS) == (after.name, after.scopes, after.expires_at_ms)
    assert new.text != old.text
    assert [True, False] == [before.is_good(NOW + 2 * DAY_MS + late) for late in (-1, 0)]


def test_a_rotated_key_lives_no_longer_than_it_would_have(log: KeyLog) -> None:
    old = log.create("shop", ["read"], now_ms=NOW, expires_at_ms=NOW + DAY_MS).key

    log.rotate(old.key_id, now_ms=NOW + 1, grace_ms=9 * DAY_MS)

    assert NOW + DAY_MS == log.all()[0].expires_at_ms


@pytest.mark.parametrize(("text", "hours"), [("1h", 1), ("2d", 48), ("1w", 168)])
def test_times_are_read(text: str, hours: int) -> None:
    assert hours * 3_600_000 == parse_duration(text, option="--expires")


@pytest.mark.parametrize("text", ["", "5", "d", "1.5d", "-1d", "1 d", "1000000d"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--expires must be a number of hours, days or weeks"):
        parse_duration(text, option="--expires")


def test_the_last_use_of_a_key_is_kept_to_the_minute(log: KeyLog) -> None:
    one, other = (log.create(name, ["read"], now_ms=NOW).key for name in ("a", "b"))
    known = lambda: [key.last_used_at_ms for key in sorted(log.all(), key=lambda key: key.name)]  # noqa: E731

    found = [known()]
    for after_ms in (1, 60_000, 60_001, 30_000):
        log.used({one.key_id: NOW + after_ms, "0" * 12: NOW})
        found.append(known())

    assert [[None, None], *([NOW + last, None] for last in (1, 1, 60_001, 60_001))] == found
    assert other.key_id in {key.key_id for key in log.all()}


def test_keys_of_an_older_file_were_never_used_as_far_as_is_known(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with KeyLog.open(file) as before:
        key = before.create("shop", ["read"], now_ms=NOW).key
    make_version_8(file)

    with KeyLog.open(file) as after:
        assert (key,) == after.all()
        after.used({key.key_id: NOW})
        assert [NOW] == [one.last_used_at_ms for one in after.all()]


def test_the_list_shows_when_a_key_was_last_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    with KeyLog.open(tmp_path / "state.db") as keys:
        used, _ = (keys.create(name, ["read"], now_ms=NOW + place).key for place, name in enumerate(("a", "b")))
        keys.used({used.key_id: NOW})
    for arguments in (["keys", "list"], ["keys", "list", "--json"]):
        with pytest.raises(SystemExit, match="0"):
            main(arguments)

    table, _, as_json = capsys.readouterr().out.partition("{")
    rows = table.splitlines()
    assert [True, True, False] == ["last used" in rows[0], "2027-01-15T08:00Z" in rows[1], "08:00Z" in rows[2]]
    assert ["2027-01-15T08:00:00Z", None] == [key["last_used_at"] for key in json.loads("{" + as_json)["keys"]]


def test_the_command_line_makes_lists_rotates_and_revokes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> str:
        try:
            code = main(["keys", *arguments])
        except SystemExit as end:
            code = int(str(end.code or 0))
        found = capsys.readouterr()
        assert code == 0, found.err
        return found.out

    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    assert "there is no key" in run("list")
    made = json.loads(run("create", "shop", "--scope", "write", "--expires", "90d", "--json"))
    told = run("create", "app")
    rotated = json.loads(run("rotate", made["key_id"], "--grace", "1h", "--json"))
    assert "is revoked" in run("revoke", rotated["key_id"])

    keys = json.loads(run("list", "--json"))["keys"]
    assert re.match(r"wk_[0-9a-f]{12}_\S{43}\n", told)
    assert [["write"], ["read"], ["write"]] == [key["scopes"] for key in keys]
    assert {made["key_id"]: "good", rotated["key_id"]: "revoked"}.items() <= {
        key["key_id"]: key["state"] for key in keys
    }.items()
    assert made["key"] not in run("list")
    with pytest.raises(SystemExit):
        main(["keys", "create"])


def test_a_wrong_scope_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))

    assert 2 == main(["keys", "create", "shop", "--scope", "everything"])
    assert "no scope is named 'everything'" in capsys.readouterr().err
