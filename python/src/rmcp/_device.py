"""The device that a program should use.

Nothing here can crash or hang the caller: torch is tried by another process, and whatever goes wrong with it, or with
that process, is the reason for `"cpu"`.
"""

from __future__ import annotations

import os
import sys

# What every program that uses rmcp waits for: type checkers know the name, and Python loads no `typing` for it.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Dict, List, Optional, Tuple, Union

    Prefer = Union[None, str, Sequence[str]]

_PROBES = ("auto", "always", "never")


class Device(str):
    """The name of a device as torch wants it (`"cuda"`, `"cuda:1"`, `"vulkan"`, `"mps"`, `"cpu"`), and why it is this one."""

    #: Why this device and no other, in one sentence.
    reason: str
    #: What that rests on: what was read, and what the probe found.
    evidence: Tuple[str, ...]
    #: The way it is used, such as `"native"`, `"override-same-isa"`, `"cuda"`, `"vulkan"` or `"cpu"`.
    route: str

    def __new__(cls, name: str, reason: str = "", evidence: Sequence[str] = (), route: str = "cpu") -> Device:
        device = super().__new__(cls, name)
        device.reason = reason
        device.evidence = tuple(evidence)
        device.route = route
        return device

    def __getnewargs__(self) -> Tuple[str, str, Tuple[str, ...], str]:
        return str(self), self.reason, self.evidence, self.route

    def explain(self) -> str:
        """Returns device, reason and evidence as lines for a person."""
        return "\n".join([f"{self}: {self.reason}", *(f"  {line}" for line in self.evidence)])


def get_device(prefer: Prefer = None, probe: str = "auto", timeout: float = 30, explain: bool = False) -> Device:
    """Returns the best device that computes right, else `"cpu"`; it says why.

    `prefer` names devices to take before others, the first first. `probe` says when a device is tried: `"auto"` where it
    is neither certain nor known from before, `"always"`, or `"never"`. `timeout` bounds the answer, in seconds. `explain`
    prints the reason and what it rests on to standard error. The variable RMCP_DEVICE overrides everything, RMCP_ROOT
    names a folder that stands for the machine.

    Raises ValueError for arguments that are none; never for a broken torch, driver or card.
    """
    device = _device_of(_ask(prefer, probe, timeout, everything=False))
    if explain:
        print(device.explain(), file=sys.stderr)
    return device


def get_devices(prefer: Prefer = None, probe: str = "auto", timeout: float = 30) -> List[Device]:
    """Returns every device that computes right, best first; `"cpu"` is always the last."""
    answer = _ask(prefer, probe, timeout, everything=True)
    chosen = _device_of(answer)
    works = [_device_of(one) for one in answer.get("tried", []) if one.get("works")]
    if chosen not in works:
        works.insert(0, chosen)
    if "cpu" not in works:
        works.append(Device("cpu", "the processor always works", (), "cpu"))
    return works


def _device_of(answer: Dict[str, Any]) -> Device:
    return Device(answer["device"], answer["reason"], answer["evidence"], answer["route"])


def _ask(prefer: Prefer, probe: str, timeout: float, everything: bool) -> Dict[str, Any]:
    if probe not in _PROBES:
        raise ValueError(f"probe is {probe!r}; expected one of {', '.join(_PROBES)}")
    if not timeout > 0:
        raise ValueError(f"timeout is {timeout!r}; expected seconds")
    arguments = ["device", "--format", "json", "--probe", probe, "--timeout", str(float(timeout))]
    wanted = [prefer] if isinstance(prefer, str) else list(prefer or ())
    if wanted:
        arguments += ["--prefer", ",".join(map(str, wanted))]
    if sys.executable:
        arguments += ["--python", sys.executable]
    folder = _folder_of_torch()
    if folder:
        arguments += ["--torch", folder]
    if everything:
        arguments.append("--all")
    import json

    from rmcp import _program

    try:
        answer = _program.run(arguments, float(timeout))
        document = json.loads(answer.out) if answer.out else {}
    except (OSError, ValueError) as error:
        return _cpu(str(error))
    if document.get("schema") == "rmcp.device/1":
        return document
    if answer.code == 2 and wanted and "--prefer" in answer.err:
        raise ValueError(answer.err.strip())
    return _cpu(f"rmcp device gave no answer (exit code {answer.code}): {answer.err.strip()[:500]}")


def _cpu(reason: str) -> Dict[str, Any]:
    return {"device": "cpu", "reason": reason, "evidence": (), "route": "cpu", "tried": []}


def _folder_of_torch() -> Optional[str]:
    """Returns the folder in which this program would find torch, without importing it."""
    import importlib.util

    try:
        spec = importlib.util.find_spec("torch")
        origin = spec.origin if spec else None
    except (ImportError, ValueError, AttributeError):
        return None
    if not origin or os.path.basename(origin) != "__init__.py":
        return None
    return os.path.dirname(os.path.dirname(os.path.abspath(origin)))
