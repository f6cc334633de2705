"""The page of the runs: figures, faults and alarms stand in it, text of others stays text, no other host is asked."""

import re
from typing import Any

from gnn.canary import Canary, Ended
from serving.runs import Run
from serving.runs_page import Told, runs_page


def told(run_id: str, outcome: Any, *, value: float, started_at_ms: int, **report: Any) -> Told:
    run = Run(
        run_id=run_id, started_at_ms=started_at_ms, ended_at_ms=started_at_ms + 60_000, outcome=outcome, host="h",
        pid=1, data=None, config={}, snapshot="abc", version=f"v-{run_id}", sentence="", steps=(),
    )  # fmt: skip
    metrics = {"ndcg@10": {"mean": value, "low": value, "high": value}}
    models = {"whycart": {"metrics": metrics}, "habit": {"metrics": {"ndcg@10": {"mean": 0.1, "low": 0, "high": 1}}}}
    return Told(run, {"k": 10, "num_train_events": 1000, "best_baseline": "habit", "models": models} | report)


def test_the_page_says_what_happened() -> None:
    line = {"name": "events", "passed": False, "sentence": "700 events, <b>70%</b> of the live model"}
    alarm = {"name": "categories", "alarm": True, "sentence": "categories have shifted by 0.40"}
    runs = [
        told("a", "published", value=0.25, started_at_ms=1_000_000),
        told("b", "refused", value=0.125, started_at_ms=90_000_000, gate={"lines": [line]}),
        told("c", "published", value=0.5, started_at_ms=180_000_000, drift={"since": None, "watched": [alarm]}),
    ]

    page = runs_page(runs, served="v-c")

    assert all(text in page for text in ("0.2500", "0.1250", "0.5000", "0.1000", "v-c", "refused"))
    assert "700 events, &lt;b&gt;70%&lt;/b&gt; of the live model" in page
    assert "categories have shifted by 0.40" in page
    assert 2 == page.count("<svg")
    assert not re.search(r'(src|href)="(?!#)', page)


def test_a_run_whose_bundle_is_gone_is_told_all_the_same() -> None:
    lost = told("a", "lost", value=0.0, started_at_ms=0)

    page = runs_page([Told(lost.run, {})], served=None)

    assert "lost" in page
    assert "nothing yet" in page


def test_an_incremental_run_shows_no_figure_of_another_one() -> None:
    assert told("a", "published", value=0.5, started_at_ms=0, measured_by="v-x").value("whycart") is None


def test_models_that_some_were_shown_first_stand_in_it() -> None:
    canary = Canary(version="v-b", before="v-a", share=0.05, since_ms=0, until_ms=None)

    page = runs_page(
        [told("a", "published", value=0.25, started_at_ms=0)],
        served="v-a",
        canaries=[Ended(canary, 5_400_000, "alarm", "more of its <answers> fail")],
    )

    assert all(text in page for text in ("v-b", "5.0%", "1.5", "alarm", "more of its &lt;answers&gt; fail"))
    assert "Shown to some" not in runs_page([told("a", "published", value=0.25, started_at_ms=0)], served="v-a")
