"""`whycart bench`: how good the model is beside others, on an ordinary input folder.

The job is `serving.quality`'s; here options are read and the outcome is told. No graph server is needed.
"""

import difflib
import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from cypher.errors import InputError
from gnn.ablate import FULL, VARIANTS, make_variants
from gnn.config import LearnConfig
from gnn.contest import ContestConfig
from gnn.entrant import Entrant
from gnn.entrants import ENTRANTS, SEEDED, make_entrants
from gnn.learn import Vectors
from gnn.split import DataSplit, SplitName
from kg.progress import Progress
from serving.cli.learn import read_config, use_all_cores
from serving.cli.output import print_table, progress_bars, say
from serving.cli.times import parse_time
from serving.node_vectors import encode_nodes
from serving.quality import ALL, Question, compare, read_material, write_result
from serving.quality_words import main_k, setting_sentence
from serving.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Compare the model with others on an input folder.")

Data = Annotated[Path, typer.Option("--data", metavar="FOLDER", help="Input folder to compare on.")]
Split = Annotated[
    SplitName | None, typer.Option("--split", help="How to split; not given: the published split, else by the order.")
]
Ks = Annotated[str, typer.Option("--k", metavar="K,...", help="Cut-offs of the metrics, rising.")]
Models = Annotated[str | None, typer.Option("--models", metavar="NAME,...", help="Which models; not given: all.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="Runs, each with a seed of its own.")]
Relations = Annotated[
    str, typer.Option("--relations", metavar="all|none|NAME,...", help="Relations between products that take part.")
]
ValidFrom = Annotated[str | None, typer.Option("--valid-from", metavar="TIME", help="Where validation begins.")]
TestFrom = Annotated[str | None, typer.Option("--test-from", metavar="TIME", help="Where the test part begins.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", exists=True, dir_okay=False, help="A whycart.toml to learn with."),
]
MaxUsers = Annotated[int | None, typer.Option("--max-users", min=1, help="Measure this many test users at most.")]
Json = Annotated[
    Path | None, typer.Option("--json", metavar="OUT", help="Write the JSON here, and the page beside it.")
]


class MakeModels(Protocol):
    """Gives the models of some names for a split."""

    def __call__(
        self,
        names: Sequence[str],
        split: DataSplit,
        *,
        seed: int,
        vectors: Vectors,
        config: LearnConfig,
        progress: Progress,
    ) -> Sequence[Entrant]:
        """Return them, ready to be tuned."""


@app.callback()
def _group() -> None:
    """Compare the model with others on an input folder."""


@app.command()
def quality(
    data: Data,
    split: Split = None,
    k: Ks = "5,10,20",
    models: Models = None,
    seeds: Seeds = 1,
    relations: Relations = ALL,
    valid_from: ValidFrom = None,
    test_from: TestFrom = None,
    config: Config = None,
    max_users: MaxUsers = None,
    out: Json = None,
    context: typer.Context = None,  # type: ignore[assignment]  # typer fills it in
) -> None:
    """Measure the model beside other models, on the same split and users.

    Everything is tuned on validation and ranked against the test part once. Writes JSON and a page with plots.

    Example: whycart bench quality --data shop --k 10,20 --models popularity,ease,whycart
    """
    question = Question(
        data=data,
        contest=ContestConfig(
            models=read_models(models),
            ks=read_ks(k),
            seeds=tuple(range(seeds)),
            seeded=SEEDED,
            max_users=max_users,
        ),
        split=split,
        cuts=read_cuts(valid_from, test_from),
        relations=relations,
        options=given_options(context),
    )
    run(question, config=config, out=out)


@app.command()
def ablation(
    data: Data,
    split: Split = None,
    k: Ks = "10,20",
    variants: Annotated[
        str | None, typer.Option("--variants", metavar="NAME,...", help="Which; all by default.")
    ] = None,
    seeds: Seeds = 1,
    relations: Relations = ALL,
    valid_from: ValidFrom = None,
    test_from: TestFrom = None,
    config: Config = None,
    max_users: MaxUsers = None,
    out: Json = None,
    context: typer.Context = None,  # type: ignore[assignment]  # typer fills it in
) -> None:
    """Measure what each part of the model is worth.

    The model learns anew without the graph, with a shuffled graph, without texts, without attention, head by head.

    Example: whycart bench ablation --data shop --variants full,no_graph,no_text
    """
    known = tuple(variant.name for variant in VARIANTS)
    names = read_models(variants, known=known, option="--variants")
    if FULL not in names:
        raise InputError(f"--variants: every variant is compared with {FULL}; name it too")
    question = Question(
        data=data,
        contest=ContestConfig(
            models=names, ks=read_ks(k), seeds=tuple(range(seeds)), subject=FULL, max_users=max_users
        ),
        split=split,
        cuts=read_cuts(valid_from, test_from),
        relations=relations,
        options=given_options(context),
        command="ablation",
    )
    run(question, config=config, out=out, make_models=make_variants)
    for variant in VARIANTS:
        if variant.name in names:
            say(f"{variant.name}: {variant.says}")


def run(question: Question, *, config: Path | None, out: Path | None, make_models: MakeModels = make_entrants) -> None:
    """Do what was asked and tell what came out.

    Args:
        question: what to compare.
        make_models: gives the models of some names.
        config: the file with the settings of learning; None: the project's own.
        out: the JSON file; None: in the home folder.
    """
    project = load_settings()
    settings = _settings_of(config) if config else project
    learning = read_config(settings)
    use_all_cores()
    with progress_bars() as progress:
        material = read_material(question, settings.schema, progress=progress)
        _, vectors, _ = encode_nodes(material.snapshot, learning.encoder, cache=project.cache, progress=progress)

        def make(names: Sequence[str], split: DataSplit, seed: int) -> Sequence[Entrant]:
            return make_models(names, split, seed=seed, vectors=vectors, config=learning.learn, progress=progress)

        result = compare(question, material, make, config=learning.learn, vectors=vectors, progress=progress)
    file = out or project.home / "bench" / f"{question.command}-{result['data']}-{result['split']}.json"
    page = write_result(result, file)
    tell(result)
    say(f"written to {file}, with plots to {page}")


def tell(result: dict[str, Any]) -> None:
    """Print the table and what the paired differences say."""
    deepest = main_k(result)
    metrics = [f"ndcg@{k}" for k in result["k"]] + [f"recall@{deepest}", f"hit@{deepest}"]
    rows = [
        (
            name,
            *(f"{model['metrics'][metric]['mean']:.4f}" for metric in metrics),
            f"{model['fit_s']:.1f}",
            f"{model['score_ms_per_user']:.2f}",
            f"{model['peak_rss_mb']:,.0f}",
        )
        for name, model in result["models"].items()
    ]
    print_table(("model", *metrics, "fit s", "ms/user", "MiB"), rows)
    for sentence in (setting_sentence(result), *result["says"]):
        say(sentence)


def read_models(text: str | None, *, known: Sequence[str] = ENTRANTS, option: str = "--models") -> tuple[str, ...]:
    """Return the models of an option, in the order they were named; None: all there are.

    Raises:
        InputError: a name is unknown; the nearest one is offered.
    """
    if text is None:
        return tuple(known)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"{option}: no model {name!r}; {hint}")
    return names


def read_ks(text: str) -> tuple[int, ...]:
    """Return the cut-offs of `--k`.

    Raises:
        InputError: they are no whole numbers of at least 1, or do not rise.
    """
    try:
        ks = tuple(int(part) for part in text.split(","))
    except ValueError as err:
        raise InputError(f"--k must be whole numbers separated by commas such as 5,10,20, got {text!r}") from err
    if ks[0] < 1 or any(later <= earlier for earlier, later in itertools.pairwise(ks)):
        raise InputError(f"--k must be at least 1 and rise, such as 5,10,20, got {text!r}")
    return ks


def read_cuts(valid_from: str | None, test_from: str | None) -> tuple[int, int] | None:
    """Return where validation and test begin in epoch milliseconds; None: not given.

    Raises:
        InputError: one of the two is missing or no time, or they are in the wrong order.
    """
    cuts = parse_time(valid_from, option="--valid-from"), parse_time(test_from, option="--test-from")
    if cuts[0] is None and cuts[1] is None:
        return None
    if cuts[0] is None or cuts[1] is None:
        raise InputError("--valid-from and --test-from go together; give both or none")
    if not cuts[0] < cuts[1]:
        raise InputError(f"--valid-from must be before --test-from, got {valid_from} and {test_from}")
    return int(cuts[0].timestamp() * 1000), int(cuts[1].timestamp() * 1000)


def given_options(context: typer.Context) -> tuple[str, ...]:
    """Return the options of the command line, those that say where to write left out."""
    options: list[str] = []
    for param in context.command.params:
        name = param.name or ""
        source = context.get_parameter_source(name)
        if name != "out" and source is not None and source.name == "COMMANDLINE":
            options += [param.opts[0], str(context.params[name])]
    return tuple(options)


def _settings_of(file: Path) -> Settings:
    return load_settings(environment={**os.environ, "WHYCART_CONFIG": str(file.absolute())})
