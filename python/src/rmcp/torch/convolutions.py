"""Convolutions of unmodified models, computed by another route.

Where a card computes all but convolutions, or its library for them (MIOpen) is what fails, the rest can stay on it. Two
registrations with `torch.library` for one back end, of `aten::convolution` and `aten::convolution_backward`, catch the
convolutions of every module and function, below autograd and autocast, and cost nothing elsewhere. A
`TorchDispatchMode` would catch them too, but takes every operation through Python. A graph that `torch.compile` has
compiled no longer asks for either: compile inside, and compare.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Any, Callable, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from rmcp.torch import unfold

#: How convolutions are computed: by torch without MIOpen or cuDNN, as matrix products, or on another device.
ROUTES = ("library-off", "unfold", "cpu", "vulkan")

_Gradients = Tuple[Optional[Tensor], Optional[Tensor], Optional[Tensor]]
_active = threading.Lock()


@contextmanager
def safe_convolutions(route: str = "library-off", backend: str = "CUDA", workspace: int = 256 << 20) -> Iterator[None]:
    """Computes the convolutions of one back end by another route while it is open.

    `"library-off"` switches off MIOpen (on NVIDIA cards, cuDNN): torch then uses its own kernels and a BLAS.
    `"unfold"` computes matrix products with at most `workspace` bytes beside inputs and results. `"cpu"` and `"vulkan"`
    copy there and back. `backend` is a dispatch key: `"CUDA"` for cards of AMD and NVIDIA.

    A convolution and its gradient must both run inside. It holds for all threads, and one can be open at a time.
    """
    if route not in ROUTES:
        raise ValueError(f"route is {route!r}; expected one of {', '.join(ROUTES)}")
    if route == "library-off":
        with torch.backends.cudnn.flags(enabled=False):
            yield
        return
    if route.upper() == backend:
        raise ValueError(f"the back end {backend} cannot stand in for itself")
    if not _active.acquire(blocking=False):
        raise RuntimeError("safe_convolutions is open already")
    try:
        library = torch.library.Library("aten", "IMPL")
        try:
            if route == "unfold":
                forward, backward = _unfolding(workspace)
            else:
                forward, backward = _elsewhere(route)
            for name, function in (("convolution", forward), ("convolution_backward", backward)):
                _register(library, name, function, backend)
            yield
        finally:
            # Newer torch keeps registrations that are not taken back.
            getattr(library, "_destroy", lambda: None)()
            del library
    finally:
        _active.release()


def _register(library: Any, name: str, function: Callable[..., Any], backend: str) -> None:
    """Newer torch warns of what takes the place of its own, unless that is said to be meant."""
    try:
        library.impl(name, function, backend, allow_override=True)
    except TypeError:
        library.impl(name, function, backend)


def _unfolding(workspace: int) -> Tuple[Callable[..., Tensor], Callable[..., _Gradients]]:
    def convolution(
        picture: Tensor,
        weight: Tensor,
        bias: Optional[Tensor],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        transposed: bool,
        output_padding: Sequence[int],
        groups: int,
    ) -> Tensor:
        window = _window(picture, stride, padding, dilation, groups)
        layout = _layout(picture, weight)
        picture, weight = picture.contiguous(), weight.contiguous()
        if transposed:
            size = _transposed_size(picture, weight, window, output_padding)
            out = unfold.spread(picture, weight, size, window, workspace)
        else:
            size = window.out_size(picture.shape[2:], weight.shape[2:])
            out = unfold.correlate(picture, weight, size, window, workspace)
        if bias is not None:
            out += bias.reshape([1, -1] + [1] * (out.dim() - 2))
        return out.contiguous(memory_format=layout)

    def backward(
        slope: Tensor,
        picture: Tensor,
        weight: Tensor,
        bias_sizes: Optional[Sequence[int]],
        stride: Sequence[int],
        padding: Sequence[int],
        dilation: Sequence[int],
        transposed: bool,
        output_padding: Sequence[int],
        groups: int,
        output_mask: Sequence[bool],
    ) -> _Gradients:
        window = _window(picture, stride, padding, dilation, groups)
        layout = _layout(picture, weight)
        slope, picture, weight = slope.contiguous(), picture.contiguous(), weight.contiguous()
        of_picture: Optional[Tensor] = None
        of_weight: Optional[Tensor] = None
        if output_mask[0]:
            if transposed:
                of_picture = unfold.correlate(slope, weight, picture.shape[2:], window, workspace)
            else:
                of_picture = unfold.spread(slope, weight, picture.shape[2:], window, workspace)
            of_picture = of_picture.contiguous(memory_format=layout)
        if output_mask[1]:
            seen, out = (slope, picture) if transposed else (picture, slope)
            of_weight = unfold.outer(seen, out, weight.shape[2:], window, workspace)
            of_weight = of_weight.contiguous(memory_format=layout)
        return of_picture, of_weight, _bias_gradient(slope) if output_mask[2] else None

    return convolution, backward


def _elsewhere(device: str) -> Tuple[Callable[..., Tensor], Callable[..., _Gradients]]:
    """Copies tensors to another device, computes there, and copies back."""

    def sent(arguments: Sequence[Any]) -> List[Any]:
        return [_send(one, device) for one in arguments]

    def convolution(picture: Tensor, *rest: Any) -> Tensor:
        out = torch.ops.aten.convolution(*sent([picture, *rest]))
        return out.to(picture.device, picture.dtype)

    def backward(slope: Tensor, *rest: Any) -> _Gradients:
        gradients = torch.ops.aten.convolution_backward(*sent([slope, *rest]))
        mask = rest[-1]
        back = [one.to(slope.device, slope.dtype) if wanted else None for one, wanted in zip(gradients, mask)]
        return back[0], back[1], back[2]

    return convolution, backward


def _send(value: Any, device: str) -> Any:
    if not isinstance(value, Tensor):
        return value
    # Processors without halves do not convolve them.
    return value.to(device, torch.float32 if value.dtype == torch.float16 else value.dtype)


def _window(
    picture: Tensor, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], groups: int
) -> unfold.Window:
    if picture.is_complex():
        raise NotImplementedError("convolutions of complex numbers have no other route")
    rank = picture.dim() - 2
    wide = [list(value) * rank if len(value) == 1 else list(value) for value in (stride, padding, dilation)]
    return unfold.Window(*wide, groups)


def _transposed_size(
    picture: Tensor, weight: Tensor, window: unfold.Window, output_padding: Sequence[int]
) -> List[int]:
    rank = picture.dim() - 2
    extra = list(output_padding) * rank if len(output_padding) == 1 else list(output_padding)
    return [
        (length - 1) * stride - 2 * pad + step * (taps - 1) + more + 1
        for length, taps, stride, pad, step, more in zip(
            picture.shape[2:], weight.shape[2:], window.stride, window.padding, window.dilation, extra
        )
    ]


def _layout(*tensors: Tensor) -> torch.memory_format:
    """Returns the memory format in which torch would give the result."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    last = formats.get(tensors[0].dim())
    for tensor in tensors:
        if last is not None and tensor.is_contiguous(memory_format=last) and not tensor.is_contiguous():
            return last
    return torch.contiguous_format


def _bias_gradient(slope: Tensor) -> Tensor:
    return slope.sum([at for at in range(slope.dim()) if at != 1])
