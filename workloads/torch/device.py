"""The device that computes, and settings of PyTorch that are to be tried."""

import ast
import json
import os
import time

import torch


class Missing(Exception):
    """What is needed to compute is not there."""


class Unseen(Exception):
    """The GPU that should compute cannot be seen."""


def chosen():
    """Returns the device that RMCP_DEVICE names: `cuda`, which is also the name of AMD's, or `cpu`.

    A PyTorch for the processor alone has nothing to test on a GPU. One for a GPU that sees none is broken, or the card
    or its driver is.
    """
    name = os.environ.get("RMCP_DEVICE") or "cuda"
    if name not in ("cuda", "cpu"):
        raise Missing("RMCP_DEVICE is neither cuda nor cpu: " + name)
    if name == "cuda" and not (torch.version.hip or torch.version.cuda):
        raise Missing("this PyTorch is built for the processor alone")
    if name == "cuda" and not torch.cuda.is_available():
        raise Unseen("torch sees no GPU")
    return torch.device(name)


def apply_settings():
    """Sets what RMCP_TORCH says, such as {"backends.cudnn.enabled": "False"}.

    Single precision is to be that: by default PyTorch rounds the numbers of convolutions to 10 bits where the GPU can.
    """
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    for path, text in json.loads(os.environ.get("RMCP_TORCH") or "{}").items():
        owner = torch
        *folders, name = path.split(".")
        for folder in folders:
            owner = getattr(owner, folder, None)
        if not hasattr(owner, name):
            raise Missing("this PyTorch has no setting torch." + path)
        setattr(owner, name, ast.literal_eval(text))


def finish(device):
    """Waits for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(device, work):
    """Returns what `work` returns, and how many seconds it took to the end."""
    finish(device)
    start = time.perf_counter()
    value = work()
    finish(device)
    return value, time.perf_counter() - start


def numbers(shape, seed, scale=1.0):
    """Random float64 numbers in (-scale, scale) that a half holds exactly, the same everywhere.

    So one reference serves all types: what is given to the device is never rounded.
    """
    generator = torch.Generator().manual_seed(seed)
    values = (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1) * scale
    return values.half().double()
