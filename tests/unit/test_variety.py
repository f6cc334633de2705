"""Varied lists: the greedy rule against a loop, and what it does to the lists of random shops."""

import itertools

import numpy as np
import pytest

from cypher.errors import InputError
from gnn.score import top_products
from serving.answer import RecommendRequest
from serving.history import NoEvents, past_of
from serving.ready import Ready, prepare
from serving.recommend import recommend
from serving.variety import liken, vary
from tests.support.models import random_bundle
from tests.support.random_shops import random_snapshot

WISH = RecommendRequest(user_id="u01", n=8)


@pytest.fixture(scope="module", params=(0, 1, 2))
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    snapshot = random_snapshot(request.param, users=12, products=40, events=200)
    return prepare(random_bundle(snapshot, tmp_path_factory.mktemp("bundle")))


def scores_of(ready: Ready) -> np.ndarray:
    history = past_of(ready.bundle, NoEvents(), WISH).read()
    return ready.bundle.scorer.spread(history).scores


def loop(scores: np.ndarray, likeness: np.ndarray, *, diversity: float, k: int) -> list[int]:
    """Places of the chosen candidates, by the rule as it is written."""
    low, high = scores.min(), scores.max()
    relevance = [(score - low) / (high - low) for score in scores]
    chosen = [0]
    while len(chosen) < min(k, len(scores)):
        rest = [place for place in range(len(scores)) if place not in chosen]
        worth = [
            (1 - diversity) * relevance[place] - diversity * max(likeness[other][place] for other in chosen)
            for place in rest
        ]
        chosen.append(rest[int(np.argmax(worth))])
    return chosen


@pytest.mark.parametrize("diversity", [0.1, 0.5, 0.9, 1.0])
def test_candidates_are_chosen_as_the_rule_says(diversity: float, ready: Ready) -> None:
    scores = scores_of(ready)
    ranked = top_products(scores, np.ones(len(scores), dtype=bool), k=30)

    found = vary(ready, ranked, scores, diversity=diversity, k=12)

    expected = loop(scores[ranked], liken(ready, ranked), diversity=diversity, k=12)
    assert ranked[expected].tolist() == found.tolist()
    assert found[:5].tolist() == vary(ready, ranked, scores, diversity=diversity, k=5).tolist()


def test_likeness_is_that_of_vectors_and_of_categories(ready: Ready) -> None:
    products = np.arange(12)
    vectors = np.hstack(list(ready.index.parts.values()))
    categories = [set(ready.finder._categories_of(int(product))) for product in products]

    found = liken(ready, products)

    for one, other in itertools.product(range(12), repeat=2):
        either = categories[one] | categories[other]
        overlap = len(categories[one] & categories[other]) / len(either) if either else 0.0
        cosine = min(max(float(vectors[one] @ vectors[other]), 0.0), 1.0)
        assert found[one, other] == pytest.approx((cosine + overlap) / 2, abs=1e-5)


def test_lists_get_more_varied_and_less_relevant(ready: Ready) -> None:
    ids = ready.bundle.snapshot.ids("Product")
    varied, scores = [], []
    for diversity in (0.0, 0.5, 1.0):
        wish = RecommendRequest(user_id="u01", n=8, diversity=diversity)
        items = recommend(ready, NoEvents(), wish).items
        likeness = liken(ready, np.array([ids.index(item.product_id) for item in items]))
        varied.append(1.0 - likeness[np.triu_indices(len(items), k=1)].mean())
        scores.append(sum(item.score for item in items))
        assert list(range(1, 9)) == [item.rank for item in items]

    assert varied[0] < varied[2]
    assert scores[0] >= scores[1] >= scores[2] - 1e-9
    assert recommend(ready, NoEvents(), WISH) == recommend(ready, NoEvents(), RecommendRequest(user_id="u01", n=8))


def test_pages_of_a_varied_list_follow_each_other(ready: Ready) -> None:
    def ids(n: int, offset: int) -> list[str]:
        wish = RecommendRequest(user_id="u01", n=n, offset=offset, diversity=0.4)
        return [item.product_id for item in recommend(ready, NoEvents(), wish).items]

    assert ids(9, 0) == [*ids(3, 0), *ids(3, 3), *ids(3, 6)]


def test_nothing_to_choose_from_is_no_error(ready: Ready) -> None:
    assert [] == vary(ready, np.zeros(0, dtype=np.int64), scores_of(ready), diversity=0.5, k=3).tolist()


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan")])
def test_a_diversity_out_of_range_is_refused(diversity: float, ready: Ready) -> None:
    with pytest.raises(InputError, match="diversity must be between 0 and 1"):
        recommend(ready, NoEvents(), RecommendRequest(user_id="u01", diversity=diversity))
