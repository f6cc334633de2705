"""The shop's secret and what is made with it: pseudonyms, digests, and tables without addresses."""

import stat
from pathlib import Path

import pytest

from kg.errors import PrivacyError
from kg.privacy import Secret, is_pseudonym, read_or_make_secret, read_secret
from kg.reader import read_folder
from kg.tables import Tables
from kg.veil import Veil
from tests.support.folders import EVENTS, PRODUCTS, write_shop

SECRET = Secret(b"0123456789abcdef")


def test_a_pseudonym_is_the_same_for_the_same_user_and_says_nothing_without_the_secret() -> None:
    other = Secret(b"fedcba9876543210")

    found = {SECRET.pseudonym("jane"), SECRET.pseudonym("john"), other.pseudonym("jane")}

    assert (3, SECRET.pseudonym("jane")) == (len(found), SECRET.pseudonym("jane"))
    assert all(is_pseudonym(name) and "jane" not in name for name in found)


def test_a_pseudonym_stays_as_it_is() -> None:
    once = SECRET.pseudonym("jane")

    assert once == SECRET.pseudonym(once)
    assert not any(is_pseudonym(name) for name in ("u1", "u-1", once.removeprefix("u-"), once.upper()))


def test_a_digest_is_no_pseudonym_and_cannot_be_made_from_one() -> None:
    assert SECRET.digest("jane")[:32] != SECRET.pseudonym("jane").removeprefix("u-")
    assert SECRET.digest("jane") == SECRET.digest("jane")


def test_a_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "home" / "privacy.key"

    first, again = read_or_make_secret(file), read_or_make_secret(file)

    assert (first, 0o600) == (again, stat.S_IMODE(file.stat().st_mode))
    assert [file] == list(file.parent.iterdir())
    assert "key=" not in repr(first)


def test_no_secret_is_none_and_a_short_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"12345\n")

    assert None is read_secret(tmp_path / "none")
    with pytest.raises(PrivacyError, match="5 bytes are too few, at least 16 are wanted; make one with: openssl"):
        read_secret(tmp_path / "short")


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_users_of_a_folder_have_pseudonyms_everywhere(tmp_path: Path, form: str) -> None:
    users = [{"user_id": " u1 ", "age": 40}, {"user_id": "u3", "age": 30}]
    folder = write_shop(tmp_path / form, form=form, users=users)  # type: ignore[arg-type]

    plain, veiled = read_folder(folder).tables, read_folder(folder, veil=Veil(secret=SECRET)).tables

    wanted = {SECRET.pseudonym(user): user for user in ("u1", "u2", "u3")}
    assert wanted.keys() == set(veiled.nodes["User"]["user_id"].to_pylist())
    assert done_by(plain, {}) == done_by(veiled, wanted)
    assert ages(plain, {}) == ages(veiled, wanted)
    assert not set(plain.events["event_id"].to_pylist()) & set(veiled.events["event_id"].to_pylist())


def done_by(tables: Tables, names: dict[str, str]) -> list[tuple[str, str, int]]:
    rows = tables.events.to_pylist()
    return sorted((names.get(row["user_id"], row["user_id"]), row["product_id"], row["at"]) for row in rows)


def ages(tables: Tables, names: dict[str, str]) -> dict[str, int | None]:
    return {names.get(row["user_id"], row["user_id"]): row["age"] for row in tables.nodes["User"].to_pylist()}


def test_a_declared_relation_of_users_has_pseudonyms_at_their_ends_only(tmp_path: Path) -> None:
    relations = [
        {"from_id": "u1", "relation": "FOLLOWS", "to_id": "u2"},
        {"from_id": "u2", "relation": "LIKES", "to_id": "p1"},
        {"from_id": "p1", "relation": "ALSO_BOUGHT", "to_id": "p2"},
    ]
    folder = write_shop(tmp_path / "shop", relations=relations)
    (folder / "whycart.toml").write_text(
        '[graph.relations.FOLLOWS]\nfrom = "User"\nto = "User"\n'
        '[graph.relations.LIKES]\nfrom = "User"\nto = "Product"\n'
    )

    edges = read_folder(folder, veil=Veil(secret=SECRET)).tables.edges

    ends = {name: [(row["from_id"], row["to_id"]) for row in table.to_pylist()] for name, table in edges.items()}
    one, two = SECRET.pseudonym("u1"), SECRET.pseudonym("u2")
    assert ([(one, two)], [(two, "p1")], [("p1", "p2")]) == (ends["FOLLOWS"], ends["LIKES"], ends["ALSO_BOUGHT"])


def test_a_bad_row_is_told_and_set_aside_without_the_id(tmp_path: Path) -> None:
    bad = [*EVENTS, {**EVENTS[0], "user_id": "jane@example.org", "quantity": -3}]
    folder = write_shop(tmp_path / "shop", events=bad)

    read_folder(folder, veil=Veil(secret=SECRET), quarantine=tmp_path / "aside.jsonl")

    aside = (tmp_path / "aside.jsonl").read_text()
    assert (True, False) == (SECRET.pseudonym("jane@example.org") in aside, "jane" in aside)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.roe+shop@mail.example.org, please", "write to [e-mail], please"),
        ("call +44 20 7946 0958 or come", "call [phone] or come"),
        ("ring (415) 555-0132 today", "ring [phone] today"),
        ("EAN 4006381333931, 12 x 250 ml", "EAN 4006381333931, 12 x 250 ml"),
        ("2024-01-31 10:15, 1080x1920, v1.2.3.4", "2024-01-31 10:15, 1080x1920, v1.2.3.4"),
        ("茶 a@b.co 和 +49 30 901820", "茶 [e-mail] 和 [phone]"),
        ("user@ and @name are no addresses", "user@ and @name are no addresses"),
    ],
)
def test_addresses_and_numbers_leave_texts(tmp_path: Path, text: str, expected: str) -> None:
    products = [{**PRODUCTS[0], "description": text}, {**PRODUCTS[1], "description": None}, *PRODUCTS[2:]]
    folder = write_shop(tmp_path / "shop", form="jsonl", products=products)

    tables = read_folder(folder, veil=Veil(scrub=True, phone_region="US")).tables

    assert [expected, None, None] == tables.nodes["Product"]["description"].to_pylist()


def test_without_a_country_only_numbers_with_a_plus_are_known(tmp_path: Path) -> None:
    products = [{**PRODUCTS[0], "description": "(415) 555-0132 or +1 415 555 0132"}, *PRODUCTS[1:]]
    folder = write_shop(tmp_path / "shop", form="jsonl", products=products)

    tables = read_folder(folder, veil=Veil(scrub=True)).tables

    assert "(415) 555-0132 or [phone]" == tables.nodes["Product"]["description"][0].as_py()


def test_ids_are_never_scrubbed(tmp_path: Path) -> None:
    events = [{**row, "user_id": "jane@example.org", "note": "jane@example.org"} for row in EVENTS]
    folder = write_shop(tmp_path / "shop", events=events)

    tables = read_folder(folder, veil=Veil(scrub=True)).tables

    assert ({"jane@example.org"}, {"[e-mail]"}) == (
        set(tables.events["user_id"].to_pylist()),
        set(tables.events["note"].to_pylist()),
    )
