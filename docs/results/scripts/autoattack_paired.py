"""Times planish's AutoAttack and the official code in turns, on the exported models of the default pipeline.

    planish run --file docs/results/agreement/pipeline.toml "export[method=adv]" "export[method=llr]"
    python autoattack_paired.py --planish target/release/planish --file docs/results/agreement/pipeline.toml --autoattack DIR --rounds 3

Each round runs, for each model, planish's stage `attack` from nothing (`--force`, `--no-memo`; the whole process, with its checks for masked
gradients) and the official code (autoattack_official.py; the four parts only, not the start of Python), both on the same images with the
same number of threads; who goes first changes from round to round. Prints wall-clock and processor times, and the medians of the ratios.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def ours(arguments, method):
    target = f"ours[attack=autoattack,method={method}]"
    command = [arguments.planish, "run", "--file", arguments.file, "--force", target, "--no-memo", "--cpus", str(arguments.threads)]
    command += ["--set", f"ours.images={arguments.count}", "--set", f"stages.ours.cpus={arguments.threads}", *arguments.more.split(), target]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.time() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def theirs(arguments, files):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "o.json"
        script = pathlib.Path(__file__).with_name("autoattack_official.py")
        command = [sys.executable, script, "--autoattack", arguments.autoattack, "--model", files / "model.onnx"]
        command += ["--images", files / "test.safetensors", "--eps", "0.1", "--count", str(arguments.count), "--threads", str(arguments.threads)]
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        subprocess.run([*command, "--out", out], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        parts = json.loads(out.read_text())["cascade"].values()
    return sum(part["wall"] for part in parts), sum(part["processor"] for part in parts)


def restored(arguments, method, folder):
    """The model and the images in a folder of their own."""
    for target in (f"export[method={method}]", "data"):
        command = [arguments.planish, "show", "--file", arguments.file, *arguments.more.split(), target, "--restore", folder / target]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    files = folder / method
    files.mkdir()
    for name in ("model.onnx", "test.safetensors"):
        found = next(path for path in folder.rglob(name) if files not in path.parents)
        (files / name).write_bytes(found.read_bytes())
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planish", required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--autoattack", required=True)
    parser.add_argument("--more", default="", help="more arguments of planish, such as --store")
    parser.add_argument("--methods", nargs="+", default=["adv", "llr"])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for method in arguments.methods:
        rounds = []
        with tempfile.TemporaryDirectory() as folder:
            files = restored(arguments, method, pathlib.Path(folder))
            for index in range(arguments.rounds):
                if index % 2:
                    other, own = theirs(arguments, files), ours(arguments, method)
                else:
                    own, other = ours(arguments, method), theirs(arguments, files)
                rounds.append((own, other))
                wall, processor = own[0] / other[0], own[1] / other[1]
                print(f"{method}: wall {own[0]:.1f} | {other[0]:.1f} s = {wall:.2f}, processor {own[1]:.1f} | {other[1]:.1f} s = {processor:.2f}", flush=True)
        walls, processors = ([own[i] / other[i] for own, other in rounds] for i in (0, 1))
        print(f"{method}: medians of {len(rounds)} rounds: wall {statistics.median(walls):.2f}, processor {statistics.median(processors):.2f}", flush=True)


if __name__ == "__main__":
    main()
