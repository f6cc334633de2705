"""`whycart models canary`: a model that some users are shown before the others, and what came of it."""

import time
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cypher.errors import InputError
from gnn.bundles import BundleStore
from gnn.canary import Canary, canary_from_now
from gnn.errors import BundleError
from serving.cli.output import print_json, print_table, say
from serving.model_store import open_models
from serving.publish_config import PublishConfig
from serving.settings import Settings, load_settings

_LATEST = 5


def canary(
    version: Annotated[
        str | None, typer.Argument(help="Model to show; not given: what comes of the one shown.")
    ] = None,
    share: Annotated[
        float | None, typer.Option("--share", min=0.0, max=1.0, help="Part of the users; not given: [publish] canary.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0.0, help="After which all are shown it; 0: you decide.")
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Show it to nobody any more.")] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is stopped; kept.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a model to some users, say what they took up of its lists, or end that.

    'whycart models promote' shows it to all. A share of 0.5 and 0 hours make an A/B test.

    Example: whycart models canary 20260131T120000Z-1a2b3c4d --share 0.05
    """
    settings = load_settings()
    store = open_models(settings)
    if stop:
        if version is not None or share is not None or hours is not None:
            raise InputError("--stop ends the canary under way; leave out VERSION, --share and --hours")
        _stop(store, reason)
    elif version is not None:
        _begin(store, version, settings.section("publish", PublishConfig), share=share, hours=hours)
    else:
        _tell(store, settings, as_json=as_json)


def _stop(store: BundleStore, reason: str) -> None:
    try:
        found = store.canary.read()
    except BundleError:
        store.canary.drop()
        say("what said which model some users are shown could not be read and is gone; all are shown the same")
        return
    if found is None:
        raise InputError("no model is shown to some users only; 'whycart models list' shows which there are")
    store.canary.end(found, "stopped", reason or "stopped on the command line", now_ms=int(time.time() * 1000))
    say(f"{found.version} is shown to nobody any more, all are shown {found.before}")


def _begin(
    store: BundleStore, version: str, config: PublishConfig, *, share: float | None, hours: float | None
) -> None:
    before, part = store.current_version(), share or config.canary
    if before is None or before == version:
        raise InputError(
            f"{version} is served to all already; 'whycart models list' shows others"
            if before
            else "nothing is served yet; 'whycart models promote' serves a model to all"
        )
    if not 0.0 < part < 1.0:
        raise InputError(f"--share must be above 0 and below 1, got {part:g}; 0.05 are five of a hundred users")
    store.load(version)
    last = config.canary_hours if hours is None else hours
    begun = canary_from_now(version, before=before, share=part, hours=last)
    say(store.canary.begin(begun).words)


def _tell(store: BundleStore, settings: Settings, *, as_json: bool) -> None:
    under_way, ended = store.canary.read(), store.canary.ended()[-_LATEST:]
    found = None if under_way is None else _uptake(under_way, settings)
    if as_json:
        past = [asdict(one) for one in ended]
        print_json({"canary": under_way and asdict(under_way), "uptake": found and found.facts(), "ended": past})
        return
    if under_way is not None and found is not None:
        say(under_way.words)
        print_table(("model", "shown to", "users", "lists", "took up", "from", "to"), found.rows())
        for sentence in found.sentences(min_users=settings.section("publish", PublishConfig).min_users):
            say(sentence)
    elif not ended:
        say("no model was shown to some users only yet; [publish] canary, or give a VERSION and --share")
    for one in reversed(ended):
        say(f"{one.canary.version} ({one.canary.share:.1%}): {one.ending}, {one.why}")


def _uptake(canary: Canary, settings: Settings) -> Any:
    from serving.uptake import UptakeLog  # brings scipy, which moving the pointer does without

    days = settings.section("publish", PublishConfig).taken_days
    with UptakeLog.open(settings.state) as log:
        return log.read(canary, until_ms=int(time.time() * 1000), days=days)
