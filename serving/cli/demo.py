"""`whycart demo`: the whole job on real data, from files to recommendations that say why, in a folder of its own.

It runs the same steps as `whycart ingest`, `whycart retrain` and `whycart serve`, one after the other, and then talks
to its own API (`serving.cli.demo_story`). A project around it is left alone.
"""

import contextlib
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

import typer

from cypher.errors import InputError
from gnn.stopwatch import Stopwatch
from kg import local_server
from kg.extract import read_nodes
from kg.ingest import ingest
from kg.progress import Progress
from kg.snapshot import Snapshot
from kg.sources.complete_journey import complete_journey
from kg.sources.generated import generated_shop
from kg.store import GraphStore
from kg.tables import Tables
from serving.cli.demo_process import Api, MemoryMeter, running_api
from serving.cli.demo_story import tell_story
from serving.cli.learn import read_config, tell_report, use_all_cores
from serving.cli.output import progress_bars, say
from serving.graph_input import snapshot_of_graph
from serving.model_store import open_models
from serving.retrain import Place, retrain
from serving.settings import FILE_NAME, Settings, load_settings
from serving.steps import StepOutcome, Steps

HOUSEHOLDS = 300
"""Households of the sample of real data."""
MIN_BUYERS = 3
"""Products of the sample that fewer of its households bought are left out."""
USERS, EVENTS = 800, 30_000
"""Size of the generated shop."""
NUM_STEPS = 12
_KEPT_BUNDLES = 2
_NOT_INHERITED = ("WHYCART_HOME", "WHYCART_CONFIG", "WHYCART_GRAPH_FOLDER", "WHYCART_SERVE_")


@dataclass(frozen=True, slots=True)
class Project:
    """The demo's own project."""

    folder: Path
    environment: Mapping[str, str]
    """For processes that work on it."""
    settings: Settings


@dataclass(frozen=True, slots=True)
class Shop:
    """The data set that was asked for."""

    name: str
    """Folder of the demo's project."""
    person: str
    """What the data set calls a user."""
    households: int | None
    users: int
    events: int


def demo(
    data: Annotated[
        Literal["journey", "generated"], typer.Option("--data", help="Real or generated shop.")
    ] = "journey",
    full: Annotated[bool, typer.Option("--full", help="All 2,469 households of the real data.")] = False,
    households: Annotated[int, typer.Option("--households", min=1, help="Households of the real data.")] = HOUSEHOLDS,
    users: Annotated[int, typer.Option("--users", min=20, help="Users of the generated shop.")] = USERS,
    events: Annotated[int, typer.Option("--events", min=600, help="Events of the generated shop.")] = EVENTS,
    port: Annotated[int, typer.Option("--port", help="Port of the API; 0 takes any free one.")] = 0,
    keep: Annotated[
        bool | None, typer.Option("--keep/--no-keep", help="Go on serving until Ctrl-C; default: on a terminal.")
    ] = None,
) -> None:
    """Run the whole job on real data, from files to recommendations that say why.

    Everything it writes is in .whycart/demo-...; a second run reuses what is unchanged there.

    Example: whycart demo --data generated --no-keep
    """
    shop = _shop(data, None if full else households, users=users, events=events)
    started = time.perf_counter()
    signal.signal(signal.SIGTERM, _leave)
    use_all_cores()
    project = open_project(shop.name)
    say(f"The demo works in {project.folder}")
    with MemoryMeter() as meter, contextlib.ExitStack() as ends:
        steps = Steps(Stopwatch(), _Teller())
        store, tables = _fill_graph(shop, project, steps, ends=ends)
        snapshot = _learn(store, tables, project, steps=steps)
        with steps.step("serve"):
            api = ends.enter_context(running_api(project.folder, environment=project.environment, port=port))
            steps.says(f"{api.url} is ready")
        user_id, product_id = tell_story(api, snapshot, person=shop.person)
        took = time.perf_counter() - started
        say(f"\nAll of it took {took:.0f} s and at most {meter.peak_bytes / 1024**3:.1f} GiB of memory.")
        stays = sys.stdout.isatty() if keep is None else keep
        _tell_next(project, api, user_id, product_id, stays=stays)
        if stays:
            _wait(api)


def open_project(name: str) -> Project:
    """Make the demo's own project below the home folder of the one around it, and return it.

    Of the environment, what names a graph server of the user's and what tunes the learning is passed on; files of a
    project around are not read.
    """
    folder = Path(os.environ.get("WHYCART_HOME", ".whycart")).expanduser().absolute() / name
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / FILE_NAME
    file.write_text('# The project of "whycart demo"; made anew by each run.\nhome = "."\n', encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_INHERITED)}
    environment["WHYCART_CONFIG"] = str(file)
    return Project(folder, environment, load_settings(environment=environment, folder=folder))


