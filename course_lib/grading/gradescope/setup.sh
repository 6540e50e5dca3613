#!/usr/bin/env bash
# Prepares a Gradescope machine once, when the autograder is uploaded: Python, torch, the course.
# AUTOGRADER says where; without root, bubblewrap and a Python of 3.11 or newer are taken as they are.
set -euo pipefail
base=${AUTOGRADER:-/autograder}

if [ "$(id -u)" = 0 ]; then
    apt-get update
    apt-get install -y bubblewrap
    for version in 3.13 3.12 3.11; do
        apt-get install -y "python$version-venv" && break
    done
fi

for version in 3.13 3.12 3.11 3; do
    if "python$version" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        "python$version" -m venv "$base/venv"
        break
    fi
done
if [ ! -x "$base/venv/bin/python" ]; then
    echo "the course needs Python 3.11 or newer with venv: choose a newer base image" >&2
    exit 1
fi

# A smaller torch, for the CPU alone, can be installed into the environment beforehand: it is kept.
wheel=$(echo "$base"/source/course_lib-*.whl)
"$base/venv/bin/python" -m pip install --quiet "$wheel[grading]"
