"""What business rules do to a list: against a naive loop, and in every list that there is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnn.score import top_products
from kg.snapshot import build_snapshot
from serving.answer import Answer, Filter, Reason, RecommendRequest
from serving.arrangement import REACH, arrange, check_rule
from serving.errors import FilterError, RuleError
from serving.explain import explain
from serving.history import NoEvents
from serving.home import home_of
from serving.ready import Ready, prepare
from serving.recommend import recommend, similar
from serving.rules import Rule
from serving.search import search
from serving.surfaces import Basket, bought_together, newest, trending
from tests.support.models import random_bundle
from tests.worlds import PRODUCTS, tiny_shop

WISH = RecommendRequest(user_id="u2", n=10, filter=Filter(exclude_seen=False))
IDS = tuple(PRODUCTS)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    return prepare(random_bundle(build_snapshot(tiny_shop()), tmp_path_factory.mktemp("tiny")))


def rule(action: Any, name: str = "one", **said: Any) -> Rule:
    return Rule(name=name, action=action, **said)


def listed(ready: Ready, *rules: Rule, n: int = 10, offset: int = 0, **wish: Any) -> Answer:
    bounds = replace(WISH.filter, rules=tuple(sorted(rules, key=lambda one: one.name)))
    return recommend(ready, NoEvents(), replace(WISH, n=n, offset=offset, filter=bounds, **wish))


def ids(answer: Answer) -> list[str]:
    return [item.product_id for item in answer.items]


def brand_of(ready: Ready, product_id: str) -> str | None:
    snapshot = ready.bundle.snapshot
    edges, row = snapshot.edges["MADE_BY"], snapshot.row("Product", product_id)
    brands = snapshot.ids("Brand")
    ends = zip(edges.source.tolist(), edges.target.tolist(), strict=True)
    return next((brands[brand] for product, brand in ends if product == row), None)


def test_without_rules_nothing_is_said_of_any(ready: Ready) -> None:
    answer = listed(ready)

    assert () == answer.rules
    assert all(not item.rules for item in answer.items)
    assert "rule" not in answer.removed


def test_a_pin_stands_on_its_place_and_says_so(ready: Ready) -> None:
    plain = ids(listed(ready))
    last = plain[-1]

    answer = listed(ready, rule("pin", product_ids=(last,), positions=(2,)))

    assert [plain[0], last, *plain[1:-1]] == ids(answer)
    pinned = answer.items[1]
    assert [("one", "pin")] == [(mark.name, mark.action) for mark in pinned.rules]
    assert Reason.PROMOTED == pinned.reasons[0]
    assert "Promoted by the shop" == pinned.text
    assert ("one",) == answer.rules
    assert all(not item.rules for item in answer.items if item is not pinned)


def test_the_score_of_a_pinned_item_stays_what_the_model_says(ready: Ready) -> None:
    plain = {item.product_id: item.score for item in listed(ready).items}

    answer = listed(ready, rule("pin", product_ids=(IDS[-1],)), rule("boost", "two", where="price > 0", strength=1.0))

    assert plain == pytest.approx({item.product_id: item.score for item in answer.items})


def test_products_are_pinned_in_the_order_named(ready: Ready) -> None:
    wanted = list(reversed(ids(listed(ready))[-3:]))

    assert wanted == ids(listed(ready, rule("pin", product_ids=tuple(wanted))))[:3]


def test_a_pin_takes_the_best_of_a_filter_for_this_user(ready: Ready) -> None:
    plain = ids(listed(ready))
    coffees = ids(listed(ready, rule("hide", where='not category = "Coffee"')))

    answer = listed(ready, rule("pin", where='category = "Coffee"', positions=(1, 4)))

    assert coffees[:2] == [ids(answer)[0], ids(answer)[3]]
    assert sorted(plain) == sorted(ids(answer))


def test_what_may_not_be_listed_is_not_pinned(ready: Ready) -> None:
    answer = listed(ready, rule("pin", product_ids=("p09", "nothing", "p01")))

    assert "p01" == ids(answer)[0]
    assert "p09" not in ids(answer)


def test_where_two_pins_want_a_place_the_first_by_name_has_it(ready: Ready) -> None:
    first, other = ids(listed(ready))[-2:]

    answer = listed(
        ready, rule("pin", "a", product_ids=(first,)), rule("pin", "b", product_ids=(other,), positions=(1, 2))
    )

    assert [first, other] == ids(answer)[:2]


def test_hidden_products_are_left_out_and_counted(ready: Ready) -> None:
    plain = ids(listed(ready))

    answer = listed(ready, rule("hide", where='category = "Tea"'))

    assert 0 < answer.removed["rule"] == len(plain) - len(answer.items)
    assert ids(answer) == [key for key in plain if key in ids(answer)]


def test_why_not_names_the_rule_that_hides(ready: Ready) -> None:
    hidden = ids(listed(ready))[0]
    bounds = replace(WISH.filter, rules=(rule("hide", product_ids=(hidden,)),))

    found = explain(ready, NoEvents(), hidden, request=replace(WISH, filter=bounds))

    assert "rule" == found.removed_by
    assert [("rule", "The rule one of the shop hides it")] == [(cause.kind, cause.text) for cause in found.causes]


def test_a_boost_of_all_strength_puts_its_products_first(ready: Ready) -> None:
    plain, last = ids(listed(ready)), ids(listed(ready))[-1]

    answer = listed(ready, rule("boost", product_ids=(last,), strength=1.0))
    buried = listed(ready, rule("bury", product_ids=(plain[0],), strength=1.0))

    assert ids(answer).index(last) <= 1  # level with the best, which has the smaller row
    assert Reason.PROMOTED == answer.items[ids(answer).index(last)].reasons[-1]
    assert ids(buried).index(plain[0]) >= len(plain) - 2
    assert all(Reason.PROMOTED not in item.reasons for item in buried.items)


def test_boosts_and_buries_of_equal_strength_cancel(ready: Ready) -> None:
    both = [rule("boost", "a", where="price > 0"), rule("bury", "b", where="price > 0")]

    assert ids(listed(ready)) == ids(listed(ready, *both))


def test_a_cap_holds_in_every_block_of_places(ready: Ready) -> None:
    answer = listed(ready, rule("cap", per="brand", most=1, within=2))

    brands = [brand_of(ready, key) for key in ids(answer)]
    pairs = [brands[place : place + 2] for place in range(0, 4, 2)]
    assert all(pair[0] != pair[1] or pair[0] is None for pair in pairs)
    assert sorted(ids(listed(ready))) == sorted(ids(answer))


def test_a_cap_gives_way_where_nothing_else_is_left(ready: Ready) -> None:
    plain = ids(listed(ready))

    assert plain == ids(listed(ready, rule("cap", most=1)))


def test_a_rule_that_names_what_the_shop_lacks_does_nothing_and_is_known(ready: Ready) -> None:
    bad, worse = rule("hide", "bad", where='category = "Cars"'), rule("cap", "worse", per="colour", most=1)

    arranged = arrange(ready.shelf, (bad, worse, rule("hide", where='category = "Tea"')))

    assert ["one"] == [one.name for one in arranged.rules]
    assert "rule bad: no category 'Cars' in this shop" in arranged.skipped[0]
    assert "rule worse: " in arranged.skipped[1]
    assert ids(listed(ready)) == ids(listed(ready, bad, worse))
    with pytest.raises(FilterError, match="no category 'Cars'"):
        check_rule(ready.shelf, bad)
    with pytest.raises(RuleError, match="linked to no 'colour'; per may be brand, category"):
        check_rule(ready.shelf, worse)


def test_pages_fit_together_under_rules(ready: Ready) -> None:
    rules = (
        rule("pin", "a", product_ids=(IDS[-1],), positions=(4,)),
        rule("cap", "b", per="brand", most=1, within=3),
        rule("boost", "c", where='category = "Coffee"'),
    )

    whole = ids(listed(ready, *rules, n=9))

    assert whole == [key for offset in (0, 3, 6) for key in ids(listed(ready, *rules, n=3, offset=offset))]
    assert list(range(4, 7)) == [item.rank for item in listed(ready, *rules, n=3, offset=3).items]


def test_rules_go_with_varied_lists_and_kept_places(ready: Ready) -> None:
    pinned = ids(listed(ready))[-1]

    answer = listed(ready, rule("pin", product_ids=(pinned,)), diversity=0.5, new_every=3)

    assert pinned == ids(answer)[0]
    assert sorted(ids(listed(ready))) == sorted(ids(answer))


def test_what_is_pinned_further_down_does_not_stand_on_an_earlier_page(ready: Ready) -> None:
    first, *others = ids(listed(ready))
    pin = rule("pin", product_ids=(first,), positions=(5,))

    assert others[:3] == ids(listed(ready, pin, n=3))
    assert [others[3], first, others[4]] == ids(listed(ready, pin, n=3, offset=3))
    assert [*others, first] == ids(listed(ready, replace(pin, positions=(100,))))


def test_a_search_goes_by_rules_within_what_fits_it(ready: Ready) -> None:
    def found(*rules: Rule) -> Answer:
        return search(ready, "tea", n=10, filter=Filter(rules=rules)).answer

    plain, others = ids(found()), [key for key in IDS if key not in ids(found())]
    assert len(plain) > 2
    assert others

    hidden = found(rule("hide", product_ids=(plain[0],)))
    pinned = found(rule("pin", product_ids=(others[0], plain[-1])))
    lifted = found(rule("boost", product_ids=(plain[-1],), strength=1.0))

    assert plain[1:] == ids(hidden)
    assert [plain[-1], *plain[:-1]] == ids(pinned)
    assert [("one", "pin")] == [(mark.name, mark.action) for mark in pinned.items[0].rules]
    assert ids(lifted).index(plain[-1]) < len(plain) - 1
    assert {item.product_id: item.score for item in found().items} == {
        item.product_id: item.score for item in lifted.items
    }


def test_the_best_product_says_what_a_mistyped_word_means_whatever_is_pinned(ready: Ready) -> None:
    plain = search(ready, "acme teaa", n=10)
    last = plain.answer.items[-1].product_id

    ruled = search(ready, "acme teaa", n=10, filter=Filter(rules=(rule("pin", product_ids=(last,)),)))

    assert last == ruled.answer.items[0].product_id
    assert plain.corrected == ruled.corrected
    assert plain.corrected


@pytest.mark.parametrize("name", ["similar", "bought_together", "trending", "new"])
def test_every_list_goes_by_rules(ready: Ready, name: str) -> None:
    def answer(*rules: Rule) -> Answer:
        bounds = Filter(rules=rules)
        if name == "similar":
            return similar(ready, "p01", n=10, filter=bounds)
        if name == "bought_together":
            return bought_together(ready, Basket(product_ids=("p01",)), n=10, filter=bounds)
        if name == "trending":
            return trending(ready, (), n=10, filter=bounds)
        return newest(ready, n=10, filter=bounds)

    plain = ids(answer())
    hidden = answer(rule("hide", product_ids=(plain[0],)))
    pinned = answer(rule("pin", product_ids=(IDS[-1],)))

    assert plain[1:] == ids(hidden)
    assert 1 == hidden.removed["rule"]
    assert IDS[-1] == ids(pinned)[0]
    assert ["one"] == [mark.name for mark in pinned.items[0].rules]
    assert [place + 1 for place in range(len(pinned.items))] == [item.rank for item in pinned.items]


def test_products_alike_are_the_same_with_a_rule_that_does_nothing(ready: Ready) -> None:
    idle = Filter(rules=(rule("hide", product_ids=("nothing",)),))

    plain, ruled = similar(ready, "p01", n=10), similar(ready, "p01", n=10, filter=idle)

    assert ids(plain) == ids(ruled)
    assert [item.score for item in plain.items] == pytest.approx([item.score for item in ruled.items])


def test_a_first_page_goes_by_the_rules_of_each_row(ready: Ready) -> None:
    rules = (
        rule("hide", "a", product_ids=("p01",)),
        rule("pin", "b", product_ids=(IDS[-1],), lists=("trending",)),
    )

    page = home_of(ready, NoEvents(), (), replace(WISH, n=4, filter=Filter(rules=rules)))

    shown = {row.kind: [item.product_id for item in row.items] for row in page.rows}
    assert all("p01" not in row for row in shown.values())
    marks = {mark.name for row in page.rows if row.kind != "trending" for item in row.items for mark in item.rules}
    assert set() == marks


NUM = len(IDS)
PLACES = st.lists(st.integers(1, 9), unique=True, min_size=1, max_size=3)


@given(
    scores=st.lists(st.integers(-9, 9), min_size=NUM, max_size=NUM),
    allowed=st.lists(st.booleans(), min_size=NUM, max_size=NUM),
    pins=st.dictionaries(st.sampled_from("ab"), st.tuples(st.permutations(IDS).map(lambda all_: all_[:3]), PLACES)),
    lifts=st.lists(
        st.tuples(st.sampled_from(["boost", "bury"]), st.sets(st.sampled_from(IDS), min_size=1)), max_size=2
    ),
    caps=st.lists(st.tuples(st.integers(1, 2), st.integers(3, 5)), max_size=2),
    k=st.integers(1, NUM),
)
@settings(max_examples=150, deadline=None)
def test_a_list_is_the_one_of_a_naive_loop(
    ready: Ready, scores: Any, allowed: Any, pins: Any, lifts: Any, caps: Any, k: int
) -> None:
    rules = [
        rule("pin", f"a-{name}", product_ids=tuple(keys), positions=tuple(places))
        for name, (keys, places) in pins.items()
    ]
    rules += [
        rule(action, f"b-{at}", product_ids=tuple(sorted(keys)), strength=0.25)
        for at, (action, keys) in enumerate(lifts)
    ]
    rules += [rule("cap", f"c-{at}", per="brand", most=most, within=within) for at, (most, within) in enumerate(caps)]
    rules.sort(key=lambda one: one.name)

    found = arrange(ready.shelf, rules).order(np.array(scores, float), np.array(allowed), k=k, best=top_products)

    assert naive(ready, scores, allowed, rules, k=k) == [IDS[row] for row in found.rows]


def naive(ready: Ready, scores: list[float], allowed: list[bool], rules: list[Rule], *, k: int) -> list[str]:
    there = [key for key, fits in zip(IDS, allowed, strict=True) if fits]
    value = dict(zip(IDS, map(float, scores), strict=True))
    best = sorted((value[key] for key in there), reverse=True)[:REACH]
    reach = (best[0] - best[-1] if best else 0.0) or 1.0
    for one in rules:
        for key in one.product_ids if one.action in ("boost", "bury") else ():
            value[key] += reach * 0.25 * (1 if one.action == "boost" else -1)
    places: dict[int, str] = {}
    for one in (one for one in rules if one.action == "pin"):
        wanted = [key for key in one.product_ids if key in there and key not in places.values()]
        for place in sorted(one.positions):
            if place not in places and wanted:
                places[place] = wanted.pop(0)
    rest = sorted((key for key in there if key not in places.values()), key=lambda key: (-value[key], IDS.index(key)))
    caps = [one for one in rules if one.action == "cap"]
    result: dict[int, str] = dict(places)
    for place in range(1, k + 1):
        if place in places or not rest:
            continue
        chosen = next((key for key in rest if not is_full(ready, result, key, place, caps)), rest[0])
        rest.remove(chosen)
        result[place] = chosen
    return [result[place] for place in sorted(result)][:k]


def is_full(ready: Ready, result: dict[int, str], key: str, place: int, caps: list[Rule]) -> bool:
    mine = brand_of(ready, key)
    for cap in caps:
        first = (place - 1) // (cap.within or 10) * (cap.within or 10) + 1
        block = range(first, first + (cap.within or 10))
        same = sum(brand_of(ready, result[at]) == mine for at in block if at in result)
        if mine is not None and same >= (cap.most or 1):
            return True
    return False
