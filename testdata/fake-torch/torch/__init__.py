"""A made-up torch that can go wrong in the ways that real ones do: the words in FAKE_TORCH say how.

Its tensors are four numbers and its convolution is none, but forward and backward agree with each other, which is all
that a comparison of a device with the processor sees.
"""

import os
import random
import signal
import struct
import subprocess
import sys
import time
import types

FAULTS = set(os.environ.get("FAKE_TORCH", "").split())
__version__ = os.environ.get("FAKE_TORCH_VERSION", "2.99.0+fake")
version = types.SimpleNamespace(hip=None if "cpu-build" in FAULTS else "6.4.1", cuda=None)
float16, float32, float64 = "float16", "float32", "float64"


def abort():
    sys.stderr.write("HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: made up. code: 0x29\n")
    sys.stderr.flush()
    os.abort()


def go_wrong(place):
    if f"{place}-abort" in FAULTS:
        abort()
    if f"{place}-segv" in FAULTS:
        os.kill(os.getpid(), signal.SIGSEGV)
    if f"{place}-sleep" in FAULTS:
        time.sleep(600)
    if f"{place}-exit" in FAULTS:
        os._exit(0)
    if f"{place}-raise" in FAULTS:
        raise RuntimeError(f"made up at {place}")


def manual_seed(seed):
    random.seed(seed)


def randn(*shape):
    return Tensor([random.gauss(0, 1) for _ in range(4)])


def rounded(value, dtype):
    letter = {float16: "e", float32: "f", float64: "d"}[dtype]
    return struct.unpack(letter, struct.pack(letter, value))[0]


class Tensor:
    def __init__(self, values, dtype=float32, device="cpu"):
        self.values = [rounded(value, dtype) for value in values]
        self.dtype = dtype
        self.device = types.SimpleNamespace(type=device)
        self.grad = None
        self.leaves = ()

    def like(self, values):
        return Tensor(values, self.dtype, self.device.type)

    def detach(self):
        return self.like(self.values)

    def requires_grad_(self):
        return self

    def to(self, what):
        if what in (float16, float32, float64):
            return Tensor(self.values, what, self.device.type)
        if "lies" in FAULTS:
            raise RuntimeError("No HIP GPUs are available")
        return Tensor(self.values, self.dtype, "cpu" if "stays" in FAULTS else what.split(":")[0])

    def double(self):
        return self.to(float64)

    def cpu(self):
        return Tensor(self.values, self.dtype)

    def __sub__(self, other):
        return self.like([a - b for a, b in zip(self.values, other.values)])

    def abs(self):
        return self.like([abs(value) for value in self.values])

    def max(self):
        nan = [value for value in self.values if value != value]
        return self.like(nan or [max(self.values)])

    def item(self):
        return self.values[0]

    def backward(self, slope):
        for leaf in self.leaves:
            leaf.grad = leaf.like([a * b for a, b in zip(leaf.values, slope.values)])
            if leaf.device.type != "cpu" and "wrong-gradient" in FAULTS:
                leaf.grad.values[2] += 0.3


def conv2d(picture, weight, bias, padding=0):
    result = picture.like([a * b + c for a, b, c in zip(picture.values, weight.values, bias.values)])
    result.leaves = (picture, weight, bias)
    if picture.device.type != "cpu":
        go_wrong("convolution")
        if "wrong" in FAULTS or "wrong-fp16" in FAULTS and picture.dtype == float16:
            result.values[1] *= 1.1
        if "nan" in FAULTS:
            result.values[1] = float("nan")
    return result


def is_available():
    go_wrong("available")
    return "unavailable" not in FAULTS


def properties(index):
    return types.SimpleNamespace(name="a made-up card", gcnArchName="gfx1010")


cuda = types.SimpleNamespace(
    is_available=is_available,
    device_count=lambda: 0 if "none" in FAULTS else 1,
    get_device_properties=properties,
)
nn = types.SimpleNamespace(functional=types.SimpleNamespace(conv2d=conv2d))

if "leaves" in FAULTS:
    # One that does not die with its parent, nor when it is asked to.
    command = "trap '' TERM; sleep 600 & exec sleep 600 " + os.environ.get("FAKE_TORCH_WORD", "")
    subprocess.Popen(["sh", "-c", command], start_new_session=True)
    abort()
go_wrong("import")
