"""Finds and runs the program `rmcp`."""

from __future__ import annotations

import os
import sys
from typing import List, NamedTuple, Optional

NAME = "rmcp"

# What the program may take beyond the time it was given, before it is ended: a machine under load.
_SURPLUS_SECONDS = 10.0


class Answer(NamedTuple):
    """What the program printed."""

    code: int
    out: str
    err: str


def find() -> Optional[str]:
    """Returns the program that RMCP_BINARY names, else the one of this package, else the first on PATH."""
    named = os.environ.get("RMCP_BINARY")
    if named:
        return named
    for folder in _folders():
        path = os.path.join(folder, NAME)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def _folders() -> List[str]:
    """Where installers put programs of a package: for all, for a user, and below a folder (`pip install --target`)."""
    import sysconfig

    package = os.path.dirname(os.path.abspath(__file__))
    user = "osx_framework_user" if sys.platform == "darwin" else "posix_user"
    schemes = [sysconfig.get_path("scripts")]
    if user in sysconfig.get_scheme_names():
        schemes.append(sysconfig.get_path("scripts", scheme=user))
    beside = os.path.join(os.path.dirname(package), "bin")
    return [*schemes, beside, *os.environ.get("PATH", os.defpath).split(os.pathsep)]


def run(arguments: List[str], seconds: float) -> Answer:
    """Runs the program. Raises OSError where there is none, or it does not end."""
    import subprocess

    program = find()
    if program is None:
        raise OSError("the program rmcp was not found; RMCP_BINARY may name it")
    try:
        done = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=seconds + _SURPLUS_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"{program} did not answer within {seconds + _SURPLUS_SECONDS:.0f} s") from None
    return Answer(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
