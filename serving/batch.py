"""Lists for every user, written to one Parquet file: in blocks, by several processes, resumable after any stop.

A block of users is one part beside the file, written whole or not at all; the file is put together when all parts are
there. Each list comes from `serving.recommend`, so it is the one that the API would give at the moment the job began.
"""

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter
from threadpoolctl import threadpool_limits

from cypher.errors import InputError, WhycartError
from gnn.bundles import BundleStore
from kg.files import hash_text, sync_folder
from kg.progress import Progress, silent
from serving.answer import Filter, Item, RecommendRequest
from serving.arrivals import ready_with_arrivals
from serving.events import EventLog
from serving.ready import Ready
from serving.reason_config import ReasonConfig
from serving.recommend import recommend
from serving.rules import Rule

BLOCK = 256
"""Users of a part."""
_PATH = pa.struct(
    [
        ("text", pa.string()),
        ("pattern", pa.string()),
        ("node_ids", pa.list_(pa.string())),
        ("contribution", pa.float64()),
    ]
)
COLUMNS = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("product_id", pa.string()),
        ("score", pa.float64()),
        ("source", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("text", pa.string()),
        ("paths", pa.list_(_PATH)),
        ("model_version", pa.string()),
        ("graph_version", pa.string()),
    ]
)
"""One row an item; users in order of id, items by rank."""
_JOB = "job.json"
_AS_BEGUN = ("now_ms", "rules")
"""What a job keeps of its first run, whatever holds when it goes on."""
_RULES = TypeAdapter(tuple[Rule, ...])


class BatchStopped(WhycartError):
    """A process of a batch ended before its work was done; what was written stays, and the next run goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """What is to be computed: two runs with equal jobs write equal files."""

    version: str
    """Bundle that answers."""
    n: int
    paths: int
    language: str | None
    users: str
    """Hash of the ids asked for, in order."""
    now_ms: int
    """Moment that ages are counted from; of the first run."""
    where: str | None = None
    """Filter in words; None: every product that is available."""
    rules: str = "[]"
    """Business rules of the lists, JSON; those of the first run."""
    new_every: int = 0
    """In which of the places one is kept for something new; 0: none."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a process finds what it answers from."""

    bundles: Path
    version: str
    reasons: ReasonConfig
    state: Path
    """File with the event log."""
    secret_file: Path | None = None
    """File of the shop's secret; None: beside the state file."""


def recommend_to_all(  # who, what, from where and to where: each on its own
    users: Sequence[str],
    out: Path,
    *,
    source: Source,
    wish: RecommendRequest,
    workers: int,
    restart: bool = False,
    progress: Progress = silent,
) -> int:
    """Write the lists of users to a Parquet file (columns: COLUMNS) and return the number of rows.

    Args:
        users: ids, sorted and different; one that the model does not know gets what the API gives it.
        out: the file; it appears when it is whole. Parts stand beside it until then.
        source: bundle, settings of reasons and event log.
        wish: n, paths, language, the filter in words, the rules and the places kept for what is new; its user and the
            rest of its filter are ignored.
        workers: processes; at least 1.
        restart: throw away what an earlier run with other arguments left.
        progress: called after each part, in users.

    Raises:
        InputError: parts of another job are there, n is out of range, or the filter cannot be used.
        BatchStopped: a process ended early.
    """
    parts = out.with_name(out.name + ".parts")
    if restart and parts.exists():
        shutil.rmtree(parts)
    asked = hash_text("\n".join(users))
    job = BatchJob(
        version=source.version,
        n=wish.n,
        paths=wish.paths,
        language=wish.language,
        users=asked,
        now_ms=_now_ms(),
        where=wish.filter.where,
        rules=_RULES.dump_json(wish.filter.rules, exclude_defaults=True).decode(),
        new_every=wish.new_every,
    )
    job = _agree(parts, job)
    blocks = {number: users[first : first + BLOCK] for number, first in enumerate(range(0, len(users), BLOCK))}
    missing = [number for number in blocks if not _part(parts, number).exists()]
    done = len(users) - sum(len(blocks[number]) for number in missing)
    progress("recommend", done, len(users))
    for number in _run_blocks(parts, {number: blocks[number] for number in missing}, source, job, workers=workers):
        done += len(blocks[number])
        progress("recommend", done, len(users))
    return _put_together(parts, [_part(parts, number) for number in blocks], out)


def _now_ms() -> int:
    return int(time.time() * 1000)


