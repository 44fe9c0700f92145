"""What tuning keeps computes the same and is not slower; advice about workers fits the program."""

import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import torch
from torch import nn

from rmcp.torch import tune_cpu, worker_start_advice
from rmcp.torch import tuning


class TuningTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(torch.set_num_threads, torch.get_num_threads())
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
        self.example = torch.randn(4, 3, 8, 8)

    def test_inference(self):
        self.model.eval()
        right = self.model(self.example)
        tuned = tune_cpu(self.model, self.example, seconds=0.05)
        got = tuned(self.example)
        self.assertLess((got - right).abs().max().item(), 0.1)
        self.assertEqual(got.dtype, right.dtype)
        self.assertGreaterEqual(tuned.ratio, 1.0)
        for step in ("channels_last", "frozen"):
            self.assertIn(step, tuned.measured)

    def test_training_leaves_the_model_as_it_was(self):
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        tuned = tune_cpu(self.model, self.example, seconds=0.05)
        for name, value in self.model.state_dict().items():
            self.assertTrue(torch.equal(value, before[name]), name)
        tuned(self.example).sum().backward()
        self.assertIsNotNone(self.model[0].weight.grad)
        self.assertNotIn("frozen", tuned.measured)

    def test_nothing_slower_is_kept(self):
        with mock.patch.object(tuning, "_ratio", return_value=0.9):
            tuned = tune_cpu(self.model, self.example, seconds=0.01)
        self.assertEqual(tuned.settings, tuning.Settings(torch.get_num_threads()))
        self.assertEqual(tuned.ratio, 1.0)

    def test_wrong_numbers_are_not_kept(self):
        with mock.patch.object(tuning, "_agrees", return_value=False):
            tuned = tune_cpu(self.model, self.example, seconds=0.01)
        self.assertEqual(tuned.settings, tuning.Settings(torch.get_num_threads()))


class WorkersTest(unittest.TestCase):
    def test_before_the_gpu_is_used(self):
        self.assertEqual(worker_start_advice().method, "fork" if sys.platform.startswith("linux") else "spawn")

    def test_after_the_gpu_was_used(self):
        program = (
            "import torch; torch.cuda.is_initialized = lambda: True\n"
            "from rmcp.torch import worker_start_advice\n{}print(worker_start_advice().method)\n"
        )
        for guard, method in (("", "None"), ("if __name__ == '__main__':\n    ", "spawn")):
            with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
                file.write(program.format(guard))
                file.flush()
                done = subprocess.run([sys.executable, file.name], stdout=subprocess.PIPE, check=True, env=os.environ)
            self.assertEqual(done.stdout.decode().strip(), method)

    def test_in_a_forked_process(self):
        with mock.patch.object(torch.cuda, "_is_in_bad_fork", lambda: True):
            self.assertIsNone(worker_start_advice().method)


if __name__ == "__main__":
    unittest.main()
