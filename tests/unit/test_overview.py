"""The view of a whole model: its lists are those that are served, shares add up, and small parts are not shown."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cypher.errors import InputError
from gnn.bundle import Bundle
from gnn.score import Scorer, user_history
from kg.kernels import EmbeddingKernel
from serving.answer import RecommendRequest
from serving.cli.main import main
from serving.groups import group_of
from serving.history import NoEvents
from serving.overview import LENGTH, NEW, Overview, Sample, build_overview, draw_sample
from serving.ready import prepare
from serving.recommend import recommend
from serving.shelf import Shelf, build_shelf
from tests.support.models import random_bundle, random_scorer
from tests.support.random_shops import random_snapshot
from tests.support.tiny_bundle import publish_tiny_bundle

USERS = 40


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return random_bundle(random_snapshot(1, users=USERS, products=40, events=900), tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def shelf(bundle: Bundle) -> Shelf:
    return build_shelf(bundle.snapshot)


@pytest.fixture(scope="module")
def sample(bundle: Bundle, shelf: Shelf) -> Sample:
    return draw_sample(shelf, bundle.scorer, exclude_seen=False)


@pytest.fixture(scope="module")
def overview(bundle: Bundle, shelf: Shelf, sample: Sample) -> Overview:
    return build_overview(shelf, bundle.scorer, sample, seed=0)


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    publish_tiny_bundle(tmp_path / "bundles")
    monkeypatch.setenv("WHYCART_HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str) -> object:
    """Run `whycart explain` and return its exit code."""
    try:
        return main(["explain", *arguments])
    except SystemExit as end:
        return end.code


def only_habit(scorer: Scorer) -> Scorer:
    """Return the model with nothing but own habit in it."""
    weights = np.where([[name == "habit"] for name in scorer.blend.kernels], scorer.blend.weights, 0.0)
    return replace(scorer, blend=replace(scorer.blend, weights=weights, prior_weights=np.zeros(2)))


def test_every_kernel_stands_in_the_group_a_reader_would_look_in() -> None:
    kernels = random_scorer(random_snapshot(0)).kernels

    groups = {kernel.name: group_of(kernel) for kernel in kernels}

    expected = {
        "brand": "brand",
        "category_1": "category",
        "made_of": "made of",
        "also_bought": "also bought",
        "co_purchase": "what customers did",
        "ease": "what customers did",
        "text": "text",
        "words": "text",
        "habit": "habit",
        "network": "the network",
    }
    assert expected == {name: groups[name] for name in expected}


def test_a_low_pass_kernel_is_what_customers_did_and_not_the_network() -> None:
    vectors = np.ones((2, 1), dtype=np.float32)

    assert "what customers did" == group_of(EmbeddingKernel("smooth", vectors, vectors))


def test_the_lists_are_those_that_are_served(bundle: Bundle, sample: Sample) -> None:
    ready, lists = prepare(bundle), sample.known
    ids = bundle.snapshot.ids("Product")

    served = [
        [
            (item.product_id, pytest.approx(item.score, rel=1e-5))
            for item in recommend(ready, NoEvents(), RecommendRequest(user_id=user_id)).items
        ]
        for user_id in bundle.snapshot.ids("User")
    ]

    found = [
        [(ids[lists.item_product[item]], lists.parts[item].sum()) for item in np.flatnonzero(lists.item_user == place)]
        for place in range(USERS)
    ]
    assert served == found


def test_no_product_of_the_history_is_in_a_list_where_these_are_left_out(bundle: Bundle, shelf: Shelf) -> None:
    lists = draw_sample(shelf, bundle.scorer, exclude_seen=True).known

    seen = [
        (place, product)
        for place, product in zip(lists.item_user.tolist(), lists.item_product.tolist(), strict=True)
        if product in lists.histories[place].product
    ]

    assert [] == seen


def test_the_shares_of_every_part_add_up_to_one(overview: Overview) -> None:
    totals = [sum(share.mean for share in part.shares.values()) for part in overview.segments]

    assert pytest.approx([1.0] * len(totals)) == totals


def test_every_item_is_led_by_one_group(overview: Overview) -> None:
    totals = [sum(share.mean for share in part.leads.values()) for part in overview.segments]

    assert pytest.approx([1.0] * len(totals)) == totals


def test_the_kernels_of_a_group_add_up_to_its_share(overview: Overview) -> None:
    added = dict.fromkeys(overview.groups, 0.0)
    for group, share in overview.kernels.values():
        added[group] += share.mean

    assert pytest.approx({name: share.mean for name, share in overview.everybody.shares.items()}) == added


def test_a_mean_lies_in_its_interval(overview: Overview) -> None:
    shares = [share for part in overview.segments for share in part.shares.values()]

    assert [] == [share for share in shares if not share.low <= share.mean <= share.high]


def test_the_parts_by_length_hold_everybody_but_those_that_are_too_few(overview: Overview, sample: Sample) -> None:
    lengths = [len(np.unique(history.product)) for history in sample.known.histories]
    groups = [sum(low <= length <= high for length in lengths) for low, high in ((1, 4), (5, 19), (20, 99))]

    found = [part.num_users for part in overview.segments if part.kind == LENGTH]

    assert [size for size in groups if size >= 5] == found


def test_a_new_user_is_taken_to_have_done_the_latest_thing_alone(bundle: Bundle, sample: Sample) -> None:
    histories = [user_history(bundle.snapshot, user, now_ms=0).product for user in sample.new.users.tolist()]

    assert [[int(product[-1])] for product in histories] == [
        history.product.tolist() for history in sample.new.histories
    ]


def test_where_only_habit_carries_weight_it_carries_everything(bundle: Bundle, shelf: Shelf) -> None:
    scorer = only_habit(bundle.scorer)
    found = build_overview(shelf, scorer, draw_sample(shelf, scorer, exclude_seen=False), seed=0)

    shares = [(share.low, share.mean, share.high) for part in found.segments for share in [part.shares["habit"]]]

    assert [(1.0, 1.0, 1.0)] * len(shares) == shares


def test_a_part_with_few_users_is_not_shown(tmp_path: Path) -> None:
    bundle = random_bundle(random_snapshot(0, users=4), tmp_path)
    shelf = build_shelf(bundle.snapshot)
    sample = draw_sample(shelf, bundle.scorer, exclude_seen=False)

    found = build_overview(shelf, bundle.scorer, sample, seed=0)

    assert (["everybody"], True) == ([part.name for part in found.segments], len(found.too_few) > 1)


def test_the_same_seed_draws_the_same_users(bundle: Bundle, shelf: Shelf) -> None:
    first, again = (draw_sample(shelf, bundle.scorer, exclude_seen=False, users=7, seed=3).known for _ in range(2))

    assert (7, first.users.tolist()) == (len(again.users), again.users.tolist())


def test_a_sample_of_nobody_is_refused(bundle: Bundle, shelf: Shelf) -> None:
    with pytest.raises(InputError, match="--users must be at least 1, got 0"):
        draw_sample(shelf, bundle.scorer, exclude_seen=False, users=0)


def test_a_group_below_zero_speaks_against_a_list(bundle: Bundle, shelf: Shelf) -> None:
    scorer = replace(bundle.scorer, blend=replace(bundle.scorer.blend, prior_weights=np.array([-0.1, 0.0])))

    found = build_overview(shelf, scorer, draw_sample(shelf, scorer, exclude_seen=False), seed=0)

    assert found.everybody.shares["popularity"].mean < 0


def test_the_command_prints_shares_for_everybody_and_new_users(
    at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("--global", "--users", "6")

    text = capsys.readouterr().out
    assert (0, True, True) == (code, "everybody" in text, "new: latest event only" in text)


def test_the_command_gives_json(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--global", "--json")

    found = json.loads(capsys.readouterr().out)
    assert (5, "everybody", NEW) == (found["num_users"], found["segments"][0]["name"], found["segments"][-1]["kind"])


def test_the_command_writes_a_page(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--global", "--html", str(at_home / "page.html"))

    page = (at_home / "page.html").read_text(encoding="utf-8")
    assert (True, True) == (page.startswith("<!doctype html>"), "page.html" in capsys.readouterr().out)


def test_a_page_that_cannot_be_written_is_bad_input(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("--global", "--html", str(at_home / "nowhere" / "page.html"))

    assert (2, True) == (code, "give a file in a folder there is" in capsys.readouterr().err)


def test_a_bundle_says_what_its_lists_rest_on(small_bundle: Bundle) -> None:
    shares = small_bundle.report["evidence"]["segments"][0]["shares"]

    assert pytest.approx(1.0) == sum(share["mean"] for share in shares.values())


def test_the_card_says_what_the_lists_rest_on(small_bundle: Bundle) -> None:
    card = (small_bundle.folder / "card.md").read_text(encoding="utf-8")

    groups = small_bundle.report["evidence"]["groups"]
    table = card.split("## What the lists rest on")[1].split("##")[0].splitlines()
    assert groups == [line.split(" | ")[0].removeprefix("| ") for line in table[4:] if line]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["u1", "p05", "--global"], "give no USER, PRODUCT"),
        (["--global", "--shapley"], "give no USER, PRODUCT"),
        (["--global", "--users", "0"], "--users must be at least 1"),
        (["u1"], "give USER and PRODUCT"),
        ([], "give USER and PRODUCT"),
        (["u1", "p05", "--html", "page.html"], "give it with --global"),
    ],
)
def test_options_that_do_not_go_together_are_bad_input(
    arguments: list[str], says: str, at_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(*arguments)

    assert (2, True) == (code, says in capsys.readouterr().err)


def test_the_command_shares_one_score_out(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("u1", "p05", "--shapley", "--json")

    found = json.loads(capsys.readouterr().out)
    added = sum(player["shapley_value"] for player in found["players"])
    assert pytest.approx(found["score"] - found["empty_history"]) == added


def test_the_command_prints_values_beside_contributions(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("u1", "p05", "--shapley")

    lines = capsys.readouterr().out.splitlines()
    assert ["because", "of", "Shapley", "value", "contribution"] == lines[1].split()
