"""Networks: one step compared with float64, and training that must make the loss fall."""

import copy
import itertools
import math

import torch
import torch.nn.functional as F

import models
from device import numbers, timed

FALL = 0.9

# What PyTorch's own GradScaler begins with.
SCALE = 65536.0


def make(seed, build, *shape):
    """Builds a network in float64 and gives lazy layers their shapes, from one seed."""
    torch.manual_seed(seed)
    model = build().double()
    model(numbers(shape, seed))
    return model


def gradients_of(model):
    """All gradients of weights in one row: those that are zero by design have no error of their own."""
    return torch.cat([weight.grad.detach().to("cpu").double().flatten() for weight in model.parameters()])


def one_step(model, inputs, labels, scale=1.0):
    """Forward and backward; returns result, gradient of the input and gradients of the weights.

    The loss is multiplied by `scale` and the gradients are divided by it, a power of two: small ones would otherwise be
    below what a half can hold, on every GPU.
    """
    inputs = inputs.requires_grad_(True)
    result = model(inputs)
    loss = result.square().mean() if labels is None else F.cross_entropy(result.float() if labels[1] else result, labels[0])
    (loss * scale).backward()
    return {"forward": result, "input_gradient": inputs.grad / scale, "weight_gradient": gradients_of(model) / scale}


def compare(model, inputs, labels, device, judge):
    """One step in float32 on the device against one in float64 on the processor."""
    want = one_step(copy.deepcopy(model), inputs.clone(), None if labels is None else (labels, False))
    there = copy.deepcopy(model).to(device, torch.float32)
    given = inputs.to(device, torch.float32)
    labels = None if labels is None else (labels.to(device), False)
    found, seconds = timed(device, lambda: one_step(there, given, labels))
    for what, value in found.items():
        judge(what, "float32", value, want[what], seconds)


def batches(shape, classes, seed):
    """Batches whose class can be learnt: a pattern for each class, with a quarter as much noise."""
    patterns = numbers((classes,) + tuple(shape[1:]), seed, 4.0)
    place = seed
    while True:
        place += 1
        generator = torch.Generator().manual_seed(place)
        labels = torch.randint(classes, (shape[0],), generator=generator)
        yield (patterns[labels] + numbers(shape, place)).half().double(), labels


def narrow_type(device):
    """The narrow type in which PyTorch computes by itself: half on a GPU, bfloat16 on a processor."""
    return torch.float16 if device.type == "cuda" else torch.bfloat16


def autocast(device, mixed):
    return torch.autocast(device.type, dtype=narrow_type(device), enabled=mixed)


def train(model, work, device, results, check, judge, classes, shape):
    """Trains a copy in float32, or mixed, and demands that the loss falls."""
    mixed = work.get("mixed", False)
    there = copy.deepcopy(model).to(device, torch.float32)
    kind = torch.optim.Adam if work["optimizer"] == "adam" else torch.optim.SGD
    optimizer = kind(there.parameters(), lr=work["rate"])
    scaler = torch.cuda.amp.GradScaler(enabled=mixed and device.type == "cuda")
    data, losses = batches(shape, classes, 11), []
    if work.get("same_batch"):
        data = itertools.repeat(next(data))

    def steps():
        for _ in range(work["steps"]):
            inputs, labels = next(data)
            optimizer.zero_grad()
            with autocast(device, mixed):
                result = there(inputs.to(device, torch.float32))
                loss = F.cross_entropy(result, labels.to(device))
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())

    _, seconds = timed(device, steps)
    part = max(1, len(losses) // 5)
    first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
    if not math.isfinite(last) or last > FALL * first:
        results.failed(check, "the loss does not fall: {:.4f} at first, {:.4f} at last".format(first, last))
    # What was learnt is compared too: the trained network on a new batch, here and in float64.
    inputs, _ = next(data)
    with torch.no_grad(), autocast(device, mixed):
        got = there(inputs.to(device, torch.float32))
    with torch.no_grad():
        want = copy.deepcopy(there).to("cpu").double()(inputs)
    dtype = str(narrow_type(device)).replace("torch.", "") if mixed else "float32"
    judge("trained_forward", dtype, got, want, seconds, loss_first=round(first, 6), loss_last=round(last, 6))


def mixed_step(model, inputs, labels, device, judge):
    """One step in the narrow type against float64, where only products are narrow."""
    want = one_step(copy.deepcopy(model), inputs.clone(), (labels, False))
    there = copy.deepcopy(model).to(device, torch.float32)
    with autocast(device, True):
        found = one_step(there, inputs.to(device, torch.float32), (labels.to(device), True), SCALE)
    for what, value in found.items():
        judge(what, str(narrow_type(device)).replace("torch.", ""), value, want[what], 0.0)


def mlp_training(work, device, results, check, judge):
    widths, batch = work["widths"], work["batch"]
    shape = (batch, widths[0])
    model = make(1, lambda: models.mlp(widths), *shape)
    inputs, labels = next(batches(shape, widths[-1], 5))
    if work.get("mixed"):
        mixed_step(model, inputs, labels, device, judge)
    else:
        compare(model, inputs, labels, device, judge)
    train(model, work, device, results, check, judge, widths[-1], shape)


def network_training(build):
    """A program that compares one step of a network, and trains it."""

    def program(work, device, results, check, judge):
        shape, classes = tuple(work["input"]), work["classes"]
        model = make(2, lambda: build(work), *shape)
        inputs, labels = next(batches(shape, classes, 5))
        compare(model, inputs, labels, device, judge)
        train(model, work, device, results, check, judge, classes, shape)

    return program


# Of a batch, so many are computed in float64: the others are independent of them.
FIRST = 2


def layer(build, gradients):
    """A program that compares a network's result; and gradients, of a small batch, where no kink makes them jump."""

    def program(work, device, results, check, judge):
        shape = tuple(work["input"])
        torch.manual_seed(3)
        model = build(work).double()
        inputs = numbers(shape, 3)
        there = copy.deepcopy(model).to(device, torch.float32)
        with torch.no_grad():
            want = model(inputs[:FIRST])
            got, seconds = timed(device, lambda: there(inputs.to(device, torch.float32)))
        part = {} if shape[0] <= FIRST else {"sampled": "{} of {} in the batch".format(FIRST, shape[0])}
        judge("forward", "float32", got[:FIRST], want, seconds, **part)
        if gradients:
            compare(model, inputs[:FIRST].clone(), None, device, lambda what, *more: what != "forward" and judge(what, *more))

    return program


class SelfAttention(torch.nn.Module):
    """Multi-head attention of a sequence to itself."""

    def __init__(self, width, heads):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, sequence):
        return self.attention(sequence, sequence, sequence)[0]


def encoder(work):
    return torch.nn.TransformerEncoderLayer(work["input"][2], work["heads"], dropout=0.0, batch_first=True)


PROGRAMS = {
    "mlp_training": mlp_training,
    "eegnex_like": network_training(lambda work: models.EegnexLike(work["input"][2], work["classes"])),
    "yolo_like": network_training(lambda work: models.YoloLike(work["classes"] // 3 - 5)),
    "yolo_backbone": layer(lambda work: models.yolo_backbone(), gradients=False),
    "multi_head_attention": layer(lambda work: SelfAttention(work["input"][2], work["heads"]), gradients=True),
    "encoder_layer": layer(encoder, gradients=False),
}
