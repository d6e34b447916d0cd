#!/usr/bin/env python3
"""Times planish's engine beside DVC, Snakemake and oxo-flow, and checks what each of them notices. See README.md beside this file."""

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from pipelines import Dvc, OxoFlow, Planish, Snakemake, Tool

PEERS = {"dvc": (Dvc, "dvc"), "snakemake": (Snakemake, "snakemake"), "oxo-flow": (OxoFlow, "oxo-flow")}
EDITS = ["output", "input", "command", "parameter"]


class Took(NamedTuple):
    """Seconds from start to exit, and of processor time, that of everything it started included."""

    wall: float
    cpu: float


def run(command: list[str], folder: Path, check: bool = True) -> Took:
    with tempfile.TemporaryFile() as said:
        begun = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if check and process.returncode != 0:
            said.seek(0)
            sys.exit(f"{' '.join(command)} in {folder} failed:\n{said.read().decode()}")
    return Took(wall, usage.ru_utime + usage.ru_stime)


def median(command: list[str], folder: Path, times: int) -> Took:
    took = [run(command, folder) for _ in range(times)]
    return Took(*(sorted(values)[times // 2] for values in zip(*took)))


def peak(command: list[str], folder: Path) -> float:
    """The largest memory of a command, without what it starts, in MB."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:
            break
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                most = max(most, int(line.split()[1]) / 1024)
        time.sleep(0.02)
    process.wait()
    return most


def human(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def both(took: Took) -> str:
    return f"{human(took.wall)} ({human(took.cpu)} of processor time)"


class Bench:
    def __init__(self, arguments: argparse.Namespace, folder: Path):
        self.arguments, self.folder, self.count = arguments, folder, 0

    def tool(self, kind: type[Tool], executable: Path, stages: int) -> Tool:
        self.count += 1
        return kind(self.folder / f"{self.count}-{kind.__name__}", executable, stages)

    def times(self, kind: type[Tool], executable: Path, stages: int) -> tuple[Took, Took]:
        """First run, and the median of runs with nothing to do."""
        tool = self.tool(kind, executable, stages)
        first = run(tool.command(), tool.folder)
        run(tool.command(), tool.folder)
        repeats = self.arguments.repeat if kind is Planish else min(self.arguments.repeat, 3)
        return first, median(tool.command(), tool.folder, repeats)

    def notices(self, kind: type[Tool], executable: Path, edit: str) -> bool:
        """Whether a run after an edit leaves the first stage's output as it should be."""
        tool = self.tool(kind, executable, 5)
        run(tool.command(), tool.folder)
        time.sleep(0.1)
        run(tool.command(), tool.folder)
        expected = "word 1\ninput\n"
        if edit == "output":
            path = tool.output()
            path.chmod(0o644)
            path.write_text("edited\n")
        elif edit == "input":
            tool.write_input("another input\n")
            expected = "word 1\nanother input\n"
        elif edit == "command":
            tool.write_pipeline("other", "1")
            expected = "other 1\ninput\n"
        else:
            tool.write_pipeline("word", "2")
            expected = "word 2\ninput\n"
        run(tool.command(), tool.folder, check=False)
        try:
            return tool.text() == expected
        except (FileNotFoundError, subprocess.CalledProcessError):
            return False


def hashing(planish: Path, b3sum: Path, folder: Path, gibibytes: int) -> None:
    """A file as the input of a stage: planish hashes it to make the stage's key."""
    bench = folder / "hashing"
    tool = Planish(bench, planish, 1)
    with open(bench / "input.txt", "wb") as file:
        block = os.urandom(1 << 20)
        for part in range(gibibytes * 1024):
            file.write(part.to_bytes(8, "little") + block[8:])
    os.sync()
    size = gibibytes * 2**30

    def drop() -> bool:
        try:
            Path("/proc/sys/vm/drop_caches").write_text("1\n")
        except OSError:
            return False
        return True

    def forget() -> None:
        shutil.rmtree(bench / ".planish", ignore_errors=True)

    plan = [str(planish), "plan"]
    for state in ["warm", "cold"]:
        ours, theirs = [], []
        for _ in range(5):
            forget()
            if state == "cold" and not drop():
                print("| cold | not measured: the page cache can't be dropped without root | | |")
                return
            ours.append(run(plan, bench).wall)
            if state == "cold":
                drop()
            theirs.append(run([str(b3sum), "input.txt"], bench).wall)
        ours, theirs = sorted(ours)[2], sorted(theirs)[2]
        print(f"| {state} | {size / ours / 1e9:.2f} GB/s | {size / theirs / 1e9:.2f} GB/s | {100 * theirs / ours:.0f} % |")
    run(plan, bench)
    print(f"\nThe unchanged {gibibytes} GiB file again: {human(median(plan, bench, 5).wall)} for the whole of `planish plan`.")
    assert tool.stages == 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planish", type=Path, default=Path("target/release/planish"))
    parser.add_argument("--sizes", type=int, nargs="*", default=[343, 1000, 10_000])
    parser.add_argument("--repeat", type=int, default=21)
    parser.add_argument("--peers", nargs="*", default=[], choices=PEERS, help="installed by peers.sh")
    parser.add_argument("--tools", type=Path, help="the folder that peers.sh filled")
    parser.add_argument("--peer-size", type=int, default=343)
    parser.add_argument("--gibibytes", type=int, default=2, help="size of the file for hashing; 0 leaves that out")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder otherwise")
    arguments = parser.parse_args()
    arguments.planish = arguments.planish.resolve()
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    print(f"{datetime.date.today()}, {os.cpu_count()} × {cpu}, load {os.getloadavg()[0]:.1f}; medians of {arguments.repeat} runs\n")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        bench = Bench(arguments, Path(folder))
        measure(bench, arguments)


def measure(bench: Bench, arguments: argparse.Namespace) -> None:
    truth = median(["/bin/true"], bench.folder, arguments.repeat)
    version = median([str(arguments.planish), "--version"], bench.folder, arguments.repeat)
    print(f"`/bin/true` {both(truth)}, `planish --version` {both(version)}\n")
    print("| tool | stages | first run | (processor) | nothing to do | (processor) | of `/bin/true` |\n|---|---:|---:|---:|---:|---:|---:|")

    def line(name: str, size: int, first: Took, noop: Took) -> None:
        times = " | ".join(human(seconds) for seconds in (*first, *noop))
        print(f"| {name} | {size} | {times} | {noop.wall / truth.wall:.1f} |", flush=True)

    ours, theirs = {}, {}
    for size in arguments.sizes:
        ours[size] = bench.times(Planish, arguments.planish, size)
        line("planish", size, *ours[size])
    peers = [(PEERS[name][0], (arguments.tools / "bin" / PEERS[name][1]).resolve()) for name in arguments.peers]
    for kind, executable in peers:
        theirs[kind.name] = bench.times(kind, executable, arguments.peer_size)
        line(kind.name, arguments.peer_size, *theirs[kind.name])
    if arguments.peer_size in ours:
        print()
        for name, (first, noop) in theirs.items():
            mine = ours[arguments.peer_size]
            print(f"{name} takes {first.wall / mine[0].wall:.1f} times as long for a first run, {noop.wall / mine[1].wall:.0f} times with nothing to do.")
    largest = max(arguments.sizes)
    tool = bench.tool(Planish, arguments.planish, largest)
    memory = peak(tool.command(), tool.folder), peak(tool.command(), tool.folder)
    print(f"\nMemory of planish at {largest} stages: {memory[0]:.0f} MB in the first run, {memory[1]:.0f} MB with nothing to do.\n")
    print("| tool | " + " | ".join(f"edited {edit}" for edit in EDITS) + " |\n|---|" + "---|" * len(EDITS))
    for kind, executable in [(Planish, arguments.planish), *peers]:
        found = ["noticed" if bench.notices(kind, executable, edit) else "missed" for edit in EDITS]
        print(f"| {kind.name} | " + " | ".join(found) + " |", flush=True)
    b3sum = shutil.which("b3sum") or (arguments.tools and shutil.which("b3sum", path=arguments.tools / "bin"))
    if arguments.gibibytes and b3sum:
        print(f"\n| {arguments.gibibytes} GiB file | planish | b3sum | planish in % of b3sum |\n|---|---:|---:|---:|")
        hashing(arguments.planish, Path(b3sum).resolve(), bench.folder, arguments.gibibytes)


if __name__ == "__main__":
    main()
