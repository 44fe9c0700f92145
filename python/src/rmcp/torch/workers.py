"""How worker processes of a DataLoader must be started in this program, as it is now."""

from __future__ import annotations

import os
import re
import sys
from typing import NamedTuple, Optional

import torch

_MAIN_GUARD = re.compile(r"^if\s+__name__\s*==\s*['\"]__main__['\"]", re.MULTILINE)


class WorkerStart(NamedTuple):
    """What to give a DataLoader as `multiprocessing_context`."""

    #: `"fork"` or `"spawn"`; none where workers cannot be started safely: `num_workers=0`.
    method: Optional[str]
    #: Why.
    reason: str


def worker_start_advice() -> WorkerStart:
    """Says how workers must be started: a process that was forked after the GPU was first used cannot use it, and may hang."""
    if getattr(torch.cuda, "_is_in_bad_fork", bool)():
        return WorkerStart(None, "this process was itself forked after the GPU was first used: it cannot use the GPU")
    if not torch.cuda.is_initialized():
        if sys.platform.startswith("linux"):
            return WorkerStart("fork", "the GPU has not been used in this process yet; make the DataLoader before it is")
        return WorkerStart("spawn", "fork is not safe on this system")
    guard = _has_main_guard()
    if guard is False:
        return WorkerStart(
            None,
            "the GPU is in use, so workers must be spawned, and a spawned one runs this program again from the top: put "
            "what starts the training below `if __name__ == '__main__':`",
        )
    if guard is None:
        return WorkerStart(None, "the GPU is in use, so workers must be spawned, and this program has no file to start from")
    return WorkerStart("spawn", "the GPU is in use in this process, and a forked one could not use it")


def _has_main_guard() -> Optional[bool]:
    """Returns whether the program is safe to be run again by a worker; none where it has no file."""
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None)
    if not path or not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        return _MAIN_GUARD.search(file.read()) is not None
