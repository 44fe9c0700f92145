"""The processor, as fast as it can be: every setting is measured, and kept only where it helps and computes the same."""

from __future__ import annotations

import contextlib
import copy
import os
import time
from typing import Any, Callable, ContextManager, Dict, List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor, nn

#: A setting is kept from this gain on: less may be the machine's own unrest.
GAIN = 1.03

# Largest difference from the plain model beside the largest value, in float32 and in bfloat16.
_EXACT, _HALF = 1e-3, 5e-2

# Flags of processors that compute in bfloat16 themselves. Others emulate it, slowly.
_BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")


class Settings(NamedTuple):
    """How a model is run."""

    threads: int
    channels_last: bool = False
    bf16: bool = False
    frozen: bool = False


class Tuned:
    """A model with the settings that helped; call it as the model itself."""

    def __init__(
        self, model: nn.Module, run: Callable[..., Any], settings: Settings, steps: Dict[str, float], ratio: float
    ) -> None:
        #: The model; its weights are where they were.
        self.model = model
        #: The settings that were kept.
        self.settings = settings
        #: What was measured: how many times as fast each setting made it, kept or not.
        self.measured = steps
        #: How many times as fast as the plain model all of them together made it.
        self.ratio = ratio
        self._run = run
        torch.set_num_threads(settings.threads)

    def __call__(self, *inputs: Tensor) -> Any:
        return self._run(*inputs)


def tune_cpu(model: nn.Module, example: Tensor, seconds: float = 2.0) -> Tuned:
    """Finds the settings with which a model runs fastest on the processor, and applies them.

    A model in training mode is measured forward and backward, one in evaluation mode forward alone; there it may be
    frozen, after which changes of its weights have no effect. Measures about `seconds` for each setting, on a copy, beside
    the settings without it. The number of threads is set for the whole process.
    """
    best = plain = Settings(torch.get_num_threads())
    right = _output(_prepare(copy.deepcopy(model), best, example), example)
    measured: Dict[str, float] = {}
    for name, settings in _candidates(model, example):
        wanted = settings(best)
        try:
            candidate = _prepare(copy.deepcopy(model), wanted, example)
            agrees = _agrees(_output(candidate, example), right, wanted.bf16)
            current = _prepare(copy.deepcopy(model), best, example)
            ratio = _ratio((current, best), (candidate, wanted), model.training, example, seconds) if agrees else 0.0
        except (RuntimeError, NotImplementedError, TypeError):
            # What this model or this torch cannot do does not help.
            ratio = 0.0
        measured[name] = ratio
        if ratio >= GAIN:
            best = wanted
    ratio = 1.0
    if best != plain:
        sides = [(_prepare(copy.deepcopy(model), settings, example), settings) for settings in (plain, best)]
        ratio = _ratio(sides[0], sides[1], model.training, example, seconds)
        if ratio < GAIN:
            best, ratio = plain, 1.0
    return Tuned(model, _prepare(model, best, example), best, measured, ratio)


def _candidates(model: nn.Module, example: Tensor) -> List[Tuple[str, Callable[[Settings], Settings]]]:
    threads = sorted({physical_cores(), os.cpu_count() or 1} - {torch.get_num_threads()})
    found: List[Tuple[str, Callable[[Settings], Settings]]] = [
        (f"{count} threads", lambda settings, count=count: settings._replace(threads=count)) for count in threads
    ]
    if example.dim() == 4:
        found.append(("channels_last", lambda settings: settings._replace(channels_last=True)))
    if has_bf16():
        found.append(("bf16", lambda settings: settings._replace(bf16=True)))
    if not model.training:
        found.append(("frozen", lambda settings: settings._replace(frozen=True)))
    return found


def _prepare(model: nn.Module, settings: Settings, example: Tensor) -> Callable[..., Any]:
    """Returns a function that runs the model with these settings."""
    if settings.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module: Any = model
    if settings.frozen:
        with torch.no_grad(), _precision(settings):
            # The cache of autocast's casts does not go into a trace.
            traced = torch.jit.trace(model, _laid_out(example, settings), check_trace=False)
            module = torch.jit.freeze(traced)

    def run(*inputs: Tensor) -> Any:
        laid_out = [_laid_out(one, settings) for one in inputs]
        with contextlib.nullcontext() if settings.frozen else _precision(settings):
            result = module(*laid_out)
        if settings.bf16 and isinstance(result, Tensor) and result.dtype == torch.bfloat16:
            return result.float()
        return result

    return run


def _laid_out(tensor: Tensor, settings: Settings) -> Tensor:
    if settings.channels_last and tensor.dim() == 4:
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor


def _precision(settings: Settings) -> ContextManager[Any]:
    if not settings.bf16:
        return contextlib.nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=not settings.frozen)


def _output(run: Callable[..., Any], example: Tensor) -> List[Tensor]:
    torch.manual_seed(0)
    with torch.no_grad():
        result = run(example)
    found = result if isinstance(result, (list, tuple)) else [result]
    return [one.float() for one in found if isinstance(one, Tensor)]


def _agrees(got: List[Tensor], right: List[Tensor], bf16: bool) -> bool:
    limit = _HALF if bf16 else _EXACT
    if len(got) != len(right):
        return False
    return all(
        bool((one - other).abs().max() <= limit * other.abs().max().clamp(min=1e-30)) for one, other in zip(got, right)
    )


def _ratio(
    first: Tuple[Callable[..., Any], Settings],
    second: Tuple[Callable[..., Any], Settings],
    training: bool,
    example: Tensor,
    seconds: float,
) -> float:
    """Returns how many times as fast the second is: both in turn, so that the machine's unrest meets both; the best half
    of each counts."""
    times: Tuple[List[float], List[float]] = ([], [])
    end: Optional[float] = None
    while end is None or time.perf_counter() < end or len(times[0]) < 3:
        for (run, settings), taken in zip((first, second), times):
            torch.set_num_threads(settings.threads)
            start = time.perf_counter()
            _step(run, training, example)
            if end is not None:
                taken.append(time.perf_counter() - start)
        # The first turn warms up.
        end = end or time.perf_counter() + seconds
    torch.set_num_threads(first[1].threads)
    return _best_half(times[0]) / _best_half(times[1])


def _step(run: Callable[..., Any], training: bool, example: Tensor) -> None:
    if not training:
        with torch.no_grad():
            run(example)
        return
    result = run(example)
    found = result if isinstance(result, (list, tuple)) else [result]
    sum(one.float().square().mean() for one in found if isinstance(one, Tensor)).backward()  # type: ignore[union-attr]


def _best_half(times: List[float]) -> float:
    best = sorted(times)[: (len(times) + 1) // 2]
    return sum(best) / len(best)


def physical_cores() -> int:
    """Returns how many cores there are, where two threads of one count once; of those that this process may use."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for number in usable:
        try:
            with open(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list") as file:
                cores.add(file.read().strip())
        except OSError:
            cores.add(str(number))
    return max(len(cores), 1)


def has_bf16() -> bool:
    """Returns whether the processor itself computes in bfloat16."""
    try:
        with open("/proc/cpuinfo") as file:
            words = set(file.read().split())
    except OSError:
        return False
    return any(flag in words for flag in _BF16_FLAGS)