class _Teller:
    """Prints each step with its number, its seconds and what came out."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, step: StepOutcome) -> None:
        self._number += 1
        line = "the table below" if step.report is not None else step.line
        say(f"[{self._number}/{NUM_STEPS}] {step.name:<18}{step.took_s:7.1f} s  {line}")
        if step.report is not None:
            say("")
            tell_report(step.report)
            say("")


def _shop(data: str, households: int | None, *, users: int, events: int) -> Shop:
    if data == "journey":
        ending = {None: "-full", HOUSEHOLDS: ""}.get(households, f"-{households}")
        return Shop(f"demo-journey{ending}", "household", households, users, events)
    ending = "" if (users, events) == (USERS, EVENTS) else f"-{users}-{events}"
    return Shop(f"demo-generated{ending}", "user", households, users, events)


def _fill_graph(shop: Shop, project: Project, steps: Steps, *, ends: contextlib.ExitStack) -> tuple[GraphStore, Tables]:
    with steps.step("read the data"), progress_bars(transient=True) as progress:
        tables = _read(shop, progress)
        counts = [f"{tables.nodes[label].num_rows:,} {word}" for label, word in _KINDS.items()]
        steps.says(f"{', '.join(counts)}, {tables.events.num_rows:,} events{_left_out(shop)}")
    with steps.step("import"), progress_bars(transient=True) as progress:
        config = project.settings.graph
        is_ours = config.uri is None and local_server.status(config.folder) is None
        store = ends.enter_context(GraphStore.open(config, owned=is_ours))
        if config.uri is not None:
            _refuse_foreign(store, tables)
        written = ingest(store, tables, progress=progress)
        new = written.nodes_created + written.edges_created + written.events_created
        outcome = f"{new:,} new" if new else "nothing new, all of it was there"
        steps.says(f"{written.num_rows:,} rows in the graph at {store.server.uri}: {outcome}")
    return store, tables


_KINDS = {"User": "users", "Product": "products", "Brand": "brands", "Category": "categories"}


def _read(shop: Shop, progress: Progress) -> Tables:
    if shop.name.startswith("demo-journey"):
        rare = 1 if shop.households is None else MIN_BUYERS
        return complete_journey(households=shop.households, min_buyers=rare, progress=progress).tables
    products = max(30, shop.events // 20)
    brands = min(70, max(4, products // 20))
    return generated_shop(products=products, brands=brands, users=shop.users, events=shop.events).tables


def _left_out(shop: Shop) -> str:
    if not shop.name.startswith("demo-journey") or shop.households is None:
        return ""
    return f" (a sample; products that fewer than {MIN_BUYERS} of these households bought are left out)"


def _refuse_foreign(store: GraphStore, tables: Tables) -> None:
    """A graph with products of somebody else would be learned from, and filled up with the demo's."""
    ours = set(tables.nodes["Product"].column(0).to_pylist())
    there = read_nodes(store, tables.schema.nodes["Product"]).column(0).to_pylist()
    others = [product for product in there if product not in ours]
    if others:
        raise InputError(
            f"the graph at {store.server.uri} holds {len(others):,} products that are not the demo's, such as "
            f"{others[0]!r}; give an empty database (WHYCART_GRAPH_DATABASE), or unset WHYCART_GRAPH_URI"
        )


def _learn(store: GraphStore, tables: Tables, project: Project, *, steps: Steps) -> Snapshot:
    """Run the retraining job on the graph as it was at the end of the data, without what earlier demos sent."""
    settings = project.settings
    for name in ("", "-wal", "-shm"):
        settings.state.with_name(settings.state.name + name).unlink(missing_ok=True)
    bundles = open_models(settings)
    with progress_bars(transient=True) as progress:
        with steps.step("snapshot"):
            snapshot = snapshot_of_graph(store, tables.schema, cutoff=_end_of(tables), progress=progress)
            steps.says(f"{len(snapshot.events):,} events up to the end of the data, hash {snapshot.hash[:16]}")
        retrain(
            snapshot,
            Place(bundles, settings.cache),
            config=read_config(settings),
            progress=progress,
            step_done=steps.done,
        )
    for version in bundles.versions()[:-_KEPT_BUNDLES]:
        shutil.rmtree(bundles.folder / version)
    return snapshot


def _end_of(tables: Tables) -> datetime:
    last = max(tables.events["at"].to_pylist())
    return datetime.fromtimestamp((last + 1) / 1000, UTC)


def _tell_next(project: Project, api: Api, user_id: str, product_id: str, *, stays: bool) -> None:
    command = "whycart" if shutil.which("whycart") else str(Path(sys.executable).parent / "whycart")
    user, product = shlex.quote(user_id), shlex.quote(product_id)
    say("\nTry next:")
    say(f"  cd {shlex.quote(str(project.folder))}")
    for line in (
        f"recommend {user} -n 5 --paths",
        f"explain {user} {product}",
        f"graph query co_purchased --param product_id={product} --param limit=5",
        "models show",
    ):
        say(f"  {command} {line}")
    if not stays:
        say(f"  {command} serve        # then, for example:")
    url = api.url if stays else "http://127.0.0.1:8000"
    say(f"  curl '{url}/v1/recommend/{user_id}?n=5&explain=paths'")
    say(f"  curl '{url}/v1/explain?user={user_id}&product={product_id}'")


def _wait(api: Api) -> None:
    say(f"\nServing at {api.url} until Ctrl-C ...")
    try:
        api.process.wait()
    except KeyboardInterrupt:
        say("\nstopped")


def _leave(number: int, frame: FrameType | None) -> None:
    """End through all blocks, so that what was started is ended too."""
    raise SystemExit(128 + number)
