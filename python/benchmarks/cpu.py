"""The tuned processor beside the plain one, in one run: `python benchmarks/cpu.py [SECONDS FOR EACH SETTING]`."""

import platform
import sys
import time

import torch
from models import EEGNet, ResNet18, Yolo

from rmcp.torch import tune_cpu
from rmcp.torch.tuning import has_bf16, physical_cores

CASES = [
    ("EEGNet", EEGNet, (64, 1, 64, 256), (1, 1, 64, 256)),
    ("ResNet-18", ResNet18, (4, 3, 224, 224), (1, 3, 224, 224)),
    ("YOLO-like", Yolo, (1, 3, 320, 320), (1, 3, 640, 640)),
]


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print(f"torch {torch.__version__}, {physical_cores()} cores, bf16 in hardware: {has_bf16()}, {platform.machine()}")
    for name, build, training, inference in CASES:
        for what, shape in (("training", training), ("inference", inference)):
            torch.manual_seed(0)
            model = build()
            example = torch.randn(*shape)
            model(example)
            model.train(what == "training")
            start = time.perf_counter()
            tuned = tune_cpu(model, example, seconds)
            measured = ", ".join(f"{step} {ratio:.2f}" for step, ratio in tuned.measured.items())
            took = time.perf_counter() - start
            print(f"{name:10} {what:9} {tuned.ratio:5.2f} times as fast ({measured}); tuned in {took:.0f} s", flush=True)


main()