def _agree(parts: Path, job: BatchJob) -> BatchJob:
    """Note the job beside its parts; where parts are there already, return the job they belong to.

    Raises:
        InputError: they belong to another one.
    """
    file = parts / _JOB
    if not file.exists():
        parts.mkdir(parents=True, exist_ok=True)
        _write_atomically(file, lambda path: path.write_text(json.dumps(asdict(job), indent=1) + "\n", "utf-8"))
        return job
    begun = BatchJob(**json.loads(file.read_text(encoding="utf-8")))
    old, new = asdict(begun), asdict(job)
    other = [name for name in old if name not in _AS_BEGUN and old[name] != new[name]]
    if other:
        was = {name: "other users" if name == "users" else f"{name} {old[name]}, now {new[name]}" for name in other}
        raise InputError(
            f"{parts} holds parts of another job ({'; '.join(was.values())}); run it again as it was, or give "
            "--restart to begin anew"
        )
    return begun


def _part(parts: Path, number: int) -> Path:
    return parts / f"part-{number:06d}.parquet"


def _run_blocks(
    parts: Path, blocks: dict[int, Sequence[str]], source: Source, job: BatchJob, *, workers: int
) -> Iterator[int]:
    """Yield the number of each block when its part is written; one worker is this process itself."""
    if workers == 1 and blocks:
        _open(source)
        for number, users in blocks.items():
            _write_part(_part(parts, number), users, job)
            yield number
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, max(1, len(blocks))), context, _start, (source,))
    try:
        running = [pool.submit(_write_part, _part(parts, number), users, job) for number, users in blocks.items()]
        number_of = dict(zip(running, blocks, strict=True))
        for future in as_completed(running):
            future.result()
            yield number_of[future]
    except BrokenProcessPool as error:
        raise BatchStopped(
            f"a process of the batch ended early (out of memory?); what is written in {parts} stays: run it again, "
            "with fewer --workers if memory is short"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_HERE: dict[str, Any] = {}
"""What a process answers from; filled once when it starts."""


def _start(source: Source) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides what a Ctrl-C means
    threadpool_limits(1)
    _open(source)


def _open(source: Source) -> None:
    bundle = BundleStore(source.bundles).load(source.version)
    log = EventLog.open(source.state, source.secret_file)
    _HERE.update(ready=ready_with_arrivals(bundle, source.state, source.reasons), log=log)


def _write_part(path: Path, users: Sequence[str], job: BatchJob) -> None:
    table = lists_of(_HERE["ready"], _HERE["log"], users, job)
    _write_atomically(path, lambda part: pq.write_table(table, part))


def lists_of(ready: Ready, log: EventLog, users: Sequence[str], job: BatchJob) -> pa.Table:
    """Return the lists of some users as a table of COLUMNS."""
    rows, bounds = [], Filter(where=job.where, rules=_RULES.validate_json(job.rules))
    wish = RecommendRequest(n=job.n, paths=job.paths, language=job.language, filter=bounds, new_every=job.new_every)
    for user in users:
        answer = recommend(ready, log, replace(wish, user_id=user), now_ms=job.now_ms)
        versions = {"model_version": answer.model_version, "graph_version": answer.graph_version}
        rows += [{"user_id": user, **_row(item), **versions} for item in answer.items]
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def _row(item: Item) -> dict[str, Any]:
    return {
        "rank": item.rank,
        "product_id": item.product_id,
        "score": item.score,
        "source": item.source,
        "reasons": [str(reason) for reason in item.reasons],
        "text": item.text,
        "paths": [
            {
                "text": path.text,
                "pattern": path.pattern,
                "node_ids": [node.id for node in path.nodes],
                "contribution": path.contribution,
            }
            for path in item.paths
        ],
    }


def _put_together(parts: Path, files: Sequence[Path], out: Path) -> int:
    """Join the parts, one row group each, and take them away."""
    num_rows, whole = 0, parts / "whole.parquet"
    with pq.ParquetWriter(whole, COLUMNS) as writer:
        for file in files:
            table = pq.read_table(file, schema=COLUMNS)
            writer.write_table(table)
            num_rows += table.num_rows
    sync_folder(parts)
    os.replace(whole, out)
    sync_folder(out.parent, recurse=False)
    shutil.rmtree(parts)
    return num_rows


def _write_atomically(path: Path, write: Any) -> None:
    part = path.with_name(path.name + ".tmp")
    write(part)
    os.replace(part, path)
