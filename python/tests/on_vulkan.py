"""Opt-in (`cargo xtask vulkan-test`): the Vulkan route where torchvulkan and a Vulkan driver are installed, be it a software one."""

import unittest

import rmcp


class VulkanTest(unittest.TestCase):
    def test_the_route_is_chosen_after_its_probe(self):
        device = rmcp.get_device(prefer="vulkan", probe="always", timeout=300)
        self.assertEqual((device, device.route), ("vulkan", "vulkan"), device.explain())
        print(device.explain())

    def test_convolutions_alone_and_their_gradients(self):
        import torch
        import torch.nn.functional as F
        import torchvulkan  # noqa: F401

        from rmcp.torch import safe_convolutions

        torch.manual_seed(0)
        worst = 0.0
        for channels, filters, taps, settings in (
            (3, 16, (3, 3), {"padding": 1}),
            (8, 8, (3, 3), {"padding": 1, "groups": 8}),
            (16, 32, (1, 1), {}),
            (4, 8, (7, 7), {"stride": 2, "padding": 3}),
            (4, 8, (1, 16), {"padding": (0, 8)}),
        ):
            picture = torch.randn(2, channels, 24, 24)
            weight = torch.randn(filters, channels // settings.get("groups", 1), *taps)

            def compute(dtype, picture=picture, weight=weight, settings=settings):
                leaves = [one.to(dtype).requires_grad_() for one in (picture, weight)]
                result = F.conv2d(*leaves, **settings)
                return [result.detach(), *torch.autograd.grad(result.square().sum(), leaves)]

            right = compute(torch.float64)
            with safe_convolutions("vulkan", backend="CPU"):
                got = compute(torch.float32)
            for mine, exact in zip(got, right):
                worst = max(worst, ((mine.double() - exact).abs().max() / exact.abs().max()).item())
        print(f"5 convolutions and their gradients through Vulkan: worst error {worst:.1e}")
        self.assertLess(worst, 1e-5)


if __name__ == "__main__":
    unittest.main()
