"""Small networks of the shapes that people train on these cards, made here so that no other package is needed."""

import torch
from torch import nn


def mlp(widths):
    """Linear layers with ReLU between them."""
    layers = []
    for before, after in zip(widths, widths[1:]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def strided(before, after):
    """Half the size, by a convolution; smooth, so that gradients do not jump where two numbers are nearly equal."""
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.SiLU())


def block(before, after, pool):
    """Convolution, normalisation, leaky ReLU and, where asked for, pooling by two."""
    layers = [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)]
    return layers + ([nn.MaxPool2d(2)] if pool else [])


def yolo_backbone():
    """The three blocks of the earlier suite: 3 channels to 128, at a quarter of the size."""
    return nn.Sequential(*block(3, 32, True), *block(32, 64, True), *block(64, 128, False))


class YoloLike(nn.Module):
    """A small detector: strides 8 and 16, boxes of `classes + 5` numbers for each of three anchors."""

    def __init__(self, classes):
        super().__init__()
        outputs = 3 * (classes + 5)
        self.early = nn.Sequential(strided(3, 16), strided(16, 32), strided(32, 64))
        self.late = strided(64, 128)
        self.up = nn.ConvTranspose2d(128, 64, 2, stride=2)
        self.small = nn.Conv2d(128, outputs, 1)
        self.large = nn.Conv2d(128, outputs, 1)

    def forward(self, image):
        early = self.early(image)
        late = self.late(early)
        joined = torch.cat([early, self.up(late)], dim=1)
        return torch.cat([self.large(late).flatten(2), self.small(joined).flatten(2)], dim=2).mean(dim=2)


class EegnexLike(nn.Module):
    """After EEGNeX: convolutions in time, one over all electrodes that takes their axis away, dilated ones after it."""

    def __init__(self, electrodes, classes):
        super().__init__()
        self.time = nn.Sequential(nn.Conv2d(1, 8, (1, 32), padding=(0, 16), bias=False), nn.BatchNorm2d(8), nn.ELU())
        self.space = nn.Conv2d(8, 32, (electrodes, 1), groups=8, bias=False)
        self.after = nn.Sequential(nn.BatchNorm2d(32), nn.ELU(), nn.AvgPool2d((1, 4)))
        self.late = nn.Sequential(
            nn.Conv2d(32, 32, (1, 16), padding=(0, 16), dilation=(1, 2), bias=False),
            nn.BatchNorm2d(32),
            nn.ELU(),
            nn.AvgPool2d((1, 8)),
        )
        self.head = nn.LazyLinear(classes)

    def forward(self, signal):
        return self.head(self.late(self.after(self.space(self.time(signal)))).flatten(1))
