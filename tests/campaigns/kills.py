#!/usr/bin/env python3
"""Kills trainings at random moments and compares what they end with to an unbroken run, byte by byte.

    cargo build --release --workspace
    tests/campaigns/kills.py --kills 60

Each round trains the smoke-sized LLR network in a new store. At random moments it kills (SIGKILL) the engine, the worker, or both in either
order, and runs the same command again, until the training is through. Then the digests of all output files must be those of the unbroken
run, `planish verify` must find nothing, no checkpoint may be left, and no process. Some rounds interrupt (SIGINT) instead: the run must end
within seconds with exit code 130 and say how to go on. Needs Linux (/proc). The seed is printed; with it the same moments are drawn.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = "train[method=llr]"
INTERRUPT_SECONDS = 10


def children(process):
    """The processes whose parent is `process`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def kill(process):
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Campaign:
    def __init__(self, arguments):
        self.planish = arguments.planish.resolve()
        self.pipeline = ROOT / "pipeline.toml"
        sets = [f"train.epochs={arguments.epochs}", f"data.train={arguments.images}", "data.validation=40", "data.test=40"]
        self.sets = [part for value in sets for part in ("--set", value)]
        self.random = random.Random(arguments.seed)
        self.kinds = Counter()
        self.longest_interrupt = 0.0

    def kills(self):
        return sum(count for kind, count in self.kinds.items() if kind != "interrupt")

    def command(self, verb, store, *more):
        common = ["--file", self.pipeline, "--profile", "smoke", "--store", store, *self.sets]
        return [str(part) for part in [self.planish, verb, *more, *common]]

    def start(self, store):
        return subprocess.Popen(
            self.command("run", store, TARGET, "--cpus", "1"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def outputs(self, store):
        shown = subprocess.run(self.command("show", store, TARGET, "--json"), check=True, capture_output=True, text=True)
        return json.loads(shown.stdout)["instances"][0]["outputs"]

    def unbroken(self, store):
        begun = time.monotonic()
        process = self.start(store)
        text = process.communicate()[0]
        if process.returncode != 0:
            sys.exit(f"the unbroken run failed:\n{text}")
        return time.monotonic() - begun

    def break_off(self, process, kind):
        """Ends a run as `kind` says; the processes that must be gone afterwards."""
        workers = children(process.pid)
        for who in kind.split("+"):
            if who == "interrupt":
                begun = time.monotonic()
                process.send_signal(signal.SIGINT)
                text = process.communicate(timeout=60)[0]
                took = time.monotonic() - begun
                self.longest_interrupt = max(self.longest_interrupt, took)
                if process.returncode == 0 and took < 0.5:
                    break  # It was through already.
                if process.returncode != 130 or "run the same command again to go on" not in text or took > INTERRUPT_SECONDS:
                    sys.exit(f"an interrupt ended after {took:.1f} s with code {process.returncode}:\n{text}")
            for victim in workers if who == "worker" else [process.pid] if who == "engine" else []:
                kill(victim)
        process.communicate(timeout=60)
        return workers

    def round(self, store, seconds, most):
        """Runs to the end with up to `most` kills; how many there were."""
        kills = []
        while True:
            process = self.start(store)
            # Starting takes a moment; some kills fall into it.
            moment = self.random.uniform(0.0, 0.5 * seconds)
            kind = self.random.choice(["engine", "worker", "engine+worker", "worker+engine", "interrupt"])
            if len(kills) >= most:
                text = process.communicate()[0]
                if process.returncode != 0:
                    sys.exit(f"the run after {kills} failed:\n{text}")
                return kills
            try:
                process.wait(moment)
                process.communicate()
                return kills
            except subprocess.TimeoutExpired:
                workers = self.break_off(process, kind)
            deadline = time.monotonic() + 5
            while any(alive(worker) for worker in workers):
                if time.monotonic() > deadline:
                    sys.exit(f"after {kind} at {moment:.2f} s a worker lives on")
                time.sleep(0.02)
            self.kinds[kind] += 1
            kills.append(f"{kind}@{moment:.2f}s")

    def check(self, store, expected):
        if self.outputs(store) != expected:
            sys.exit(f"other bytes than the unbroken run; the store is kept: {store}")
        verified = subprocess.run([self.planish, "verify", "--file", self.pipeline, "--store", store], capture_output=True, text=True)
        if verified.returncode != 0:
            sys.exit(f"verify: {verified.stdout}{verified.stderr}")
        left = [path for path in (store / "checkpoints").rglob("*") if path.is_file()]
        if left:
            sys.exit(f"checkpoints are left: {left}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planish", type=Path, default=ROOT / "target/release/planish")
    parser.add_argument("--kills", type=int, default=60, help="go on until there were so many, interrupts not counted")
    parser.add_argument("--epochs", type=int, default=6, help="how long a training is")
    parser.add_argument("--images", type=int, default=100, help="how many images an epoch has")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    campaign = Campaign(arguments)
    folder = Path(tempfile.mkdtemp(prefix="planish-kills-"))
    seconds = campaign.unbroken(folder / "unbroken")
    expected = campaign.outputs(folder / "unbroken")
    print(f"unbroken: {seconds:.1f} s", flush=True)
    number = 0
    while campaign.kills() < arguments.kills:
        number += 1
        store = folder / f"round-{number}"
        kills = campaign.round(store, seconds, campaign.random.randint(1, 8))
        campaign.check(store, expected)
        subprocess.run(["rm", "-rf", store], check=True)
        print(f"round {number}: same bytes after {', '.join(kills) or 'nothing'}", flush=True)
    subprocess.run(["rm", "-rf", folder], check=True)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(campaign.kinds.items()))
    took = campaign.longest_interrupt
    print(f"{campaign.kills()} kills in {number} rounds ({kinds}): all bytes the same; the longest interrupt took {took:.1f} s")


if __name__ == "__main__":
    main()
