"""`python -m course_lib` is the `course` command, for launchers that start modules (torchrun)."""

import sys

from course_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
