"""The page of a model: every line of the gate stands in it, text of others stays text, no other host is asked."""

import re

from serving.model_page import model_page


def value(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.01, "high": mean + 0.01}


def line(name: str, *, passed: bool, sentence: str) -> dict[str, object]:
    return {"part": "data", "name": name, "value": 700.0, "limit": 800.0, "passed": passed, "sentence": sentence}


REPORT = {
    "split": "temporal",
    "k": 10,
    "seed": 0,
    "num_users": 1234,
    "num_products": 50,
    "num_train_events": 9876,
    "models": {name: {"metrics": {"ndcg@10": value(mean)}} for name, mean in (("whycart", 0.4), ("habit", 0.3))},
    "paired": {"whycart-habit": {"ndcg@10": {"diff": 0.1, "low": 0.08, "high": 0.12}}},
    "slices": {"cold": {"num_users": 12, "ndcg": value(0.2)}},
    "gate": {
        "passed": False,
        "overruled": None,
        "sentence": "Refused, 1 of 2 lines not passed: <i>700</i> events.",
        "lines": [
            line("users", passed=True, sentence="all there"),
            line("events", passed=False, sentence="too <b>few"),
        ],
    },
    "drift": {"watched": [{"alarm": True, "sentence": "a flood"}, {"alarm": False, "sentence": "no change"}]},
}


def test_the_page_says_what_the_gate_decided_and_why() -> None:
    page = model_page("v-1", REPORT)

    assert "Refused, 1 of 2 lines not passed: &lt;i&gt;700&lt;/i&gt; events." in page
    assert page.index("data: events") < page.index("data: users")
    assert "too &lt;b&gt;few" in page
    assert "a flood" in page
    assert "no change" not in page
    assert 3 == page.count("<svg")
    assert "1,234 users" in page
    assert not re.search(r'(src|href)="(?!#)', page)


def test_a_model_without_measures_has_a_page_too() -> None:
    page = model_page("v-1", {})

    assert "No gate looked at this model." in page
    assert 0 == page.count("<svg")
