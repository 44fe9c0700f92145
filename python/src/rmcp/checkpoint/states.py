"""The state of a training, without the device it was on."""

from __future__ import annotations

import hashlib
import pickle
import random
import sys
from typing import IO, Any, Dict


def write(states: Dict[str, Any], file: IO[bytes]) -> None:
    """Writes states as `torch.save` does, or as a pickle where there is no torch."""
    torch = sys.modules.get("torch")
    if torch is None:
        pickle.dump(states, file)
    else:
        torch.save(states, file)


def read(path: str) -> Dict[str, Any]:
    """Reads states, all tensors on the processor."""
    torch = sys.modules.get("torch")
    if torch is None:
        with open(path, "rb") as file:
            return pickle.load(file)
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except TypeError:
        # Before 1.13 it had no such argument.
        return torch.load(path, map_location="cpu")


def random_states() -> Dict[str, Any]:
    """Returns the states of all random number generators in use. Initialises no GPU."""
    states: Dict[str, Any] = {"python": random.getstate()}
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        states["numpy"] = numpy.random.get_state()
    torch = sys.modules.get("torch")
    if torch is not None:
        states["cpu"] = torch.get_rng_state()
        if torch.cuda.is_initialized():
            states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def restore_random(states: Dict[str, Any]) -> None:
    """Restores what `random_states` gave, on whatever device is here now.

    A generator of a GPU goes on where it was. One that had no state then, because the training ran on another device, is
    seeded from the processor's: the numbers are others than they would have been there, and the same every time.
    """
    random.setstate(states["python"])
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy" in states:
        numpy.random.set_state(states["numpy"])
    torch = sys.modules.get("torch")
    if torch is None or "cpu" not in states:
        return
    torch.set_rng_state(states["cpu"])
    if not torch.cuda.is_initialized():
        return
    seed = hashlib.blake2b(bytes(states["cpu"].tolist()), digest_size=7).digest()
    torch.cuda.manual_seed_all(int.from_bytes(seed, "little"))
    kept = states.get("cuda", [])
    for index, state in enumerate(kept[: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, index)

