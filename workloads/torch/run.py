"""Computes one workload and writes what came of it, a line for each result.

RMCP_WORKLOAD names a file with the workload as JSON, RMCP_RESULTS the file to which lines are added; RMCP_DEVICE is `cuda`
or `cpu`, RMCP_TORCH holds settings of PyTorch as JSON, RMCP_PRECISION is `single` where half precision is to be left out,
RMCP_FAULT plants a fault (see faults.py). Needs Python 3.9 and, for what computes, PyTorch 1.13.
"""

import json
import os
import sys
import traceback

import faults
import machine
from results import Results, one_line


class Judge:
    """Compares results of one check with what is expected, and plants wrong numbers where a test asks for them."""

    def __init__(self, results, check, bounds, fault):
        self.results, self.check, self.bounds, self.fault = results, check, bounds, fault

    def __call__(self, what, dtype, got, want, seconds, check=None, worst=0.0, **more):
        import operations

        error = operations.error_of(got, want, faults.spoils(self.fault, what, dtype))
        bound = self.bounds.get(dtype, 0.0)
        self.results.compared(check or self.check, what, dtype, max(error, worst), bound, seconds, **more)


def bounds_of(workload, check):
    bounds = {tolerance["dtype"]: tolerance["bound"] for tolerance in workload.get("tolerance", [])}
    bounds.update(check.get("tolerance", {}))
    return bounds


def kinds_with_torch():
    import boundary
    import memory
    import training

    return dict(training.PROGRAMS, **memory.PROGRAMS, **boundary.PROGRAMS)


def compute(workload, place, check, device, results, fault):
    """One check."""
    name = check["name"]
    if "program" in check:
        ((kind, work),) = check["program"].items()
        if kind in machine.PROGRAMS:
            return machine.PROGRAMS[kind](work, results, name)
        judge = Judge(results, name, bounds_of(workload, check), fault)
        return kinds_with_torch()[kind](work, device, results, name, judge)
    import operations

    judge = Judge(results, name, bounds_of(workload, check), fault)
    return operations.run(check, device, judge, 1000 * (place + 1))


def in_single_precision(workload):
    """The same work without half precision."""
    for check in workload["check"]:
        narrow = {"float16": "float32", "bfloat16": "float32"}
        # In their order, each once.
        check["dtypes"] = list(dict.fromkeys(narrow.get(name, name) for name in check.get("dtypes", [])))
        for work in check.get("program", {}).values():
            work.pop("mixed", None)
    return workload


def needs_torch(workload):
    return any("operation" in check or next(iter(check["program"])) not in machine.PROGRAMS for check in workload["check"])


def main():
    with open(os.environ["RMCP_WORKLOAD"], encoding="utf-8") as file:
        workload = json.load(file)
    if os.environ.get("RMCP_PRECISION") == "single":
        workload = in_single_precision(workload)
    results, fault, device = Results(os.environ["RMCP_RESULTS"]), faults.planted(), None
    if fault == "missing-package":
        sys.modules["torch"] = None
    if needs_torch(workload):
        try:
            import device as devices
        except ImportError as error:
            results.add({"missing": one_line("PyTorch cannot be imported: {}".format(error))})
            return results.end()
        try:
            device = devices.chosen()
            devices.apply_settings()
        except devices.Missing as why:
            results.add({"skipped": one_line(why)})
            return results.end()
        except devices.Unseen as why:
            results.failed(workload["check"][0]["name"], why)
            results.end()
            return 1
    for place, check in enumerate(workload["check"]):
        results.begin(check["name"])
        # In the midst of the work, where there is one.
        if place == min(1, len(workload["check"]) - 1):
            faults.strike(fault)
        try:
            compute(workload, place, check, device, results, fault)
        except Exception as error:
            traceback.print_exc()
            results.failed(check["name"], "{}: {}".format(type(error).__name__, error))
    results.end()
    return 1 if results.problems else 0


if __name__ == "__main__":
    sys.exit(main())
