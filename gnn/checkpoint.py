"""The state of a training that is under way, on the disk: one that was killed goes on from there.

One file in a folder that the caller gives: safetensors, with the plain values as JSON in its head; nothing is pickled.
It is there whole or not at all, and belongs to one training: that of the same settings, data, start and packages. A
file that cannot be used is left aside, and one that cannot be written costs a warning: neither ends a training. What
the state consists of is `gnn.train`'s to say, when it is not wanted any more the caller's.
"""

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kg.files import sync_folder

logger = logging.getLogger(__name__)
FORMAT_VERSION = 1
FILE = "training.safetensors"
_PART = ".training."
_SHARE = 0.02
"""Part of the time that writing at the ends of epochs may take; short epochs of a large network go without."""
_SHAPING = ("whycart", "numpy", "torch", "torch-geometric")


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a training needs to go on."""

    plain: Mapping[str, Any]
    """Values that JSON holds."""
    tensors: Mapping[str, Mapping[str, Tensor]]
    """Tensors by part and by name."""


class TrainingCheckpoint:
    """The file of one training; without a folder, or with 0 seconds, nothing is kept."""

    def __init__(self, folder: Path | None, fingerprint: str, *, every_s: float) -> None:
        """Keep a training in a folder; nothing is read or written yet.

        Args:
            folder: where; it is made when it is not there.
            fingerprint: says which training it is (`fingerprint`).
            every_s: seconds from one writing within an epoch to the next.
        """
        self._folder = folder if every_s > 0 else None
        self._fingerprint, self._every_s = fingerprint, every_s
        self._written, self._took_s = time.monotonic(), 0.0

    def load(self) -> TrainingState | None:
        """Return the state that the same training has left; None where there is none that can be used."""
        if self._folder is None:
            return None
        for part in self._folder.glob(f"{_PART}*"):  # of a writer that was killed
            part.unlink(missing_ok=True)
        try:
            return self._read(self._folder / FILE)
        except FileNotFoundError:
            return None
        except _NotOurs as err:
            why = str(err)
        except (OSError, SafetensorError, ValueError, KeyError) as err:
            why = f"it is damaged ({err})"
        logger.warning("%s is left aside: %s; the training begins anew", self._folder / FILE, why)
        return None

    def is_due(self, *, after_epoch: bool) -> bool:
        """Return whether the state should be written now.

        Args:
            after_epoch: whether an epoch has just ended; else it is in the middle of one.
        """
        waited = time.monotonic() - self._written
        return self._folder is not None and waited >= (self._took_s / _SHARE if after_epoch else self._every_s)

    def save(self, state: TrainingState) -> None:
        """Write a state over the one before; what goes wrong is logged."""
        if self._folder is None:
            return
        started, part = time.monotonic(), None
        tensors = {
            f"{kind}/{name}": tensor.detach().cpu().contiguous()
            for kind, named in state.tensors.items()
            for name, tensor in named.items()
        }
        plain = json.dumps(state.plain)
        digest = fingerprint({"plain": plain}, tensors)
        head = {
            "version": str(FORMAT_VERSION),
            "fingerprint": self._fingerprint,
            "parts": json.dumps(list(state.tensors)),
            "plain": plain,
            "digest": digest,
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=_PART, dir=self._folder)
            os.close(handle)
            part = Path(name)
            save_file(tensors, part, head)
            with safe_open(part, "pt"):  # says so where the end is missing
                sync_folder(self._folder)
            os.replace(part, self._folder / FILE)
            sync_folder(self._folder, recurse=False)
        except (OSError, SafetensorError) as err:
            if part is not None:
                part.unlink(missing_ok=True)
            logger.warning("the state of the training was not written to %s: %s", self._folder, err)
        self._written = time.monotonic()
        self._took_s = self._written - started
        logger.debug("state of the training written", extra={"took_s": round(self._took_s, 3)})

    def _read(self, path: Path) -> TrainingState:
        with safe_open(path, "pt") as file:
            head = file.metadata() or {}
            if head.get("version") != str(FORMAT_VERSION):
                raise _NotOurs(f"it has format version {head.get('version')}, this release reads {FORMAT_VERSION}")
            if head["fingerprint"] != self._fingerprint:
                raise _NotOurs("it is of another training, of other settings, data or packages")
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  # no mapping
        if fingerprint({"plain": head["plain"]}, tensors) != head["digest"]:
            raise ValueError("its content is not what was written")
        parts: dict[str, dict[str, Tensor]] = {part: {} for part in json.loads(head["parts"])}
        for key, tensor in tensors.items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor
        return TrainingState(json.loads(head["plain"]), parts)


class _NotOurs(Exception):
    """A state that is whole and not for this training."""


def fingerprint(plain: Mapping[str, Any], *parts: Mapping[Any, Any]) -> str:
    """Return the hex SHA-256 of values and arrays.

    Args:
        plain: values that JSON holds.
        parts: tensors and arrays by any keys, also in mappings below; the order of keys does not count.
    """
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode())
    for part in parts:
        for name, array in _arrays(part):
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def optimiser_parts(optimiser: torch.optim.Optimizer) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """Return the state of an optimiser as plain values, one entry a group, and tensors."""
    state = optimiser.state_dict()
    moments = {f"{row}.{name}": tensor for row, entry in state["state"].items() for name, tensor in entry.items()}
    return state["param_groups"], moments


def load_optimiser(
    optimiser: torch.optim.Optimizer, groups: Sequence[Mapping[str, Any]], moments: Mapping[str, Tensor]
) -> None:
    """Put an optimiser into the state that `optimiser_parts` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in moments.items():
        row, name = key.split(".")
        state.setdefault(int(row), {})[name] = tensor
    told = [{**group, "betas": tuple(group["betas"])} for group in groups]
    optimiser.load_state_dict({"state": state, "param_groups": told})


def shaping_packages() -> dict[str, str]:
    """Return the versions of what decides how a training goes."""
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in _SHAPING}}


def _arrays(part: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    for key in sorted(part, key=str):
        value, name = part[key], f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _arrays(value, f"{name} ")
        elif torch.is_tensor(value):
            yield name, value.detach().cpu().numpy()
        else:
            yield name, np.asarray(value)
