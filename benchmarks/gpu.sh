#!/usr/bin/env bash
# All recipes and all benchmarks on one GPU, without a network and without installing anything:
#   benchmarks/gpu.sh --minutes 25 --out OUT
# See benchmarks/gpu.py. PYTHON names another interpreter than python3.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec "${PYTHON:-python3}" -m benchmarks.gpu "$@"
