"""Finds the latest complete checkpoint below a folder, whoever wrote it."""

from __future__ import annotations

import os
import re
import zipfile
from typing import Iterator, List, NamedTuple, Optional

from rmcp.checkpoint import files

_HUGGING_FACE = re.compile(r"checkpoint-(\d+)")
_LIGHTNING_STEP = re.compile(r"step=(\d+)")

# What the Trainer of Hugging Face writes, the state last: without it a checkpoint is not finished.
_TRAINER_STATE = "trainer_state.json"
_WEIGHTS = (
    "model.safetensors",
    "pytorch_model.bin",
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
)

# Folders below which nothing is looked for.
_DEPTH = 4


class Found(NamedTuple):
    """A complete checkpoint."""

    #: `"rmcp"`, `"lightning"` or `"hugging-face"`.
    kind: str
    #: A file, or a folder of Hugging Face.
    path: str
    #: Steps done; -1 where the name does not tell.
    step: int


def find_latest(folder: str) -> Optional[Found]:
    """Returns the checkpoint below `folder` that was written last and is complete."""
    found = sorted(_all(os.fspath(folder)), key=lambda one: (_written(one.path), one.step), reverse=True)
    return next((one for one in found if _is_complete(one)), None)


def _all(folder: str) -> Iterator[Found]:
    top = folder.rstrip(os.sep).count(os.sep)
    for place, folders, names in os.walk(folder):
        if place.count(os.sep) - top >= _DEPTH:
            folders.clear()
        for name in list(folders):
            match = _HUGGING_FACE.fullmatch(name)
            if match:
                folders.remove(name)
                yield Found("hugging-face", os.path.join(place, name), int(match[1]))
        for name in names:
            path = os.path.join(place, name)
            ours = files.parse(path)
            if ours:
                yield Found("rmcp", path, ours.step)
            elif name.endswith(".ckpt"):
                match = _LIGHTNING_STEP.search(name)
                yield Found("lightning", path, int(match[1]) if match else -1)


def _is_complete(one: Found) -> bool:
    if one.kind == "rmcp":
        ours = files.parse(one.path)
        return ours is not None and ours.is_whole()
    if one.kind == "lightning":
        return _is_whole_zip(one.path)
    inside: List[str] = os.listdir(one.path)
    return _TRAINER_STATE in inside and any(name in inside for name in _WEIGHTS)


def _is_whole_zip(path: str) -> bool:
    """A file of `torch.save` is a zip archive, whose list of members is written last, with a checksum of each."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
