"""A training that dies of a fault of the device at one step, once: `training.py FOLDER STEPS STEP`.

On a GPU the fault is a real one: a kernel reads an address that nothing is mapped at. On the processor, which stands for a
device then, the process says what ROCm's runtime says and aborts as it does. Each step and its loss is a line in FOLDER/losses.
"""

import os
import sys

import torch
from torch import nn

import rmcp.checkpoint

INTERVAL = 10

# What HIP prints when a queue dies. Source: ROCm/clr, rocclr/device/rocm/rocdevice.cpp.
ABORT = (
    ":0:rocdevice.cpp :2875: Callback: Queue 0x7f00 aborting with error : HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: "
    "The agent attempted to access memory beyond the largest legal address. code: 0x29\n"
)


def break_device(device: str) -> None:
    """Makes the device fail, for good in this process."""
    if device == "cpu":
        sys.stderr.write(ABORT)
        sys.stderr.flush()
        os.abort()
    wild = torch.from_dlpack(_Wild(torch.zeros(16, device=device)))
    (wild + 1).sum().item()


class _Wild:
    """A tensor of DLPack whose address is that of another tensor, and 1 TiB more."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __dlpack_device__(self):
        return self._tensor.__dlpack_device__()

    def __dlpack__(self, **options):
        import ctypes

        capsule = self._tensor.__dlpack__()
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        managed = pointer(capsule, b"dltensor")
        # The first member of a DLManagedTensor is the address of its data. Source: dlpack.h.
        ctypes.c_uint64.from_address(managed).value += 1 << 40
        return capsule


def main() -> None:
    folder, steps, broken = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    device = os.environ.get("RMCP_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(7)
    torch.backends.cudnn.deterministic = True
    # Single precision on every device, so that the losses can be compared.
    torch.backends.cudnn.allow_tf32 = False
    images = torch.randn(256, 3, 16, 16).to(device)
    labels = torch.randint(0, 10, (256,)).to(device)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 7 * 7, 10),
    ).to(device)  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    keeper = rmcp.checkpoint.Keeper(model=model, optimizer=optimizer)
    for step in keeper.steps(steps, every=INTERVAL):
        mark = os.path.join(folder, "broken")
        if step == broken and not os.path.exists(mark):
            open(mark, "w").close()
            break_device(device)
        batch = torch.randint(0, 256, (32,))
        loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with open(os.path.join(folder, "losses"), "a") as file:
            file.write(f"{step} {device} {loss.item():.9g}\n")


main()
