"""Keeps the state of one training."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, List, Optional

from rmcp.checkpoint import files, states

_FOLDER = "RMCP_CHECKPOINT_DIR"
_RESUME = "RMCP_RESUME"


class Keeper:
    """Saves and restores whatever has `state_dict()` and `load_state_dict()`, and the random number generators.

    Parts are named: `Keeper(model=model, optimizer=optimizer, scheduler=scheduler)`. They may be on another device when
    they are restored than when they were saved. Of processes that train together, the first one saves (RANK), and all
    restore.
    """

    def __init__(self, folder: Optional[str] = None, keep: int = 3, **parts: Any) -> None:
        if keep < 1:
            raise ValueError(f"keep is {keep}; at least one checkpoint is kept")
        for name, part in parts.items():
            if not (hasattr(part, "state_dict") and hasattr(part, "load_state_dict")):
                raise TypeError(f"{name} is a {type(part).__name__}, which has no state_dict and load_state_dict")
        #: Where checkpoints are.
        self.folder = os.fspath(folder or os.environ.get(_FOLDER) or "checkpoints")
        #: Checkpoints that were passed over because they were not whole.
        self.torn: List[str] = []
        self._keep = keep
        self._parts = parts

    def steps(self, total: int, every: int = 100) -> Iterator[int]:
        """Yields the numbers of the steps that are still to be done; saves after each `every`-th, and after the last."""
        for step in range(self.resume(), total):
            yield step
            if (step + 1) % every == 0 or step + 1 == total:
                self.save(step + 1)

    def save(self, step: int, **extra: Any) -> Optional[str]:
        """Saves the state after `step` steps, and returns the path; none in a process that is not the first.

        `extra` are plain values that `load` gives back.
        """
        if os.environ.get("RANK", "0") != "0":
            return None
        state: Dict[str, Any] = {
            "step": step,
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
            "random": states.random_states(),
            "extra": extra,
        }
        path = files.write(self.folder, step, lambda file: states.write(state, file))
        files.prune(self.folder, self._keep)
        return path

    def resume(self) -> int:
        """Restores the latest whole checkpoint, and returns how many steps are done: 0 where there is none."""
        state = self.load()
        if state is None:
            return 0
        for name, part in self._parts.items():
            if name in state["parts"]:
                part.load_state_dict(state["parts"][name])
        states.restore_random(state["random"])
        return state["step"]

    def load(self) -> Optional[Dict[str, Any]]:
        """Returns the latest whole checkpoint, restoring nothing."""
        candidates = files.list_files(self.folder)
        named = files.parse(os.environ.get(_RESUME, ""))
        if named:
            # A later one is of a run that `rmcp run` does not want back, or torn.
            older = [file for file in candidates if file.step < named.step]
            candidates = [named, *older]
        for file in candidates:
            if file.is_whole():
                return states.read(file.path)
            self.torn.append(file.path)
        return None
