"""Trainings under `rmcp run` with a fault of the device at a random step: `soak.py RMCP RUNS [AT ONCE]`.

Each has to come to its end, with the losses of a training that nothing happened to within float noise, and with less than one
interval between checkpoints computed twice. Ends with 1 where one does not.
"""

import concurrent.futures
import os
import random
import subprocess
import sys
import tempfile
import time

STEPS = 40
INTERVAL = 10

#: Largest difference of a loss that is noise: sums in another order, through 40 steps of AdamW.
NOISE = 1e-3


def train(rmcp: str, broken: int):
    """Runs one training; returns the lines that it wrote, and what it and rmcp said."""
    with tempfile.TemporaryDirectory() as home:
        here = os.path.dirname(os.path.abspath(__file__))
        environment = {**os.environ, "HOME": home, "PYTHONPATH": os.path.join(here, "../src"), "OMP_NUM_THREADS": "1"}
        environment.pop("XDG_STATE_HOME", None)
        command = [rmcp, "run", "--", sys.executable, os.path.join(here, "training.py"), home, str(STEPS), str(broken)]
        done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=600)
        with open(os.path.join(home, "losses")) as file:
            lines = [line.split() for line in file]
        return done.returncode, [(int(step), device, float(loss)) for step, device, loss in lines], done.stderr


def judge(whole, broken: int, code: int, lines, said: str):
    """Returns what is wrong with a training, and how many steps it computed twice."""
    losses = {step: loss for step, _, loss in lines}
    twice = len(lines) - STEPS
    if code != 0:
        return f"ended with {code}", twice
    if "the GPU failed" not in said:
        return "no fault was seen", twice
    if sorted(losses) != list(range(STEPS)):
        return "steps are missing", twice
    worst = max(abs(losses[step] - whole[step]) for step in whole)
    if worst > NOISE:
        return f"a loss is off by {worst:.2g}", twice
    if not 0 <= twice < INTERVAL:
        return f"{twice} steps were computed twice", twice
    return "", twice


def main() -> int:
    rmcp, runs = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    at_once = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    code, lines, said = train(rmcp, -1)
    whole = {step: loss for step, _, loss in lines}
    if code != 0 or len(whole) != STEPS:
        print(said, file=sys.stderr)
        return 1
    print(f"on {lines[0][1]}: {STEPS} steps without a fault, the last loss is {whole[STEPS - 1]:.6f}", flush=True)
    chance = random.Random(runs)
    broken = [chance.randrange(STEPS) for _ in range(runs)]
    start, bad, most, devices = time.time(), 0, 0, {}
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        ended = pool.map(lambda step: train(rmcp, step), broken)
        for run, (step, (code, lines, said)) in enumerate(zip(broken, ended)):
            wrong, twice = judge(whole, step, code, lines, said)
            most = max(most, twice)
            way = " then ".join(dict.fromkeys(device for _, device, _ in lines))
            devices[way] = devices.get(way, 0) + 1
            if wrong:
                bad += 1
                print(f"run {run}, a fault at step {step}: {wrong}\n{said}", file=sys.stderr)
    print(f"{runs - bad} of {runs} trainings came to their end with the same losses, in {time.time() - start:.0f} s")
    print(f"at most {most} of {STEPS} steps were computed twice; devices: {devices}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
