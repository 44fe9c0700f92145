"""`get_device` beside a torch that goes wrong: an answer and a reason, and the caller lives."""

import os
import pickle
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import rmcp
from rmcp import _device

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FAKE = os.path.join(TOP, "testdata", "fake-torch")
MACHINE = os.path.join(TOP, "testdata", "machines", "rx5600xt-native-therock")


class DeviceTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        environment = mock.patch.dict(os.environ, XDG_CACHE_HOME=temporary.name, RMCP_ROOT=MACHINE)
        environment.start()
        self.addCleanup(environment.stop)
        path = mock.patch.object(sys, "path", [FAKE, *sys.path])
        path.start()
        self.addCleanup(path.stop)

    def device(self, faults="", **arguments):
        with mock.patch.dict(os.environ, FAKE_TORCH=faults):
            return rmcp.get_device(**arguments)

    def test_works(self):
        device = self.device()
        self.assertEqual((device, device.route), ("cuda", "native"))
        self.assertIn("RX 5600 XT", device.reason)
        self.assertTrue(any("float16" in line for line in device.evidence), device.evidence)
        self.assertNotIn("torch", sys.modules.keys() - BEFORE)

    def test_goes_wrong(self):
        for faults, reason in (
            ("import-abort", "importing torch was ended by SIGABRT"),
            ("available-abort", "is_available() was ended by SIGABRT"),
            ("lies", "No HIP GPUs are available"),
            ("wrong-fp16", "float16 computes a wrong result"),
            ("wrong-gradient", "wrong input gradient"),
        ):
            device = self.device(faults, probe="always")
            self.assertEqual((device, device.route), ("cpu", "cpu"))
            self.assertIn(reason, device.reason)

    def test_hangs(self):
        start = time.monotonic()
        device = self.device("available-sleep", timeout=5)
        self.assertEqual(device, "cpu")
        self.assertIn("did not end within", device.reason)
        self.assertLess(time.monotonic() - start, 5.5)

    def test_override(self):
        with mock.patch.dict(os.environ, RMCP_DEVICE="cuda:1"):
            device = self.device("import-abort")
        self.assertEqual((device, device.reason), ("cuda:1", "RMCP_DEVICE asks for cuda:1"))

    def test_without_the_program(self):
        with mock.patch.dict(os.environ, RMCP_BINARY="/no/such/rmcp"):
            device = self.device()
        self.assertEqual(device, "cpu")
        self.assertIn("/no/such/rmcp", device.reason)

    def test_all(self):
        with mock.patch.dict(os.environ, FAKE_TORCH=""):
            self.assertEqual(rmcp.get_devices(), ["cuda", "cpu"])
        with mock.patch.dict(os.environ, FAKE_TORCH="wrong"):
            self.assertEqual(rmcp.get_devices(probe="always"), ["cpu"])

    def test_arguments_that_are_none(self):
        for arguments in ({"probe": "sometimes"}, {"timeout": 0}, {"prefer": "gpu"}):
            with self.assertRaises(ValueError):
                self.device(**arguments)

    def test_prefers(self):
        self.assertEqual(self.device(prefer=["cpu", "cuda"]), "cpu")
        self.assertEqual(self.device(prefer="cuda"), "cuda")

    def test_is_a_string(self):
        device = _device.Device("cuda:1", "works", ["a"], "native")
        again = pickle.loads(pickle.dumps(device))
        self.assertEqual((again, again.reason, again.evidence, again.route), ("cuda:1", "works", ("a",), "native"))
        self.assertEqual(device.explain(), "cuda:1: works\n  a")


class ImportTest(unittest.TestCase):
    def test_loads_next_to_nothing(self):
        script = "import sys; before = set(sys.modules); import rmcp; print(*(set(sys.modules) - before))"
        loaded = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True).stdout.decode().split()
        self.assertEqual([name for name in loaded if not name.startswith("rmcp") and name != "__future__"], [])


BEFORE = set(sys.modules)

if __name__ == "__main__":
    unittest.main()
