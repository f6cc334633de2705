"""The page and the document on quality: every figure is there, nothing of another host, nothing unescaped."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from bench.quality import quality_page as markdown_page
from gnn.contest import ContestConfig, run_contest
from gnn.outcome import outcome_to_json, sum_up
from gnn.split import SplitName, split_snapshot
from serving.quality_page import quality_page
from serving.quality_plots import Row, plot_bars, plot_differences
from serving.quality_words import difference_sentences, setting_sentence, verb
from tests.support.entrants import make_simple
from tests.support.random_shops import random_snapshot

ABOUT = {
    "data": "shop <b>",
    "relations": ["ALSO_BOUGHT"],
    "snapshot": "0123456789abcdef" * 4,
    "command": "whycart bench quality --data shop",
    "commit": "abc123",
    "versions": {"python": "3.11"},
    "made_at": "2026-01-31T12:00:00Z",
    "wall_s": 12.0,
}


def result_of(name: SplitName = "temporal", *, models: tuple[str, ...] = ("popularity", "whycart")) -> dict[str, Any]:
    shop = random_snapshot(0, users=30, products=40, events=900)
    config = ContestConfig(models=models, ks=(3, 5), seeds=(0, 1))
    contest = run_contest(
        shop, lambda seed: split_snapshot(shop, name=name, share=0.15, seed=seed), make_simple, config=config
    )
    plain: dict[str, Any] = json.loads(json.dumps(outcome_to_json(sum_up(contest), ABOUT)))
    return plain


RESULT = result_of()


class Links(HTMLParser):
    """Collects what a browser would fetch, and the tags that are open."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.scripts = 0
        self.images = 0
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.images += tag == "svg"
        for name, value in attrs:
            if name in ("src", "srcset", "href", "xlink:href", "data", "poster", "action") and value:
                self.fetched.append(value)
            if name == "id" and value:
                self.ids.append(value)


def read(page: str) -> Links:
    links = Links()
    links.feed(page)
    return links


def test_the_page_asks_no_other_host_for_anything() -> None:
    page = quality_page(RESULT)
    links = read(page)

    assert [] == [target for target in links.fetched if not target.startswith("#")]
    assert (0, []) == (links.scripts, re.findall(r"https?://|@import|url\((?!#)", page))


def test_every_reference_inside_a_drawing_finds_its_one_target() -> None:
    page = quality_page(RESULT)
    links = read(page)
    used = {target[1:] for target in links.fetched} | set(re.findall(r"url\(#([^)]+)\)", page))

    assert len(links.ids) == len(set(links.ids))
    assert used <= set(links.ids)


def test_the_page_holds_every_figure_and_how_to_repeat_it() -> None:
    page = quality_page(RESULT)

    for model in RESULT["models"].values():
        for name, value in model["metrics"].items():
            if name.partition("@")[0] in ("ndcg", "recall", "hit", "precision", "mrr", "map"):
                assert f"{value['mean']:.4f}" in page
    for fact in ("whycart bench quality --data shop", "abc123", "2026-01-31T12:00:00Z", "0123456789abcdef", "0, 1"):
        assert fact in page
    assert {"popularity", "whycart"} <= set(re.findall(r"<summary>(\w+)</summary>", page))
    parts = set(RESULT["models"]["popularity"]["slices"])
    assert read(page).images == 3 + 3 + len(parts)


def test_names_are_escaped() -> None:
    page = quality_page(RESULT)

    assert "shop &lt;b&gt;" in page
    assert "shop <b>" not in page
    assert "<i>" not in plot_bars([Row("<i>", 0.1, 0.0, 0.2)], "<i>")


def test_a_page_without_a_subject_or_slices_has_no_empty_section() -> None:
    bare = RESULT | {
        "paired": {},
        "models": {name: model | {"slices": {}} for name, model in RESULT["models"].items()},
    }

    page = quality_page(bare)

    assert ("Differences on the same users" in page, "For whom" in page) == (False, False)
    assert "What it costs" in page


def test_a_random_split_counts_splits_and_not_seeds() -> None:
    assert "2 splits" in setting_sentence(result_of("random"))
    assert "2 seeds" in setting_sentence(RESULT)


@pytest.mark.parametrize("drawn", [plot_bars, plot_differences], ids=["bars", "differences"])
def test_a_drawing_has_the_colours_of_the_page_and_says_what_it_shows(drawn: Any) -> None:
    text = drawn([Row("ease", 0.1, 0.05, 0.2), Row("pop$ular$", -0.1, -0.2, -0.05), Row("x", 0.0, 0.0, 0.0)], "ndcg@5")

    assert [] == re.findall(r"#[0-9a-fA-F]{6}\b", re.sub(r'"#[^"]+"', "", text))
    assert 'aria-label="ndcg@5: ease 0.1000 [0.0500, 0.2000]' in text
    assert "pop$ular$" in text


def test_a_drawing_of_zeros_can_be_made() -> None:
    assert plot_bars([Row("x", 0.0, 0.0, 0.0)], "t").startswith("<svg")


def test_the_strongest_rival_is_named_first() -> None:
    result = result_of(models=("noise", "popularity", "whycart"))
    rivals = sorted(("noise", "popularity"), key=lambda name: -result["models"][name]["metrics"]["ndcg@5"]["mean"])

    sentences = difference_sentences(result)

    assert [True, True] == [rival in sentence for rival, sentence in zip(rivals, sentences, strict=True)]


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0.1, 0.2, "beats"), (-0.1, 0.2, "is level with"), (-0.2, -0.1, "is below")]
)
def test_only_an_interval_beside_zero_decides(low: float, high: float, words: str) -> None:
    assert words == verb({"low": low, "high": high})


def test_the_document_holds_table_sentences_and_command(tmp_path: Path) -> None:
    file = tmp_path / "a-shop.json"
    file.write_text(json.dumps(RESULT), encoding="utf-8")

    page = markdown_page([file])

    assert "## a-shop\n" in page
    assert "whycart bench quality --data shop" in page
    assert [f"- {sentence}." for sentence in difference_sentences(RESULT)] == re.findall(r"^- .*$", page, re.MULTILINE)
    widths = {line.count("|") for line in page.splitlines() if line.startswith(("| ", "|-"))}
    assert 2 == len(widths)
    best = max(model["metrics"]["hit@5"]["mean"] for model in RESULT["models"].values())
    assert f"**{best:.4f}**" in page


def test_the_document_is_written_from_the_files_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "PAGE", tmp_path)
    without = bench.main(["--only", "quality"])
    (tmp_path / "quality").mkdir()
    (tmp_path / "quality" / "b.json").write_text(json.dumps(RESULT), encoding="utf-8")

    code = bench.main(["--only", "quality"])

    assert (1, 0) == (without, code)
    assert "## b\n" in (tmp_path / "quality.md").read_text(encoding="utf-8")
