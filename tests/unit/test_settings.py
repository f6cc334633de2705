"""Reading whycart.toml and the environment."""

from pathlib import Path

import pytest

from cypher.errors import WhycartError
from serving.errors import ConfigError
from serving.settings import ServeConfig, Settings, load_settings


def load(folder: Path, text: str | None = None, **environment: str) -> Settings:
    if text is not None:
        (folder / "whycart.toml").write_text(text, encoding="utf-8")
    return load_settings(environment=environment, folder=folder)


def test_without_a_file_the_home_folder_is_below_the_current_one(tmp_path: Path) -> None:
    assert tmp_path / ".whycart" == load(tmp_path).home


def test_reading_settings_makes_no_folder(tmp_path: Path) -> None:
    load(tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_a_file_above_the_current_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "whycart.toml").write_text("[serve]\nport = 9000\n", encoding="utf-8")
    below = tmp_path / "data" / "today"
    below.mkdir(parents=True)

    settings = load(below)

    assert (9000, tmp_path / ".whycart") == (settings.serve.port, settings.home)


def test_the_environment_may_name_another_file(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('home = "here"\n', encoding="utf-8")

    assert tmp_path / "here" == load(tmp_path, "", WHYCART_CONFIG="other.toml").home


def test_the_environment_may_name_another_home(tmp_path: Path) -> None:
    assert tmp_path / "there" == load(tmp_path, 'home = "here"', WHYCART_HOME=str(tmp_path / "there")).home


def test_the_local_graph_lives_in_the_home_folder(tmp_path: Path) -> None:
    assert tmp_path / ".whycart" / "graph" == load(tmp_path).graph.folder


def test_the_environment_names_the_graph_server(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[graph]\nuri = "bolt://file:7687"\n',
        WHYCART_GRAPH_URI="bolt://db:7687",
        WHYCART_GRAPH_USER="anna",
        WHYCART_GRAPH_PASSWORD="12345",
        WHYCART_GRAPH_DATABASE="shop",
    )

    graph = settings.graph
    assert ("bolt://db:7687", "anna", "12345", "shop") == (graph.uri, graph.user, graph.password, graph.database)


def test_a_password_is_not_in_the_text_of_the_settings(tmp_path: Path) -> None:
    assert "12345" not in repr(load(tmp_path, WHYCART_GRAPH_PASSWORD="12345"))


def test_declared_kinds_reach_the_schema(tmp_path: Path) -> None:
    relation = '[graph.relations.MADE_OF]\nfrom = "Product"\nto = "Material"\n'
    text = f"[graph.nodes.Material]\n{relation}[events.returned]\nweight = -4\n"

    schema = load(tmp_path, text).schema

    assert ("material_id", "Material", -4.0) == (
        schema.nodes["Material"].key,
        schema.relation("MADE_OF").target,
        schema.event("returned").weight,
    )


def test_a_flag_reaches_its_section(tmp_path: Path) -> None:
    assert 1234 == load_settings(flags={"serve": {"port": 1234}}, environment={}, folder=tmp_path).serve.port


def test_a_section_is_read_on_demand_with_its_flags(tmp_path: Path) -> None:
    settings = load(tmp_path, "[serve]\nport = 9000\n")

    assert ServeConfig(port=9000, workers=2) == settings.section("serve", ServeConfig, flags={"workers": 2})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[serv]\n", "unknown key 'serv'; did you mean 'serve'?"),
        ("[serve]\nprot = 1\n", "unknown key 'prot'; did you mean 'port'?"),
        ("[serve]\nport = 70000\n", "port must be between 0 and 65535, got 70000"),
        ("[serve]\nworkers = 0\n", "workers must be at least 1, got 0"),
        ("[graph]\nuri = 3\n", "uri must be a text, got 3"),
        ("[graph]\ncolour = 3\n", "unknown key 'colour'"),
        ("home = 3\n", "home must be a path, got 3"),
        ("[serve\n", "not a TOML file"),
        ("[events.bought]\nwight = 1\n", "did you mean 'weight'?"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(WhycartError) as caught:
        load(tmp_path, text)

    assert message in str(caught.value)


def test_every_mistake_in_the_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "[serv]\n")

    assert 2 == caught.value.exit_code


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        load(tmp_path, WHYCART_CONFIG="nowhere.toml")


def test_the_folders_of_the_home_are_where_the_documentation_says(tmp_path: Path) -> None:
    settings = load(tmp_path)

    places = (settings.snapshots, settings.cache, settings.bundles, settings.state)

    assert ["snapshots", "cache", "bundles", "state.db"] == [place.relative_to(settings.home).name for place in places]
