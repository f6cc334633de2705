"""`python -m bench.contract --home .whycart`: random requests to a running API, held against its OpenAPI document.

Starts `whycart serve` on the published bundle with a key of its own, and lets schemathesis ask every route with values
that fit the document and with values that do not: no answer may be a 5xx, differ from what the document says, take what
it should refuse, or work without the key. A 422 for a request that fits the schema is foreseen: whether the shop has a
brand, and whether a filter can be read, no schema says; nor whether a rule still has the tag that is named (412)
or a session is another user's (409). A body that is too large is refused before it is read (413).
"""

import argparse
import contextlib
import io
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from schemathesis.cli import schemathesis

from bench.serving import COMMAND, running
from gnn.bundles import BundleStore
from kg import local_server
from serving.keys import KeyLog

SETTINGS = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 404, 409, 412, 422]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 413, 415, 422, 429]
"""
ROUTES = 20
"""About how many there are; the number of cases follows from it."""
_COUNT = re.compile(r"(\d+) generated")


def check_contract(home: Path, *, cases: int, seed: int) -> tuple[int, int, str]:
    """Ask every route; return how many requests were sent, the exit code of schemathesis, and what it said.

    Args:
        home: working folder of a project with a published bundle; nothing is written there.
        cases: least number of requests that are tried, spread over the routes.
        seed: of the random values.
    """
    version = BundleStore(home / "bundles").current().version
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder)
        shutil.copytree(home / "bundles", own / "bundles")
        (own / "schemathesis.toml").write_text(SETTINGS, encoding="utf-8")
        with KeyLog.open(own / "state.db") as keys:
            key = keys.create(f"contract of {version}", ["admin"], now_ms=int(time.time() * 1000)).text
        command = [sys.executable, "-c", COMMAND, "serve", "--port", "0"]
        try:
            places = {"WHYCART_HOME": str(own), "WHYCART_GRAPH_FOLDER": str(own / "graph")}
            with running(command, places | {"WHYCART_SERVE_WRONG_KEYS_PER_MINUTE": "0"}) as server:
                address = "http://{}:{}/openapi.json".format(*server.address)
                asked = ["--config-file", str(own / "schemathesis.toml"), "run", address, "-H", f"X-API-Key: {key}"]
                asked += ["--checks", "all", "--phases", "examples,coverage,fuzzing", "--seed", str(seed)]
                asked += ["--max-examples", str(-(-cases // ROUTES))]
                return _run(asked)
        finally:
            local_server.stop(own / "graph")  # the API starts one for the events and leaves it to others


def _run(arguments: list[str]) -> tuple[int, int, str]:
    said, code = io.StringIO(), 0
    with contextlib.redirect_stdout(said):
        try:
            schemathesis.main(args=arguments, prog_name="schemathesis")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    counts = _COUNT.findall(said.getvalue())
    return int(counts[-1]) if counts else 0, code, said.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Ask and tell; return the exit code: 1 when an answer is not as the document says."""
    parser = argparse.ArgumentParser(prog="python -m bench.contract", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path, default=Path(".whycart"), help="working folder with a published bundle")
    parser.add_argument("--cases", type=int, default=5000, help="least number of requests")
    parser.add_argument("--seed", type=int, default=0, help="of the random values")
    options = parser.parse_args(argv)
    if options.cases < 1:
        parser.error("--cases must be at least 1")
    sent, code, said = check_contract(options.home, cases=options.cases, seed=options.seed)
    print(said)
    print(f"{sent:,} requests, {'every answer is as the document says' if code == 0 else 'see above'}")
    return int(code != 0 or sent < options.cases)


if __name__ == "__main__":
    sys.exit(main())
