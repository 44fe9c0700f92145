"""Convolutions of every kind as matrix products, in a workspace of bounded size.

Three operations between a picture, the weights and what comes out make all of them: `correlate` gives what comes out,
`spread` is its adjoint in the picture, `outer` in the weights. A transposed convolution is `spread`, and its gradients
are `correlate` and `outer`. Each works on boxes of the output that are halved until the columns of one fit.

Pictures are (N, C, ...), weights (O, C / groups, ...); sizes, strides, padding and dilation are one number for each of
the 1 to 3 dimensions behind.
"""

from __future__ import annotations

import itertools
from typing import Iterator, List, NamedTuple, Sequence, Tuple

import torch
from torch import Tensor


class Window(NamedTuple):
    """How the weights walk over the picture."""

    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]
    groups: int

    def out_size(self, size: Sequence[int], kernel: Sequence[int]) -> List[int]:
        """Returns how many places there are along each dimension."""
        return [
            (length + 2 * pad - step * (taps - 1) - 1) // stride + 1
            for length, taps, stride, pad, step in zip(size, kernel, self.stride, self.padding, self.dilation)
        ]


class Box(NamedTuple):
    """A part of the output: ranges of groups, of pictures, and of places along each dimension."""

    groups: range
    pictures: range
    places: Tuple[range, ...]

    def count(self) -> int:
        count = len(self.pictures)
        for places in self.places:
            count *= len(places)
        return count * len(self.groups)

    def halves(self) -> Tuple[Box, Box]:
        """Splits the longest range; pictures before places before groups, where they are equally long."""
        ranges = [self.pictures, *self.places, self.groups]
        longest = max(range(len(ranges)), key=lambda at: len(ranges[at]))
        whole, middle = ranges[longest], len(ranges[longest]) // 2
        first, second = list(ranges), list(ranges)
        first[longest], second[longest] = whole[:middle], whole[middle:]
        return tuple(Box(part[-1], part[0], tuple(part[1:-1])) for part in (first, second))  # type: ignore[return-value]


def correlate(picture: Tensor, weight: Tensor, size: Sequence[int], window: Window, workspace: int) -> Tensor:
    """Returns what comes out at so many places where the weights walk over the picture."""
    out = picture.new_zeros([picture.shape[0], weight.shape[0], *size])
    for box in _boxes(out, weight, window, workspace):
        columns = _gather(picture, box, weight, window)
        product = torch.bmm(_matrix(weight, box, window), columns)
        _part(out, box, window).copy_(_as_places(product, box))
        # Before the next ones are made.
        del columns, product
    return out


def spread(out: Tensor, weight: Tensor, size: Sequence[int], window: Window, workspace: int) -> Tensor:
    """Returns the picture of this size to which every place of `out` has added its weights."""
    picture = out.new_zeros([out.shape[0], weight.shape[1] * window.groups, *size])
    for box in _boxes(out, weight, window, workspace):
        columns = torch.bmm(_matrix(weight, box, window).transpose(1, 2), _as_matrix(_part(out, box, window)))
        columns = _by_tap(columns, box, weight)
        for tap, places, target in _taps(picture, box, weight, window):
            target.add_(columns[(slice(None), slice(None), tap, slice(None), *places)].transpose(0, 2).transpose(1, 2))
        del columns
    return picture


