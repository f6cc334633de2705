"""The shop's own words and language in whycart.toml, on the command line and in requests."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving.api.schemas import ExplainAnswer, RecommendAnswer
from serving.cli.main import main
from serving.errors import ConfigError
from serving.reason_config import ReasonConfig, read_reasons
from serving.settings import load_settings
from tests.support.api import problem, running_api
from tests.support.tiny_bundle import publish_tiny_bundle

KINDS = '[graph.relations.LIKE]\nfrom = "Product"\nto = "Product"\n[events.returned]\nweight = -4\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    publish_tiny_bundle(folder / ".whycart" / "bundles")
    return folder


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with running_api(publish_tiny_bundle(tmp_path / "bundles"), tmp_path) as opened:
        yield opened


def read(folder: Path, text: str) -> ReasonConfig:
    (folder / "whycart.toml").write_text(KINDS + text, encoding="utf-8")
    return read_reasons(load_settings(environment={}, folder=folder))


def texts(items: list[dict[str, Any]]) -> list[str]:
    return [text for item in items for text in (item["text"], *(path["text"] for path in item["paths"]))]


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= sign <= "\u9fff" for sign in text)


def test_words_of_the_shop_are_read(tmp_path: Path) -> None:
    words = 'others = "{you}; others too"\nhabit = ["{you} once", "{you} {count}x"]\nrelation_like = "like {name}"\n'

    config = read(tmp_path, f'[reasons]\nlanguage = "zh-CN"\n[reasons.wording.en]\n{words}event_returned = "sent back"')

    expected = {
        "others": "{you}; others too",
        "habit": ("{you} once", "{you} {count}x"),
        "relation_like": "like {name}",
        "event_returned": "sent back",
    }
    assert ("zh-CN", {"en": expected}) == (config.language, config.wording)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('othes = "x"', "unknown key 'othes'; did you mean 'others'?"),
        ('event_retuned = "x"', "unknown key 'event_retuned'; did you mean 'event_returned'?"),
        ('relation_lik = "x"', "unknown key 'relation_lik'; did you mean 'relation_like'?"),
        ('others = "{yuo}"', "others: unknown placeholder {yuo}; there are: {you}"),
        ('event_returned = "{name}"', "event_returned: unknown placeholder {name}; there are: none"),
        ('others = "{you.__class__}"', "unknown placeholder {you.__class__}"),
        ('others = "{you!r:>9}"', "unknown placeholder {you!r:>9}"),
        ('others = "{you"', "unknown placeholder {;"),
        ('others = "{}"', "unknown placeholder {};"),
        ('others = ""', "must be one line of text without control characters, got ''"),
        ('others = "a\\nb"', "must be one line of text without control characters, got 'a\\nb'"),
        ('others = "\\u202e{you}"', "must be one line of text without control characters"),
        ('habit = ["a", "b", "c"]', "habit takes one text, or a list of 2 in the order of the plural forms"),
        ('others = ["a", "b"]', "others takes one text"),
        ("others = 3", "[reasons] wording must be a table"),
    ],
)
def test_words_that_cannot_be_used_are_refused_in_one_sentence(words: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f"[reasons.wording.en]\n{words}\n")

    assert said in str(caught.value)
    assert (2, 0) == (caught.value.exit_code, str(caught.value).count("\n"))


def test_words_in_a_language_that_there_is_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[reasons.wording\]: unknown key 'zn'; known: en, zh"):
        read(tmp_path, '[reasons.wording.zn]\nothers = "x"\n')


def test_a_default_language_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[reasons\] language: .* 'fr'; there are: en, zh"):
        read(tmp_path, '[reasons]\nlanguage = "fr"\n')


@pytest.mark.parametrize("command", [["recommend", "u1"], ["explain", "u1", "p02"], ["serve", "--port", "0"]])
def test_wrong_words_end_a_command_with_exit_code_2(
    command: list[str],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "whycart.toml").write_text('[reasons.wording.en]\nothes = "x"\n', encoding="utf-8")
    monkeypatch.setenv("WHYCART_HOME", str(home / ".whycart"))
    monkeypatch.chdir(tmp_path)

    code = main(command)

    assert (2, True) == (code, "did you mean 'others'?" in capsys.readouterr().err)


@pytest.mark.parametrize("command", [["recommend", "u1", "--paths"], ["explain", "u1", "p02"]])
def test_a_command_tells_reasons_in_the_language_asked_for(
    command: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(home / ".whycart"))

    with contextlib.suppress(SystemExit):
        main([*command, "--lang", "zh-CN", "--json"])

    body = json.loads(capsys.readouterr().out)
    said = texts(body["items"] if "items" in body else [body["item"]])
    assert said
    assert all(map(is_chinese, said))


@pytest.mark.parametrize("command", [["recommend", "u1"], ["explain", "u1", "p02"]])
def test_a_command_names_the_languages_there_are(
    command: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(home / ".whycart"))

    code = main([*command, "--lang", "tlh"])

    assert (2, True) == (code, "language 'tlh'; there are: en, zh" in capsys.readouterr().err)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/recommend/u1?n=5&explain=paths&lang=zh",
        "/v1/recommend/u1?n=5&lang=zh-CN",
        "/v1/similar/p01?n=5&lang=zh",
    ],
)
def test_a_list_is_told_in_the_language_asked_for(path: str, client: TestClient) -> None:
    body = client.get(path).json()

    RecommendAnswer.model_validate(body)
    assert [] == [text for text in texts(body["items"]) if not is_chinese(text)]


def test_a_body_asks_for_language_and_surface(client: TestClient) -> None:
    wish = {"user_id": "u1", "n": 5, "explain": {"paths": 3, "lang": "zh", "surface": "short"}}

    paths = [path["text"] for item in client.post("/v1/recommend", json=wish).json()["items"] for path in item["paths"]]

    assert paths
    assert [] == [text for text in paths if not text.startswith(("因为您", "您"))]


def test_captions_are_short(client: TestClient) -> None:
    items = client.get("/v1/recommend/u1?n=10&explain=paths&surface=short").json()["items"]

    assert any(text.startswith("Because you bought ") for text in texts(items))
    assert max(map(len, texts(items))) <= 60


def test_an_explanation_is_told_in_the_language_asked_for(client: TestClient) -> None:
    body = client.get("/v1/explain?user=u1&product=p02&lang=zh").json()

    ExplainAnswer.model_validate(body)
    assert [] == [text for text in texts([body["item"]]) if not is_chinese(text)]


@pytest.mark.parametrize(
    "path", ["/v1/recommend/u1?lang=fr", "/v1/explain?user=u1&product=p02&lang=fr", "/v1/similar/p01?lang=fr"]
)
def test_a_request_in_an_unknown_language_is_told_those_there_are(path: str, client: TestClient) -> None:
    status, slug, detail = problem(client.get(path))

    assert (422, "invalid-request") == (status, slug)
    assert "language 'fr'; there are: en, zh" in detail


def test_a_body_in_an_unknown_language_is_told_those_there_are(client: TestClient) -> None:
    wish = {"user_id": "u1", "explain": {"lang": "fr"}}

    status, _, detail = problem(client.post("/v1/recommend", json=wish))

    assert (422, True) == (status, "there are: en, zh" in detail)


def test_an_unknown_surface_is_refused(client: TestClient) -> None:
    status, _, detail = problem(client.get("/v1/recommend/u1?surface=huge"))

    assert (422, True) == (status, "'short' or 'long'" in detail)
