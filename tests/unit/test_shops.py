"""The shops of one API as they are named and read: folders, what two may not share, whose key is whose."""

import shutil
import time
from pathlib import Path

import pytest

from serving.cli.main import main
from serving.errors import ConfigError
from serving.keys import KeyLog
from serving.settings import ServeConfig, load_settings
from serving.shops import parse_shops, read_shops, without_keys


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHYCART_HOME", "WHYCART_CONFIG", "WHYCART_GRAPH_URI", "WHYCART_GRAPH_FOLDER"):
        monkeypatch.delenv(name, raising=False)


def folders(tmp_path: Path, **texts: str) -> dict[str, Path]:
    """Make a project folder with a whycart.toml for each shop."""
    made = {name: tmp_path / name for name in texts}
    for name, text in texts.items():
        made[name].mkdir()
        (made[name] / "whycart.toml").write_text(text, encoding="utf-8")
    return made


def make_key(state: Path) -> str:
    with KeyLog.open(state) as keys:
        return keys.create("shop", ["read"], now_ms=int(time.time() * 1000)).key.key_id


def test_shops_are_named_with_their_folders() -> None:
    expected = {"north": Path("shops/north"), "south": Path("a=b")}

    assert expected == parse_shops(["north=shops/north", "south=a=b"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["north"], "NAME=FOLDER"),
        (["=north"], "NAME=FOLDER"),
        (["north="], "NAME=FOLDER"),
        (["north=a", "north=b"], "'north' is named twice"),
    ],
)
def test_what_names_no_shop_is_refused(given: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_shops(given)


@pytest.mark.parametrize("name", ["North", "no rth", "-north", "n" * 64, "..", "nörth"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a shop"):
        ServeConfig(shops={name: Path("north")})


def test_the_table_names_folders_beside_its_file(tmp_path: Path) -> None:
    (tmp_path / "whycart.toml").write_text('[serve.shops]\nnorth = "north"\nsouth = "south"\n', encoding="utf-8")
    folders(tmp_path, north='home = "place"', south="")

    shops = read_shops(load_settings(folder=tmp_path).serve.shops)

    assert ["north", "south"] == [shop.name for shop in shops]
    assert [tmp_path / "north" / "place", tmp_path / "south" / ".whycart"] == [shop.settings.home for shop in shops]


def test_a_folder_without_a_project_is_refused_though_one_lies_above_it(tmp_path: Path) -> None:
    (tmp_path / "whycart.toml").touch()
    (tmp_path / "north").mkdir()

    with pytest.raises(ConfigError, match=r"north holds no whycart.toml; 'whycart init'"):
        read_shops({"north": tmp_path / "north"})


SERVER = '[graph]\nuri = "bolt://db.example:7687"\n'


@pytest.mark.parametrize(
    ("north", "south", "words"),
    [
        ('home = "../both"', 'home = "../both"', "share the state file"),
        (SERVER, SERVER.replace("bolt", "neo4j").replace(":7687", ""), "share the graph database 'neo4j' of bolt"),
        (SERVER.replace("db.example", "localhost"), SERVER.replace("db.example", "127.0.0.1"), "share the graph"),
        ('[graph]\nfolder = "../graph"', '[graph]\nfolder = "../graph"', "share the graph"),
    ],
)
def test_shops_that_share_a_place_are_refused(north: str, south: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"the shops north and south {words}"):
        read_shops(folders(tmp_path, north=north, south=south))


def test_shops_with_the_same_bundles_are_refused(tmp_path: Path) -> None:
    made = folders(tmp_path, north="", south="")
    (tmp_path / "bundles").mkdir()
    for folder in made.values():
        (folder / ".whycart").mkdir()
        (folder / ".whycart" / "bundles").symlink_to(tmp_path / "bundles")

    with pytest.raises(ConfigError, match="share the folder of bundles"):
        read_shops(made)


def test_databases_of_one_server_are_graphs_of_their_own(tmp_path: Path) -> None:
    made = folders(tmp_path, north=SERVER, south=SERVER + 'database = "south"\n')

    assert 2 == len(read_shops(made))


def test_a_variable_that_gives_all_shops_one_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path / "home"))

    with pytest.raises(ConfigError, match="variables such as WHYCART_HOME"):
        read_shops(folders(tmp_path, north="", south=""))


def test_shops_without_a_good_key_are_told(tmp_path: Path) -> None:
    shops = read_shops(folders(tmp_path, north="", south=""))
    make_key(shops[0].settings.state)

    assert [shops[1]] == without_keys(shops)


def test_a_key_that_was_copied_into_another_shop_is_refused(tmp_path: Path) -> None:
    shops = read_shops(folders(tmp_path, north="", south=""))
    key_id = make_key(shops[0].settings.state)
    shops[1].settings.home.mkdir()
    shutil.copy(shops[0].settings.state, shops[1].settings.state)

    with pytest.raises(ConfigError, match=f"the shops north and south both have the key {key_id}"):
        without_keys(shops)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shop", "north=north", "--shop", "north=south"], "named twice"),
        (["--shop", "north=nowhere"], "holds no whycart.toml"),
        (["--shop", "north=north", "--shop", "south=north"], "share the state file"),
        (["--shop", "north=north", "--with-jobs"], "--with-jobs retrains one project"),
    ],
)
def test_serve_says_in_a_sentence_what_is_wrong(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders(tmp_path, north="", south="")
    monkeypatch.chdir(tmp_path)

    assert 2 == main(["serve", "--port", "0", *arguments])

    said = capsys.readouterr().err
    assert (1, True) == (said.count("\n"), words in said)
