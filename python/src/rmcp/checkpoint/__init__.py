"""A training's state on the disk, so that it goes on after a fault: on the same device or on another.

    from rmcp import checkpoint
    keeper = checkpoint.Keeper(model=model, optimizer=optimizer)
    for step in keeper.steps(1000, every=50):
        ...

A checkpoint is written whole or not at all, and one whose checksum is not right is never loaded: a process may be
killed at any moment. The file is an ordinary one of `torch.save`. Load only your own: it is a pickle.

`rmcp run` sets RMCP_CHECKPOINT_DIR (the folder, where none is named) and RMCP_RESUME (the checkpoint to go on from).
"""

from rmcp.checkpoint.found import Found, find_latest
from rmcp.checkpoint.keeper import Keeper

__all__ = ["Found", "Keeper", "find_latest"]
