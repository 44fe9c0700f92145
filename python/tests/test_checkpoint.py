"""Whatever happens during a save, the last complete checkpoint loads."""

import json
import os
import pickle
import random
import signal
import tempfile
import time
import unittest
import zipfile
from unittest import mock

from rmcp import checkpoint
from rmcp.checkpoint import files

try:
    import torch
except ImportError:
    torch = None

KILLS = int(os.environ.get("RMCP_KILLS", "200"))


class Part:
    """What has a state, and needs no torch."""

    def __init__(self, size=0):
        self.state = {"step": 0, "bytes": bytes(size)}

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


def remember(pipe, step):
    os.write(pipe, step.to_bytes(4, "little"))


def steps_confirmed(pipe):
    data = b""
    while True:
        more = os.read(pipe, 1 << 16)
        if not more:
            break
        data += more
    return int.from_bytes(data[-4:], "little") if len(data) >= 4 else 0


class Folder(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = self.temporary.name


    def keeper(self, **parts):
        return checkpoint.Keeper(self.folder, **parts)

    def kill_during_saves(self, kills, make, longest):
        chance = random.Random(7)
        for number in range(kills):
            read, write = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(read)
                    parts, change = make()
                    keeper = self.keeper(**parts)
                    step = keeper.resume()
                    while True:
                        step += 1
                        change(step)
                        keeper.save(step)
                        remember(write, step)
                finally:
                    os._exit(1)
            os.close(write)
            time.sleep(chance.uniform(0, longest))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            confirmed = steps_confirmed(read)
            os.close(read)
            state = self.keeper().load()
            found = state["step"] if state else 0
            self.assertGreaterEqual(found, confirmed, f"kill {number}")
            if state:
                yield state


class KeeperTest(Folder):
    def test_goes_on_where_it_was(self):
        part = Part()
        done = []
        for step in self.keeper(part=part).steps(7, every=3):
            part.state = {"step": step + 1}
            done.append(step)
        self.assertEqual(done, list(range(7)))
        # One of the three that are kept is of the last step; it is as if the run had died after the sixth.
        os.remove(files.list_files(self.folder)[0].path)
        other = Part()
        self.assertEqual(list(self.keeper(part=other).steps(9, every=100)), [6, 7, 8])
        self.assertEqual(other.state, {"step": 6})

    def test_a_torn_file_is_passed_over(self):
        keeper = self.keeper(part=Part(1000))
        for step in (1, 2):
            keeper.save(step)
        path = files.list_files(self.folder)[0].path
        with open(path, "r+b") as file:
            file.truncate(500)
        again = self.keeper(part=Part())
        self.assertEqual(again.resume(), 1)
        self.assertEqual(again.torn, [path])

    def test_keeps_so_many(self):
        keeper = checkpoint.Keeper(self.folder, keep=2, part=Part())
        for step in range(1, 6):
            keeper.save(step)
        self.assertEqual([file.step for file in files.list_files(self.folder)], [5, 4])

    def test_a_save_that_fails_leaves_nothing(self):
        part = Part()
        part.state = {"no pickle": lambda: None}
        with self.assertRaises((pickle.PicklingError, AttributeError)):
            self.keeper(part=part).save(1)
        self.assertEqual(os.listdir(self.folder), [])

    def test_what_was_asked_for_is_resumed(self):
        keeper = self.keeper(part=Part())
        paths = [keeper.save(step) for step in (1, 2, 3)]
        with mock.patch.dict(os.environ, RMCP_RESUME=paths[1]):
            self.assertEqual(self.keeper(part=Part()).resume(), 2)
        with mock.patch.dict(os.environ, RMCP_CHECKPOINT_DIR=self.folder):
            self.assertEqual(checkpoint.Keeper(part=Part()).resume(), 3)
        with mock.patch.dict(os.environ, RANK="1"):
            self.assertIsNone(keeper.save(4))

    def test_killed_at_any_moment(self):
        def make():
            part = Part()

            def change(step):
                part.state = {"step": step, "bytes": bytes([step % 251]) * 300_000}

            return {"part": part}, change

        for state in self.kill_during_saves(KILLS, make, 0.06):
            part = state["parts"]["part"]
            self.assertEqual(part["step"], state["step"])
            self.assertEqual(set(part["bytes"]), {state["step"] % 251})
        self.assertGreater(files.list_files(self.folder)[0].step, 5)
        left = [name for name in os.listdir(self.folder) if not files.parse(name)]
        self.assertLessEqual(len(left), 1, left)


@unittest.skipIf(torch is None, "there is no torch")
class TorchTest(Folder):
    """The same with real states; a skip of this is told by `cargo xtask python-test`."""

    @staticmethod
    def training():
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Dropout(0.5), torch.nn.Flatten(), torch.nn.Linear(144, 2))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
        return model, optimizer, scheduler

    @staticmethod
    def train(training, step):
        model, optimizer, scheduler = training
        optimizer.zero_grad()
        loss = model(torch.randn(3, 1, 8, 8)).square().mean() + random.random()
        loss.backward()
        optimizer.step()
        scheduler.step()
        return loss.item()

    def test_the_loss_is_that_of_a_run_that_was_not_interrupted(self):
        def run(total, stop):
            random.seed(0)
            training = self.training()
            model, optimizer, scheduler = training
            keeper = self.keeper(model=model, optimizer=optimizer, scheduler=scheduler)
            losses = {}
            for step in keeper.steps(total, every=4):
                if step == stop:
                    return losses
                losses[step] = self.train(training, step)
            return losses

        interrupted = run(20, 14)
        self.assertEqual(len(interrupted), 14)
        interrupted.update(run(20, None))
        for file in files.list_files(self.folder):
            os.remove(file.path)
        self.assertEqual(interrupted, run(20, None))

    def test_killed_during_saves_of_a_model(self):
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        self.addCleanup(torch.set_num_threads, threads)

        def make():
            training = self.training()
            model, optimizer, scheduler = training
            return (
                {"model": model, "optimizer": optimizer, "scheduler": scheduler},
                lambda step: self.train(training, step),
            )

        for state in self.kill_during_saves(max(KILLS // 10, 1), make, 0.3):
            model, optimizer, _ = self.training()
            model.load_state_dict(state["parts"]["model"])
            optimizer.load_state_dict(state["parts"]["optimizer"])

    def test_the_file_is_one_of_torch(self):
        model, *_ = self.training()
        path = self.keeper(model=model).save(3)
        self.assertEqual(torch.load(path)["step"], 3)


class FoundTest(Folder):
    def put(self, path, data=b"x"):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def age(self, path, seconds):
        os.utime(os.path.join(self.folder, path), (seconds, seconds))

    def test_nothing(self):
        self.assertIsNone(checkpoint.find_latest(self.folder))
        self.assertIsNone(checkpoint.find_latest(os.path.join(self.folder, "missing")))

    def test_hugging_face(self):
        for step in (500, 1000):
            self.put(f"out/checkpoint-{step}/model.safetensors")
            self.put(f"out/checkpoint-{step}/trainer_state.json", json.dumps({"global_step": step}).encode())
            self.age(f"out/checkpoint-{step}", step)
        # Its state is written last.
        self.put("out/checkpoint-1500/model.safetensors")
        found = checkpoint.find_latest(self.folder)
        self.assertEqual((found.kind, found.step), ("hugging-face", 1000))

    def test_lightning(self):
        for name in ("epoch=0-step=10.ckpt", "epoch=1-step=20.ckpt"):
            path = self.put(f"lightning_logs/version_0/checkpoints/{name}")
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", name)
            self.age(path, 10 if "10" in name else 20)
        with open(path, "r+b") as file:
            file.truncate(40)
        self.age(path, 20)
        found = checkpoint.find_latest(self.folder)
        self.assertEqual((found.kind, found.step), ("lightning", 10))

    def test_ours(self):
        path = checkpoint.Keeper(os.path.join(self.folder, "a"), part=Part()).save(4)
        self.assertEqual(checkpoint.find_latest(self.folder), ("rmcp", path, 4))


if __name__ == "__main__":
    unittest.main()
