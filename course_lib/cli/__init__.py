"""The `course` command.

parser.py     the commands and their options
notebooks.py  lab, run, build, exercises
models.py     train, sample, evaluate
provenance.py verify
site.py       the web site
doctor.py     what this machine can do

Bad input ends with one line on stderr and status 2; what fails while it runs, with status 1.
"""

from course_lib.cli.parser import main

__all__ = ["main"]
