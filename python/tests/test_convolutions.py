"""Convolutions by another route are those of torch, in value and in gradient, within the workspace.

The processor stands for the device; with RMCP_TEST_DEVICE=cuda the configurations are those of a GPU.
"""

import os
import random
import unittest

import torch
import torch.nn.functional as F
from torch import nn

from rmcp.torch import convolutions, safe_convolutions, unfold

DEVICE = os.environ.get("RMCP_TEST_DEVICE", "cpu")
CONFIGURATIONS = 240
FUNCTIONS = {
    (1, False): F.conv1d,
    (2, False): F.conv2d,
    (3, False): F.conv3d,
    (1, True): F.conv_transpose1d,
    (2, True): F.conv_transpose2d,
    (3, True): F.conv_transpose3d,
}


def unfolded(workspace=1 << 24, device="cpu"):
    return safe_convolutions("unfold", backend=device.upper(), workspace=workspace)


class Case:
    """A convolution by chance: rank, channels, groups, kernel, stride, padding, dilation, transposed."""

    def __init__(self, chance):
        rank, self.transposed = chance.choice([1, 2, 2, 3]), chance.random() < 0.4
        groups = chance.choice([1, 1, 2, 3])
        before, after = groups * chance.randint(1, 3), groups * chance.randint(1, 3)

        def each(low, high):
            return [chance.randint(low, high) for _ in range(rank)]

        taps, size = each(1, 4), each(8, 11)
        self.settings = {"stride": each(1, 3), "padding": each(0, 3), "dilation": each(1, 2), "groups": groups}
        if self.transposed:
            limits = zip(self.settings["stride"], self.settings["dilation"])
            self.settings["output_padding"] = [chance.randint(0, max(pair) - 1) for pair in limits]
        self.function = FUNCTIONS[rank, self.transposed]
        self.picture = torch.randn(chance.randint(1, 3), before, *size)
        shape = (before, after // groups) if self.transposed else (after, before // groups)
        self.weight = torch.randn(*shape, *taps)
        self.bias = torch.randn(after) if chance.random() < 0.7 else None
        if rank > 1 and chance.random() < 0.3:
            layout = torch.channels_last if rank == 2 else torch.channels_last_3d
            self.picture = self.picture.contiguous(memory_format=layout)

    def compute(self, dtype, device="cpu"):
        """Returns result and gradients."""
        given = [one for one in (self.picture, self.weight, self.bias) if one is not None]
        leaves = [one.to(device, dtype).detach().requires_grad_() for one in given]
        result = self.function(*leaves, **self.settings)
        slope = torch.linspace(0.1, 1, result.numel(), dtype=dtype).reshape(result.shape)
        gradients = torch.autograd.grad(result, leaves, slope.to(device))
        return [result.detach().cpu(), *(one.cpu() for one in gradients)]


class UnfoldTest(unittest.TestCase):
    def test_seeded_configurations_against_float64(self):
        workspaces = (2048, 1 << 16, 1 << 24)
        self.configurations(lambda chance: unfolded(chance.choice(workspaces), DEVICE))

    @unittest.skipIf(DEVICE == "cpu", "the processor cannot stand in for itself")
    def test_seeded_configurations_on_the_processor(self):
        self.configurations(lambda chance: safe_convolutions("cpu", DEVICE.upper()))

    def test_seeded_configurations_without_the_library(self):
        self.configurations(lambda chance: safe_convolutions("library-off"))

    def configurations(self, route):
        torch.manual_seed(0)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        chance = random.Random(0)
        worst = 0.0
        for number in range(CONFIGURATIONS):
            case = Case(chance)
            right = case.compute(torch.float64)
            plain = case.compute(torch.float32, DEVICE)
            with route(chance):
                got = case.compute(torch.float32, DEVICE)
            for mine, exact in zip(got, right):
                self.assertEqual(mine.shape, exact.shape, f"{number}: {case.settings}")
                if mine.numel():
                    # Sums that are 0 but for rounding are measured by the size of what was added.
                    error = (mine.double() - exact).abs().max() / exact.abs().max().clamp(min=1)
                    worst = max(worst, error.item())
            # On a GPU its library chooses the layout of the plain result.
            if case.function is F.conv2d and DEVICE == "cpu":
                layout = {"memory_format": torch.channels_last}
                same = got[0].is_contiguous(**layout), plain[0].is_contiguous(**layout)
                self.assertEqual(*same, f"{number}: {case.settings}")
        self.assertLess(worst, 1e-5)
        print(f"{CONFIGURATIONS} convolutions on {DEVICE}, worst error {worst:.1e} of the largest value")

    def test_gradcheck(self):
        torch.manual_seed(0)
        chance = random.Random(1)
        for _ in range(12):
            case = Case(chance)
            given = [case.picture[:1, :, :6], case.weight]
            leaves = [one.to(DEVICE).double().detach().requires_grad_() for one in given]
            with unfolded(4096, DEVICE):
                self.assertTrue(
                    torch.autograd.gradcheck(lambda *leaves: case.function(*leaves, **case.settings), leaves, fast_mode=True)
                )

    def test_modules_as_they_are(self):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding="same", padding_mode="reflect"),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 8, 3, groups=8, padding=1),
            nn.ConvTranspose2d(8, 4, 2, stride=2),
        )
        picture = torch.randn(2, 3, 9, 9)
        right = model(picture)
        with unfolded():
            self.assertTrue(torch.allclose(model(picture), right, atol=1e-5))
            self.assertEqual(model[0](torch.randn(3, 9, 9)).shape, (8, 9, 9))
            self.assertEqual(model[0](torch.randn(0, 3, 9, 9)).shape, (0, 8, 9, 9))

    def test_frozen_weights_and_inputs_without_gradient(self):
        layer = nn.Conv2d(2, 3, 3)
        layer.weight.requires_grad_(False)
        with unfolded():
            layer(torch.randn(1, 2, 5, 5)).sum().backward()
        self.assertIsNone(layer.weight.grad)
        self.assertEqual(layer.bias.grad.tolist(), [9.0] * 3)

    def test_autocast(self):
        torch.manual_seed(0)
        layer, picture = nn.Conv2d(4, 4, 3), torch.randn(2, 4, 16, 16)
        right = layer(picture)
        with unfolded(), torch.autocast("cpu", dtype=torch.bfloat16):
            got = layer(picture)
            got.float().square().mean().backward()
        self.assertEqual(got.dtype, torch.bfloat16)
        self.assertLess((got.float() - right).abs().max().item(), 0.05)

    def test_the_workspace_is_not_exceeded(self):
        """The profiler counts every allocation; inputs, results and gradients are known."""
        torch.manual_seed(0)
        picture, weight = torch.randn(4, 16, 64, 64), torch.randn(32, 16, 3, 3)
        window = unfold.Window([1, 1], [1, 1], [1, 1], 1)
        slope = torch.randn(4, 32, 64, 64)
        whole = picture.numel() * 9 * 4
        for workspace in (1 << 18, 1 << 20, 1 << 22):
            self.assertLess(workspace, whole)
            for name, work in (
                ("correlate", lambda: unfold.correlate(picture, weight, [64, 64], window, workspace)),
                ("spread", lambda: unfold.spread(slope, weight, [64, 64], window, workspace)),
                ("outer", lambda: unfold.outer(picture, slope, [3, 3], window, workspace)),
            ):
                peak, result = peak_bytes(work)
                beside = peak - result.numel() * result.element_size()
                self.assertLessEqual(beside, workspace, f"{name}, {workspace}")


