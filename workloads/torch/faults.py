"""Faults for tests: what a broken card or installation does, on purpose. The variable RMCP_FAULT names one.

crash, hang, leak, truncated, missing-package, fork, flood; wrong-forward, wrong-input-gradient, wrong-weight-gradient
change one number of every such result, wrong-float16 one of every result that is not float32.
"""

import os
import signal
import sys
import time

NAMES = (
    "crash",
    "hang",
    "leak",
    "truncated",
    "missing-package",
    "fork",
    "flood",
    "wrong-forward",
    "wrong-input-gradient",
    "wrong-weight-gradient",
    "wrong-float16",
)

ABORT = (
    ":0:rocdevice.cpp:2660: Callback: Queue 0x7f0000000000 aborting with error : "
    "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory beyond the largest legal "
    "address. code: 0x29\n"
)


def planted():
    name = os.environ.get("RMCP_FAULT", "")
    if name and name not in NAMES:
        sys.exit("RMCP_FAULT: no fault is called {}; there are {}".format(name, ", ".join(NAMES)))
    return name


def strike(name):
    """Does what a fault does in the midst of the work."""
    if name == "crash":
        sys.stderr.write(ABORT)
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGABRT)
    elif name == "hang":
        time.sleep(86400)
    elif name == "leak":
        held = []
        while True:
            held.append(b"x" * (16 << 20))
            time.sleep(0.002)
    elif name == "truncated":
        os._exit(0)
    elif name == "fork":
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
            os._exit(0)
    elif name == "flood":
        block = b"warning: the same again\n" * 43690
        for _ in range(1024):
            os.write(2, block)


def spoils(name, what, dtype):
    """Whether a fault changes this result."""
    return name == "wrong-" + what.replace("_", "-") or (name == "wrong-float16" and dtype != "float32")
