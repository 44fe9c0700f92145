"""Three kinds of models that people train on such cards: signals, pictures, and finding things in pictures."""

from __future__ import annotations

from typing import List

import torch
from torch import Tensor, nn


class EEGNet(nn.Sequential):
    """After Lawhern et al. 2018: a filter in time, one over electrodes, a separable one; (N, 1, 64, 256)."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 8, (1, 64), padding=(0, 32), bias=False),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 16, (64, 1), groups=8, bias=False),
            nn.BatchNorm2d(16),
            nn.ELU(),
            nn.AvgPool2d((1, 4)),
            nn.Conv2d(16, 16, (1, 16), padding=(0, 8), groups=16, bias=False),
            nn.Conv2d(16, 16, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ELU(),
            nn.AvgPool2d((1, 8)),
            nn.Flatten(),
            nn.LazyLinear(4),
        )


class Residual(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.way = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        same = stride == 1 and before == after
        self.short = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, picture: Tensor) -> Tensor:
        return torch.relu(self.way(picture) + self.short(picture))


class ResNet18(nn.Sequential):
    """The layers of ResNet-18; (N, 3, 224, 224)."""

    def __init__(self, width: int = 64) -> None:
        blocks: List[nn.Module] = []
        before = width
        for level in range(4):
            after = width << level
            blocks += [Residual(before, after, 1 if level == 0 else 2), Residual(after, after, 1)]
            before = after
        super().__init__(
            nn.Conv2d(3, width, 7, 2, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            *blocks,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(before, 10),
        )


def _layer(before: int, after: int, taps: int = 3, stride: int = 1) -> nn.Module:
    padding = taps // 2
    return nn.Sequential(nn.Conv2d(before, after, taps, stride, padding, bias=False), nn.BatchNorm2d(after), nn.SiLU())


class Split(nn.Module):
    """A part of the channels goes by, as in YOLO's C2f."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.into = _layer(channels, channels, 1)
        self.way = nn.Sequential(_layer(channels // 2, channels // 2), _layer(channels // 2, channels // 2))
        self.join = _layer(channels // 2 * 3, channels, 1)

    def forward(self, picture: Tensor) -> Tensor:
        by, through = self.into(picture).chunk(2, 1)
        return self.join(torch.cat([by, through, self.way(through)], 1))


class Yolo(nn.Module):
    """A backbone and three heads like YOLOv8n's; (N, 3, 640, 640)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.start = nn.Sequential(_layer(3, width, stride=2), _layer(width, 2 * width, stride=2), Split(2 * width))
        sizes = [4 * width, 8 * width, 16 * width]
        befores = [2 * width, *sizes]
        self.levels = nn.ModuleList(
            nn.Sequential(_layer(before, after, stride=2), Split(after)) for before, after in zip(befores, sizes)
        )
        self.heads = nn.ModuleList(nn.Sequential(_layer(size, 64), nn.Conv2d(64, 84, 1)) for size in sizes)

    def forward(self, picture: Tensor) -> List[Tensor]:
        picture = self.start(picture)
        found = []
        for level, head in zip(self.levels, self.heads):
            picture = level(picture)
            found.append(head(picture))
        return found