def started(event):
    """When something happened; the unit is that of the version of torch."""
    return event.start_ns() if hasattr(event, "start_ns") else event.start_us()


def peak_bytes(work):
    """Returns the most bytes that were allocated at once, and the result."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = work()
    events = profiler.profiler.kineto_results.events()
    now = peak = 0
    changes = [event for event in events if event.name() == "[memory]"]
    for change in sorted(changes, key=started):
        now += change.nbytes()
        peak = max(peak, now)
    return peak, result


class RouteTest(unittest.TestCase):
    def test_closed_again(self):
        layer, picture = nn.Conv2d(2, 2, 3), torch.randn(1, 2, 5, 5)
        right = layer(picture)
        with unfolded():
            with self.assertRaises(RuntimeError):
                with unfolded():
                    pass
        with self.assertRaises(ZeroDivisionError):
            with unfolded():
                raise ZeroDivisionError
        with unfolded():
            pass
        self.assertTrue(torch.equal(layer(picture), right))

    def test_library_off(self):
        before = torch.backends.cudnn.enabled
        with safe_convolutions("library-off"):
            self.assertFalse(torch.backends.cudnn.enabled)
        self.assertEqual(torch.backends.cudnn.enabled, before)

    def test_elsewhere(self):
        """Only the copying is ours; the processor copies to itself."""
        torch.manual_seed(0)
        forward, backward = convolutions._elsewhere("cpu")
        picture, weight = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
        settings = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)
        result = forward(picture, weight, None, *settings)
        self.assertTrue(torch.equal(result, F.conv2d(picture, weight)))
        half = forward(picture.half(), weight.half(), None, *settings)
        self.assertEqual(half.dtype, torch.float16)
        gradients = backward(torch.ones_like(result), picture, weight, [3], *settings, [True, False, True])
        self.assertEqual([one is None for one in gradients], [False, True, False])

    def test_what_is_no_route(self):
        for route, backend in (("miopen", "CUDA"), ("cpu", "CPU")):
            with self.assertRaises(ValueError):
                with safe_convolutions(route, backend):
                    pass


if __name__ == "__main__":
    unittest.main()
