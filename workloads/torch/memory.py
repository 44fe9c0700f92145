"""Much memory at once: contents are written and read back, not only allocated."""

import torch

from device import finish, timed

# A processor's memory is not what is tested: this much of it.
ON_PROCESSOR = 64 << 20
PIECE = 1 << 22


def total(device):
    return torch.cuda.get_device_properties(0).total_memory if device.type == "cuda" else 2 * ON_PROCESSOR


def pattern(start, count, device):
    """Numbers that differ from place to place and from those at the same place of another page."""
    return (torch.arange(start, start + count, device=device) * 2654435761) % 2147483647


def filled(elements, device):
    """One allocation, every element of it written."""
    block = torch.empty(elements, dtype=torch.int32, device=device)
    for start in range(0, elements, PIECE):
        count = min(PIECE, elements - start)
        block[start : start + count] = pattern(start, count, device).int()
    return block


def wrong_in(block):
    """How many elements are not what was written."""
    wrong = 0
    for start in range(0, block.numel(), PIECE):
        count = min(PIECE, block.numel() - start)
        wrong += (block[start : start + count] != pattern(start, count, block.device).int()).sum().item()
    return wrong


def memory_pressure(work, device, results, check, judge):
    elements = int(total(device) * work["share"]) // 4
    blocks, seconds = timed(device, lambda: [filled(elements, device) for _ in range(work["blocks"])])
    wrong = sum(wrong_in(block) for block in blocks)
    got = torch.tensor([elements * work["blocks"] - wrong], dtype=torch.float64)
    judge("contents", "int32", got, torch.tensor([elements * work["blocks"]]).double(), seconds)
    for i in range(work["products"]):
        side = torch.full((500, 500), 0.5, device=device)
        product = side @ side
        if product.min().item() != 125.0 or product.max().item() != 125.0:
            return results.failed(check, "product {} of 500x500 halves is not 125 everywhere".format(i + 1))
        if i % 10 == 0 and device.type == "cuda":
            torch.cuda.empty_cache()
    parts = [torch.ones(1000, 1000, device=device) for _ in range(work["sums"])]
    judge("sum", "float32", sum(parts).sum(), torch.tensor(1e6 * work["sums"]).double(), 0.0)
    if any(wrong_in(block) for block in blocks):
        results.failed(check, "contents have changed while other memory was used")
    finish(device)
    return None


PROGRAMS = {"memory_pressure": memory_pressure}