def outer(picture: Tensor, out: Tensor, taps: Sequence[int], window: Window, workspace: int) -> Tensor:
    """Returns the gradient of the weights: for each tap, the products of what it saw with what came out."""
    groups = window.groups
    shape = [out.shape[1], picture.shape[1] // groups, *taps]
    # Many small sums of halves would lose what the halves still have.
    exact = torch.float32 if picture.dtype in (torch.float16, torch.bfloat16) else picture.dtype
    total = torch.zeros([groups, shape[0] // groups, shape[1] * _product(taps)], dtype=exact, device=picture.device)
    like = picture.new_empty(0).expand([shape[0], shape[1], *taps]) if 0 in shape else picture.new_empty(1).expand(shape)
    for box in _boxes(out, like, window, workspace):
        columns = _gather(picture, box, like, window)
        product = torch.bmm(_as_matrix(_part(out, box, window)), columns.transpose(1, 2))
        total[box.groups.start : box.groups.stop] += product
        del columns, product
    return total.reshape(shape).to(picture.dtype)


def _boxes(out: Tensor, weight: Tensor, window: Window, workspace: int) -> Iterator[Box]:
    """Yields boxes of the output for each of which the columns and the product fit into the workspace."""
    if out.numel() == 0:
        return
    groups = window.groups
    rows = weight.shape[1] * _product(weight.shape[2:]) + 2 * (weight.shape[0] // groups)
    limit = max(workspace // (rows * out.element_size()), 1)
    waiting = [Box(range(groups), range(out.shape[0]), tuple(range(length) for length in out.shape[2:]))]
    while waiting:
        box = waiting.pop()
        if box.count() <= limit:
            yield box
        else:
            waiting.extend(reversed(box.halves()))


def _gather(picture: Tensor, box: Box, weight: Tensor, window: Window) -> Tensor:
    """Returns the columns of a box: for each place, what all taps see there, as (groups, C / groups * taps, places)."""
    size = [len(box.groups), weight.shape[1], _product(weight.shape[2:]), len(box.pictures)]
    columns = picture.new_zeros(size + [len(places) for places in box.places])
    for tap, places, source in _taps(picture, box, weight, window):
        columns[(slice(None), slice(None), tap, slice(None), *places)] = source.transpose(1, 2).transpose(0, 2)
    return columns.reshape(size[0], size[1] * size[2], -1)


def _taps(
    picture: Tensor, box: Box, weight: Tensor, window: Window
) -> Iterator[Tuple[int, Tuple[slice, ...], Tensor]]:
    """Yields for each tap that sees anything: its number, the places of the box where it does, and what it sees there, as
    a view (pictures, groups, C / groups, ...)."""
    groups, channels = window.groups, weight.shape[1]
    size = picture.shape[2:]
    whole = picture.reshape if picture.numel() == 0 else picture.view
    split = whole([picture.shape[0], groups, channels, *size])
    split = split[box.pictures.start : box.pictures.stop, box.groups.start : box.groups.stop]
    offsets = itertools.product(*(range(taps) for taps in weight.shape[2:]))
    for tap, offset in enumerate(offsets):
        places: List[slice] = []
        seen: List[slice] = []
        for at, length, box_places, stride, pad, step in zip(
            offset, size, box.places, window.stride, window.padding, window.dilation
        ):
            shift = at * step - pad
            # First and last place at which this tap is inside the picture.
            first = max(box_places.start, -(shift // stride))
            last = min(box_places.stop - 1, (length - 1 - shift) // stride)
            if first > last:
                break
            places.append(slice(first - box_places.start, last - box_places.start + 1))
            seen.append(slice(first * stride + shift, last * stride + shift + 1, stride))
        else:
            yield tap, tuple(places), split[(slice(None), slice(None), slice(None), *seen)]


def _matrix(weight: Tensor, box: Box, window: Window) -> Tensor:
    """Returns the weights of a box's groups as (groups, O / groups, C / groups * taps)."""
    all_groups = weight.reshape(window.groups, weight.shape[0] // window.groups, -1)
    return all_groups[box.groups.start : box.groups.stop]


def _part(out: Tensor, box: Box, window: Window) -> Tensor:
    """Returns a box of the output as a view (pictures, groups, O / groups, ...)."""
    split = out.view([out.shape[0], window.groups, out.shape[1] // window.groups, *out.shape[2:]])
    places = (slice(places.start, places.stop) for places in box.places)
    pictures, groups = (slice(part.start, part.stop) for part in (box.pictures, box.groups))
    return split[(pictures, groups, slice(None), *places)]


def _as_matrix(part: Tensor) -> Tensor:
    """(pictures, groups, O / groups, ...) as (groups, O / groups, places)."""
    return part.transpose(0, 1).transpose(1, 2).reshape(part.shape[1], part.shape[2], -1)


def _as_places(product: Tensor, box: Box) -> Tensor:
    """The reverse of `_as_matrix`."""
    places = [len(places) for places in box.places]
    return product.reshape([*product.shape[:2], len(box.pictures), *places]).transpose(1, 2).transpose(0, 1)


def _by_tap(columns: Tensor, box: Box, weight: Tensor) -> Tensor:
    places = [len(places) for places in box.places]
    taps = _product(weight.shape[2:])
    return columns.reshape([len(box.groups), weight.shape[1], taps, len(box.pictures), *places])


def _product(numbers: Sequence[int]) -> int:
    product = 1
    for number in numbers:
        product *= number
    return product
