"""The first image size at which a convolution fails, and the same work again and again for a long time."""

import os
import time

import torch

import operations
from device import finish
from results import relative_error


def size_boundary(work, device, results, check, judge):
    """Each size is a check of its own, announced first: a crash or hang names the size. The first run of a size compiles or
    looks kernels up, the second only runs: `first_seconds` beside `seconds`."""
    inputs, outputs = work["channels"]
    for size in work["sizes"]:
        name = "{} {}x{}".format(check, size, size)
        results.begin(name)
        shape = {"input": [1, inputs, size, size], "weight": [outputs, inputs, 3, 3], "padding": [1, 1]}
        case = operations.Case({"conv2d": shape}, 9)
        want, part = case.expected(True)["forward"]
        _, first = case.on(device, torch.float32, True)
        found, times = case.on(device, torch.float32, True)
        got = found["forward"]
        if part is not None:
            got = got.index_select(part[0], torch.tensor(part[1], device=device))
        judge("forward", "float32", got, want, times["forward"], check=name, first_seconds=round(first["forward"], 6))


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def soak(work, device, results, check, judge):
    """Convolutions until the time is over: each round must give the first round's numbers, and memory must not grow."""
    shape = {"input": [4, 16, 64, 64], "weight": [32, 16, 3, 3], "padding": [1, 1]}
    case = operations.Case({"conv2d": shape}, 10)
    want = case.expected(True)
    end = time.monotonic() + work["seconds"]
    rounds, worst, before = 0, {}, None
    while time.monotonic() < end or rounds < 3:
        found, times = case.on(device, torch.float32, True)
        for what, value in found.items():
            worst[what] = max(worst.get(what, (0.0,)), (relative_error(value, want[what][0]), times[what]))
        rounds += 1
        # Caches have filled up by the third round.
        if rounds == 3:
            before = resident_bytes()
        if rounds % 100 == 0:
            results.write({"alive": rounds})
    finish(device)
    for what in worst:
        # The last round's numbers stand for the worst one's place in the record.
        judge(what, "float32", found[what], want[what][0], worst[what][1], rounds=rounds, worst=worst[what][0])
    grown = resident_bytes() - before
    if grown > work["growth_mib"] << 20:
        results.failed(check, "memory has grown by {} MiB in {} rounds".format(grown >> 20, rounds))


PROGRAMS = {"size_boundary": size_boundary, "soak": soak}
