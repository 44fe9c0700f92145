"""Helpers for programs that use PyTorch already: opt-in, and nothing is changed by importing this.

`safe_convolutions` computes convolutions by a route that avoids what is broken, `tune_cpu` makes the processor as fast
as it can be, `worker_start_advice` says how workers of a DataLoader must be started.
"""

from rmcp.torch.convolutions import safe_convolutions
from rmcp.torch.tuning import Tuned, tune_cpu
from rmcp.torch.workers import WorkerStart, worker_start_advice

__all__ = ["Tuned", "WorkerStart", "safe_convolutions", "tune_cpu", "worker_start_advice"]
