"""The notebooks under docs/notebooks run as they stand, and answer what is kept in them."""

from pathlib import Path

import nbformat
import pytest

from bench.notebook import FOLDER, run_notebook, texts_of

NOTEBOOKS = sorted((Path(__file__).parents[2] / FOLDER).glob("*.ipynb"))


@pytest.mark.parametrize("file", NOTEBOOKS, ids=[file.name for file in NOTEBOOKS])
def test_a_notebook_answers_what_it_shows(file: Path) -> None:
    kept = texts_of(nbformat.read(file, as_version=4))

    assert kept == texts_of(run_notebook(file))
    assert len(kept) > 5
