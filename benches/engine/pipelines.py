"""The same work for each tool: stages that write one line each, ten children to a parent, the first with an input file and a parameter."""

import json
import subprocess
import tempfile
from pathlib import Path


def parent(stage: int) -> int:
    return (stage - 1) // 10


class Tool:
    """One tool in a folder of its own. `stages` is how many stages its pipeline has, `word` and `value` are part of the first stage's command
    and parameters."""

    name = ""

    def __init__(self, folder: Path, executable: Path, stages: int):
        self.folder, self.executable, self.stages = folder, executable, stages
        folder.mkdir(parents=True)
        self.write_input("input\n")
        self.write_pipeline("word", "1")
        self.prepare()

    def prepare(self) -> None:
        """Once, before the first run."""

    def write_input(self, text: str) -> None:
        (self.folder / "input.txt").write_text(text)

    def write_pipeline(self, word: str, value: str) -> None:
        raise NotImplementedError

    def command(self) -> list[str]:
        """What runs the pipeline."""
        raise NotImplementedError

    def output(self) -> Path:
        """The file that the first stage made, where the tool keeps it."""
        return self.folder / "out" / "s0.txt"

    def text(self) -> str:
        """What the tool says that the first stage made."""
        return self.output().read_text()


class Planish(Tool):
    name = "planish"

    def write_pipeline(self, word: str, value: str) -> None:
        text = ['name = "bench"\n']
        first = f"echo {word} $VALUE > {{outputs.out}}/out.txt; cat {{files.input}} >> {{outputs.out}}/out.txt"
        for stage in range(self.stages):
            script = first if stage == 0 else f"echo {stage} > {{outputs.out}}/out.txt"
            text.append(f'[stages.s{stage}]\nrun = "command"\nparams.outputs = ["out"]\n')
            text.append(f"params.command = [\"sh\", \"-c\", '{script}']\n")
            if stage == 0:
                text.append(f'files.input = "input.txt"\nparams.environment.VALUE = "{value}"\n\n')
            else:
                text.append(f'inputs.parent = "s{parent(stage)}"\n\n')
        (self.folder / "pipeline.toml").write_text("".join(text))

    def command(self) -> list[str]:
        return [str(self.executable), "run"]

    def output(self) -> Path:
        text = self.text()
        return next(path for path in (self.folder / ".planish" / "objects").glob("??/*") if path.read_text() == text)

    def text(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([self.executable, "show", "s0", "--restore", folder + "/s0"], cwd=self.folder, capture_output=True, check=True)
            return Path(folder, "s0", "out", "out.txt").read_text()


class Dvc(Tool):
    name = "DVC"

    def prepare(self) -> None:
        self.write_pipeline("word", "1")
        subprocess.run([self.executable, "init", "--no-scm", "-q"], cwd=self.folder, check=True)
        subprocess.run([self.executable, "config", "core.analytics", "false"], cwd=self.folder, check=True)

    def write_pipeline(self, word: str, value: str) -> None:
        stages = {}
        for stage in range(self.stages):
            out = f"out/s{stage}.txt"
            if stage == 0:
                command = f"mkdir -p out; echo {word} ${{value}} > {out}; cat input.txt >> {out}"
                stages["s0"] = {"cmd": command, "deps": ["input.txt"], "params": ["value"], "outs": [out]}
            else:
                stages[f"s{stage}"] = {"cmd": f"echo {stage} > {out}", "deps": [f"out/s{parent(stage)}.txt"], "outs": [out]}
        # JSON is YAML.
        (self.folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
        (self.folder / "params.yaml").write_text(f"value: {value}\n")

    def command(self) -> list[str]:
        return [str(self.executable), "repro", "-q"]


class Snakemake(Tool):
    name = "Snakemake"

    def write_pipeline(self, word: str, value: str) -> None:
        rules = ["rule all:\n    input: [f'out/s{i}.txt' for i in range(%d)]\n" % self.stages]
        for stage in range(self.stages):
            if stage == 0:
                rules.append(
                    f"rule s0:\n    input: 'input.txt'\n    output: 'out/s0.txt'\n    params: value='{value}'\n"
                    f"    shell: 'echo {word} {{params.value}} > {{output}}; cat {{input}} >> {{output}}'\n"
                )
            else:
                rules.append(
                    f"rule s{stage}:\n    input: 'out/s{parent(stage)}.txt'\n    output: 'out/s{stage}.txt'\n"
                    f"    shell: 'echo {stage} > {{output}}'\n"
                )
        (self.folder / "Snakefile").write_text("\n".join(rules))

    def command(self) -> list[str]:
        return [str(self.executable), "--cores", "2", "--quiet", "all"]


class OxoFlow(Tool):
    name = "oxo-flow"

    def write_pipeline(self, word: str, value: str) -> None:
        rules = ['[workflow]\nname = "bench"\nversion = "1"\n\n[config]\nvalue = "%s"\n' % value]
        for stage in range(self.stages):
            if stage == 0:
                shell = f"echo {word} {{config.value}} > out/s0.txt; cat input.txt >> out/s0.txt"
                source = "input.txt"
            else:
                shell, source = f"echo {stage} > out/s{stage}.txt", f"out/s{parent(stage)}.txt"
            rules.append(
                f'[[rules]]\nname = "s{stage}"\ninput = ["{source}"]\noutput = ["out/s{stage}.txt"]\nshell = "{shell}"\n'
            )
        (self.folder / "bench.oxoflow").write_text("\n".join(rules))

    def command(self) -> list[str]:
        return [str(self.executable), "run", "bench.oxoflow", "-j", "2"]
