#!/usr/bin/env bash
# Installs the tools that bench.py compares with into the folder $1: DVC and Snakemake with pip, oxo-flow and b3sum with cargo.
set -euo pipefail
folder=${1:?usage: peers.sh FOLDER}
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet dvc snakemake
cargo install --quiet --root "$folder" b3sum
cargo install --quiet --root "$folder" oxo-flow-cli || echo "oxo-flow does not install here; leave it out of --peers" >&2
