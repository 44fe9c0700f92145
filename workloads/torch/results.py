"""Result lines for the program that started us, and how a result is compared with what is expected.

Each line is a JSON document, written at once, so that what was found out before a crash is kept. The relative error of a
tensor is max|got - want| / max|want| over all its elements: an element that should be zero may be off by as much as
one that should be large. What is not a number, or infinite, is wrong whatever was expected, and its error is null.
"""

import json
import math


class Results:
    """The file to which the lines go, and how many there are."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8")
        self.count = 0
        self.problems = 0

    def write(self, line):
        self.file.write(json.dumps(line, allow_nan=False) + "\n")
        self.file.flush()

    def begin(self, check):
        """Says what is computed next: a crash is then put down to it."""
        self.write({"begin": check})

    def add(self, line):
        self.count += 1
        self.write(line)

    def compared(self, check, what, dtype, error, tolerance, seconds, **more):
        number = error if math.isfinite(error) else None
        line = {"check": check, "what": what, "dtype": dtype, "max_rel_error": number}
        line.update({"tolerance": tolerance, "seconds": round(seconds, 6)}, **more)
        self.add(line)

    def failed(self, check, why):
        self.problems += 1
        self.add({"check": check, "failed": one_line(why)})

    def skipped(self, check, why):
        self.add({"check": check, "skipped": one_line(why)})

    def end(self):
        self.write({"end": self.count})
        self.file.close()


def one_line(text):
    return " ".join(str(text).split())[:300]


def relative_error(got, want):
    """Largest error of `got`, of any type and device, relative to the largest element of `want`, in float64."""
    if tuple(got.shape) != tuple(want.shape):
        return math.inf
    got = got.detach().to("cpu").double()
    want = want.detach().double()
    if got.numel() == 0:
        return 0.0
    largest = want.abs().max().item()
    worst = (got - want).abs().max().item()
    if not math.isfinite(worst):
        return math.inf
    if largest == 0:
        return 0.0 if worst == 0 else math.inf
    return worst / largest
