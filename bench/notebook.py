"""`python -m bench.notebook`: runs docs/notebooks/*.ipynb on the generated shop and keeps what the cells answer.

Each notebook runs in a project of its own whose local graph server holds the shop, as a data team's would.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from kg.ingest import ingest
from kg.sources.generated import generated_shop
from kg.store import PROJECT_GRAPH, GraphConfig, GraphStore

FOLDER = Path("docs/notebooks")
CELL_S = 120


def run_notebook(file: Path) -> Any:
    """Run a notebook and return it with its new outputs; the file is left alone.

    Raises:
        CellExecutionError: a cell fails.
    """
    notebook = nbformat.read(file, as_version=4)
    with tempfile.TemporaryDirectory() as project:
        graph = GraphConfig(folder=Path(project) / PROJECT_GRAPH)
        with GraphStore.open(graph, owned=True) as store:
            ingest(store, generated_shop().tables)
            resources = {"metadata": {"path": project}}
            NotebookClient(notebook, timeout=CELL_S, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran
        if "outputs" in cell:  # what libraries warn of names files of this machine
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    return notebook


def texts_of(notebook: Any) -> list[str]:
    """Return what the cells answer as text, pictures left out."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            text = output.get("text") if output.output_type == "stream" else data.get("text/plain")
            if text is not None and "image/png" not in data:
                found.append(text)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Run every notebook and write it down."""
    parser = argparse.ArgumentParser(prog="python -m bench.notebook", description=(__doc__ or "").splitlines()[0])
    parser.parse_args(argv)
    for file in sorted(FOLDER.glob("*.ipynb")):
        nbformat.write(run_notebook(file), file)
        sys.stdout.write(f"{file} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
