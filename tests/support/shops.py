"""Input folders of learnable shops: a generated one, and one whose customers change their mind overnight."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq

from kg.sources import generated
from tests.support.folders import Row, write_shop

QUICK = (
    "[train]\nepochs = 1\nmin_steps = 1\n[model]\ndim = 16\nheads = 2\n[learn]\nk = 10\nshare = 0.15\n"
    "[gate]\nreason_users = 20\n"
)
"""A `whycart.toml` by which such a shop is learned from in seconds; `[gate]` is its last table."""
START = datetime(2024, 1, 1, tzinfo=UTC)


def write_generated(folder: Path, *, products: int = 90, users: int = 50, events: int = 2400) -> Path:
    """Write a small generated shop as Parquet files."""
    tables: dict[str, pa.Table] = {}

    def keep(raw: dict[str, pa.Table], *rest: object) -> generated.ReadReport:
        tables.update(raw)
        return check(raw, *rest)  # type: ignore[arg-type]  # what generated_shop gives

    check = generated.check_tables
    with mock.patch.object(generated, "check_tables", keep):
        generated.generated_shop(products=products, brands=6, users=users, events=events)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def write_fickle(folder: Path, *, users: int = 40) -> Path:
    """Write a shop that teaches the wrong thing: everybody comes back for their own, until the last days.

    First everybody buys the same eight products; then, for long, each user only products of its own, again and again,
    which is what validation sees; in the last days, which are the test, everybody wants the eight again. A model that
    learned from validation does worse than plain popularity.
    """
    common = [f"c{number}" for number in range(8)]
    own = {user: [f"o{user:02d}-{number:02d}" for number in range(12)] for user in range(users)}
    events: list[Row] = []
    for user in range(users):
        for day, product_id in enumerate([*common * 2, *own[user] * 3, *common]):
            at = (START + timedelta(days=day, minutes=user)).isoformat()
            events.append({"user_id": f"u{user:02d}", "product_id": product_id, "type": "bought", "at": at})
    known = [*common, *(product_id for part in own.values() for product_id in part)]
    return write_shop(folder, products=[{"product_id": key, "title": f"Thing {key}"} for key in known], events=events)
