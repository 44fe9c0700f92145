"""The arithmetic of layers at given shapes: forward, and gradients of all that goes in, on the device and in float64.

Where the reference would cost too much, it is computed for some channels only; the device always computes all.
"""

import math

import torch
import torch.nn.functional as F

from device import numbers, timed
from results import relative_error

# Multiply-adds of a convolution in float64 that the slowest processor's library does in about half a second.
REFERENCE_BUDGET = 3.0e8


def pair(value, default):
    return tuple(value or (default, default))


def convolution(work, function):
    """Shapes and function of a convolution, whose weights are scaled so that its results are near 1."""
    dims = len(work["input"]) - 2
    stride = tuple(work.get("stride") or (1,) * dims)
    padding = tuple(work.get("padding") or (0,) * dims)
    groups = work.get("groups", 1)
    transposed = function is F.conv_transpose2d
    outputs = work["weight"][1] * groups if transposed else work["weight"][0]
    shapes = {"input": work["input"], "weight": work["weight"]}
    if work.get("bias"):
        shapes["bias"] = [outputs]

    def compute(t):
        return function(t["input"], t["weight"], t.get("bias"), stride=stride, padding=padding, groups=groups)

    fan = math.prod(work["weight"][2:]) * (work["weight"][0] // groups if transposed else work["weight"][1])
    return shapes, {"weight": fan**-0.5}, compute


def matmul(work):
    def compute(t):
        product = t["input"] @ t["weight"]
        if work.get("plus_transposed"):
            product = product + t["input"].T @ t["weight"].T
        return product

    return {"input": work["input"], "weight": work["weight"]}, {"weight": work["input"][-1] ** -0.5}, compute


def batch_norm(work):
    channels = work["input"][1]

    def compute(t):
        return F.batch_norm(t["input"], None, None, t["weight"], t["bias"], training=True)

    return {"input": work["input"], "weight": [channels], "bias": [channels]}, {}, compute


def attention(work):
    shape = [work["batch"], work["heads"], work["length"], work["width"]]

    def compute(t):
        scores = t["query"] @ t["key"].transpose(-2, -1) / math.sqrt(work["width"])
        return torch.softmax(scores, dim=-1) @ t["value"]

    return {"query": shape, "key": shape, "value": shape}, {}, compute


def rearrange(work):
    """A walk of views and permutations; each step is {"view": shape} or {"permute": order}."""

    def compute(t):
        value = t["input"]
        for step in work["steps"]:
            if "permute" in step:
                value = value.permute(*step["permute"]).contiguous()
            else:
                value = value.view(*step["view"])
        # A product with itself: what is only moved has no gradient that tells where it went.
        return value * value

    return {"input": work["input"]}, {}, compute


def of_one(function):
    return lambda work: ({"input": work["input"]}, {}, lambda t: function(t["input"], work))


KINDS = {
    "conv1d": lambda work: convolution(work, F.conv1d),
    "conv2d": lambda work: convolution(work, F.conv2d),
    "conv_transpose2d": lambda work: convolution(work, F.conv_transpose2d),
    "matmul": matmul,
    "batch_norm": batch_norm,
    "attention": attention,
    "rearrange": rearrange,
    "scale": of_one(lambda x, work: x * 2 + 1),
    "relu": of_one(lambda x, work: F.relu(x)),
    "leaky_relu": of_one(lambda x, work: F.leaky_relu(x, work["slope"])),
    "sigmoid": of_one(lambda x, work: torch.sigmoid(x)),
    "softmax": of_one(lambda x, work: torch.softmax(x, dim=work["dim"])),
    "max_pool2d": of_one(lambda x, work: F.max_pool2d(x, work["size"])),
}


class Case:
    """One operation with its numbers."""

    def __init__(self, operation, seed):
        (self.kind, self.work), = operation.items()
        shapes, scales, self.compute = KINDS[self.kind](self.work)
        self.inputs = {
            name: numbers(shape, seed + place, scales.get(name, 1.0))
            for place, (name, shape) in enumerate(shapes.items())
        }

    def on(self, device, dtype, gradients):
        """Computes on the device; returns results by name, and seconds of the forward pass and of the gradients."""
        tensors = {
            name: value.to(device, dtype, copy=True).requires_grad_(gradients) for name, value in self.inputs.items()
        }
        result, seconds = timed(device, lambda: self.compute(tensors))
        found, times = {"forward": result}, {"forward": seconds}
        if gradients:
            above = self.above(result.shape).to(device, dtype)
            _, seconds = timed(device, lambda: result.backward(above))
            for name, tensor in tensors.items():
                found[name + "_gradient"] = tensor.grad
                times[name + "_gradient"] = seconds
        return found, times

    def above(self, shape):
        """The gradient that comes from above."""
        return numbers(tuple(shape), 77)

    def emulated(self, dtype, gradients):
        """The same where the processor lacks an operation in a narrow type: in float32, each result rounded to it."""
        found, times = self.on(torch.device("cpu"), torch.float32, gradients)
        return {name: value.to(dtype) for name, value in found.items()}, times

    def expected(self, gradients):
        """Returns for each result what is expected, and which channels (dimension, places) were computed."""
        if self.kind == "conv2d" and self.work.get("groups", 1) == 1 and not self.work.get("bias"):
            batch, _, height, width = self.work["input"]
            strides = pair(self.work.get("stride"), 1)
            cost = batch * height * width * math.prod(self.work["weight"]) // math.prod(strides)
            if cost > REFERENCE_BUDGET:
                return self.expected_in_part(gradients, cost)
        found, _ = self.on(torch.device("cpu"), torch.float64, gradients)
        return {name: (value, None) for name, value in found.items()}

    def expected_in_part(self, gradients, cost):
        share = REFERENCE_BUDGET / cost
        image, weight = self.inputs["input"], self.inputs["weight"]
        outputs, inputs = places(weight.shape[0], share), places(weight.shape[1], share)
        part = weight[outputs].clone().requires_grad_(gradients)
        result = self.compute({"input": image, "weight": part})
        found = {"forward": (result, (1, outputs))}
        if gradients:
            above = self.above((image.shape[0], weight.shape[0]) + tuple(result.shape[2:]))
            result.backward(above[:, outputs])
            found["weight_gradient"] = (part.grad, (0, outputs))
            shape = (image.shape[0], len(inputs)) + tuple(image.shape[2:])
            stride, padding = pair(self.work.get("stride"), 1), pair(self.work.get("padding"), 0)
            gradient = torch.nn.grad.conv2d_input(shape, weight[:, inputs], above, stride, padding)
            found["input_gradient"] = (gradient, (1, inputs))
        return found


def places(count, share):
    """Evenly spread places, at least two, that always include the first and the last."""
    number = max(2, int(count * share))
    return sorted({round(i * (count - 1) / (number - 1)) for i in range(number)})


def run(check, device, judge, seed):
    """Computes a check in all its types and hands each result to `judge`."""
    case = Case(check["operation"], seed)
    gradients = check.get("gradients", False)
    expected = case.expected(gradients)
    for name in check["dtypes"]:
        dtype, more = getattr(torch, name), {}
        try:
            found, times = case.on(device, dtype, gradients)
        except RuntimeError as error:
            if device.type != "cpu" or "not implemented for" not in str(error):
                raise
            found, times = case.emulated(dtype, gradients)
            more["emulated"] = "float32"
        for what, value in found.items():
            want, part = expected[what]
            facts = dict(more)
            if part is not None:
                facts["sampled"] = "{} of {} channels".format(len(part[1]), value.shape[part[0]])
                value = value.index_select(part[0], torch.tensor(part[1], device=value.device))
            judge(what, name, value, want, times[what], **facts)


def error_of(got, want, spoiled):
    """The error of a result; a fault for tests makes one number wrong first."""
    if spoiled:
        got = got.detach().clone()
        got.view(-1)[got.numel() // 2] += 1 + want.abs().max().item()
    return relative_error(got, want)
