"""Which device a PyTorch program should use, found out without risk to the program that asks.

    import rmcp
    device = rmcp.get_device()
    print(device, device.reason)

Importing this loads nothing else: no torch, no GPU library. `rmcp.checkpoint` keeps a training's state on the disk,
`rmcp.torch` has helpers that do need torch.
"""

from rmcp._device import Device, get_device, get_devices

__all__ = ["Device", "get_device", "get_devices"]
