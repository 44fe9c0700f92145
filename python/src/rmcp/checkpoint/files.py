"""Checkpoint files: written whole or not at all, and named by their step and the hash of what is in them."""

from __future__ import annotations

import hashlib
import os
import re
from typing import IO, Callable, List, NamedTuple, Optional

_NAME = re.compile(r"step-(\d{9,})-([0-9a-f]{32})\.pt")
_UNFINISHED = re.compile(r"\.unfinished-(\d+)")

_BLOCK_BYTES = 1 << 20


class CheckpointFile(NamedTuple):
    """A file that has a checkpoint's name; whether it is whole is another question."""

    step: int
    digest: str
    path: str

    def is_whole(self) -> bool:
        """Returns whether the file holds what its name says."""
        try:
            with open(self.path, "rb") as file:
                return _digest(file) == self.digest
        except OSError:
            return False


def parse(path: str) -> Optional[CheckpointFile]:
    """Returns the checkpoint of this path, if its name is one's."""
    match = _NAME.fullmatch(os.path.basename(path))
    return CheckpointFile(int(match[1]), match[2], path) if match else None


def list_files(folder: str) -> List[CheckpointFile]:
    """Returns the checkpoints of a folder, the latest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    files = [parse(os.path.join(folder, name)) for name in names]
    return sorted((file for file in files if file), reverse=True)


def write(folder: str, step: int, save: Callable[[IO[bytes]], None]) -> str:
    """Writes a checkpoint and returns its path. When this returns, it survives a loss of power."""
    os.makedirs(folder, exist_ok=True)
    unfinished = os.path.join(folder, f".unfinished-{os.getpid()}")
    try:
        with open(unfinished, "w+b") as file:
            save(file)
            file.flush()
            file.seek(0)
            digest = _digest(file)
            os.fsync(file.fileno())
        path = os.path.join(folder, f"step-{step:09d}-{digest}.pt")
        os.rename(unfinished, path)
    except BaseException:
        _remove(unfinished)
        raise
    _sync_folder(folder)
    return path


def prune(folder: str, keep: int) -> None:
    """Removes all but the latest checkpoints, and what killed processes left half written."""
    for file in list_files(folder)[keep:]:
        _remove(file.path)
    for name in os.listdir(folder):
        match = _UNFINISHED.fullmatch(name)
        if match and not _lives(int(match[1])):
            _remove(os.path.join(folder, name))


def _digest(file: IO[bytes]) -> str:
    hasher = hashlib.blake2b(digest_size=16)
    for block in iter(lambda: file.read(_BLOCK_BYTES), b""):
        hasher.update(block)
    return hasher.hexdigest()


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: str) -> None:
    try:
        os.remove(path)
    except FileNotFoundError:
        pass


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
