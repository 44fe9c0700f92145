"""Tries one device with the torch that a program would get: a convolution, forward and backward, against the processor.

Started by `rmcp device` in a process of its own, because any step may abort, hang or lie. Each step is written down
before it begins, one JSON document on each line of the file in RMCP_RESULTS, so that a death tells where it happened.
"""

import json
import os
import sys

REQUEST = json.loads(sys.argv[1])
DEVICE = REQUEST["device"]
INDEX = REQUEST["index"]

# Largest error beside the largest value, and the shapes: a picture above 42 pixels, where MIOpen takes other solvers
# than below, and a signal of 64 electrodes.
BOUNDS = {"float32": 1e-3, "float16": 2e-2}
SHAPES = [((2, 8, 48, 48), (16, 8, 3, 3), 1), ((2, 1, 64, 128), (8, 1, 64, 1), 0)]


class Failed(Exception):
    """The device cannot be used, and this is why."""


def say(**line):
    with open(os.environ["RMCP_RESULTS"], "a") as file:
        file.write(json.dumps(line) + "\n")


def look():
    """Says which torch would be imported, and where else it could come to be, without importing it."""
    import importlib.util

    sys.path[:] = [folder for folder in sys.path if folder]
    folder = REQUEST.get("torch")

    def find():
        spec = importlib.util.find_spec("torch")
        return spec.origin if spec else None

    found = find()
    if folder and (not found or os.path.dirname(os.path.dirname(found)) != folder):
        sys.path.insert(0, folder)
        found = find()
    say(torch=found, path=sys.path)
    if not found:
        raise Failed("torch is not installed for this Python")
    if DEVICE == "vulkan" and not importlib.util.find_spec("torchvulkan"):
        raise Failed("the package torchvulkan is not installed for this Python")


def version_of(name):
    try:
        from importlib.metadata import version

        return version(name)
    except Exception:
        return None


def load():
    say(begin="importing torch")
    import torch

    build = getattr(torch, "version", None)
    hip, cuda = getattr(build, "hip", None), getattr(build, "cuda", None)
    say(version=str(getattr(torch, "__version__", "unknown")), hip=hip, cuda=cuda)
    wants = REQUEST.get("build")
    kind = "ROCm" if hip else "CUDA" if cuda else "the processor alone"
    if wants == "rocm" and not hip or wants == "cuda" and not cuda:
        card = "AMD" if wants == "rocm" else "NVIDIA"
        raise Failed(f"torch {torch.__version__} is a build for {kind}, and the card is of {card}")
    if DEVICE == "vulkan":
        say(begin="importing torchvulkan", torchvulkan=version_of("torchvulkan"))
        import torchvulkan  # noqa: F401
    return torch


def check_available(torch):
    if DEVICE == "cuda":
        say(begin="torch.cuda.is_available()")
        if not torch.cuda.is_available():
            raise Failed("torch.cuda.is_available() is False")
        say(begin="torch.cuda.device_count()")
        count = int(torch.cuda.device_count())
        say(count=count)
        if INDEX >= count:
            raise Failed(f"torch sees {count} devices, and not number {INDEX}")
        say(begin="asking the device for its name")
        about = torch.cuda.get_device_properties(INDEX)
        say(name=str(getattr(about, "name", "")), arch=str(getattr(about, "gcnArchName", "")))
    elif DEVICE == "mps":
        say(begin="torch.backends.mps.is_available()")
        if not torch.backends.mps.is_available():
            raise Failed("torch.backends.mps.is_available() is False")


def convolve(torch, picture, weight, bias, slope, padding):
    """Returns result and gradients of one convolution."""
    leaves = [tensor.detach().requires_grad_() for tensor in (picture, weight, bias)]
    result = torch.nn.functional.conv2d(*leaves, padding=padding)
    result.backward(slope)
    return [result.detach()] + [leaf.grad for leaf in leaves]


def compare(torch, place, name, shape):
    data, kernel, padding = shape
    dtype = getattr(torch, name)
    fits = (data[0], kernel[0], data[2] + 2 * padding - kernel[2] + 1, data[3] + 2 * padding - kernel[3] + 1)
    # Rounded before both compute, so that only the computing differs.
    given = [torch.randn(*size).to(dtype) for size in (data, kernel, (kernel[0],), fits)]
    expected = convolve(torch, *[tensor.double() for tensor in given], padding)
    sent = [tensor.to(place) for tensor in given]
    for tensor in sent:
        if tensor.device.type != DEVICE:
            raise Failed(f"a tensor sent to {place} is on {tensor.device}")
    computed = convolve(torch, *sent, padding)
    worst = 0.0
    for what, got, right in zip(("result", "input gradient", "weight gradient", "bias gradient"), computed, expected):
        if got is None:
            raise Failed(f"the convolution in {name} gave no {what}")
        difference = (got.cpu().double() - right).abs().max().item()
        error = difference / max(right.abs().max().item(), 1e-30)
        if not error <= BOUNDS[name]:
            raise Failed(f"the convolution in {name} computes a wrong {what}: off by {error:.2g} of the largest value")
        worst = max(worst, error)
    return worst


def convolutions(torch):
    place = f"{DEVICE}:{INDEX}" if DEVICE == "cuda" else DEVICE
    torch.manual_seed(0)
    cudnn = getattr(getattr(torch, "backends", None), "cudnn", None)
    if cudnn is not None:
        # Fewer bits on purpose are no wrong numbers.
        cudnn.allow_tf32 = False
    for name in ("float32", "float16"):
        say(begin=f"a convolution in {name}")
        try:
            errors = [compare(torch, place, name, shape) for shape in SHAPES]
        except Exception as error:
            if DEVICE == "vulkan" and name == "float16" and not isinstance(error, Failed):
                say(passed=name, error=None)
                continue
            raise
        say(passed=name, error=max(errors))


def loaded_libraries():
    """Returns the libraries in this process: a verdict holds for them alone."""
    try:
        with open("/proc/self/maps") as maps:
            paths = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/")}
    except (OSError, IndexError):
        return []
    return sorted(path for path in paths if path.startswith("/") and ".so" in path)


def main():
    try:
        say(begin="looking for torch")
        look()
        torch = load()
        check_available(torch)
        convolutions(torch)
        say(libraries=loaded_libraries(), done=True)
    except Failed as failed:
        say(failed=str(failed))
    except BaseException as error:
        say(raised=f"{type(error).__name__}: {error}"[:2000])


main()
# What torch does at the end of a process is no part of this.
os._exit(0)
