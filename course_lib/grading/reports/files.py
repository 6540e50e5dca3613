"""Whose submission it is, what its page is called, and how a file is written."""

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from course_lib.grading.record import Grade

MOODLE = re.compile(r"_\d+_assignsubmission_\w+$")  # after the name, in the folders of "Download all submissions"


def ordered(grades: Sequence[Grade]) -> list[Grade]:
    """By exercise, then by file, whatever order they were graded in."""
    return sorted(grades, key=lambda grade: (grade.key, grade.file))


def students(grades: Sequence[Grade]) -> dict[str, str]:
    """File -> the student whom it names.

    That is the folder in which it lies, "anna/03_diffusion.ipynb", as learning platforms pack them (of Moodle's
    "Anna Ito_1234_assignsubmission_file" only the name); without a folder the file's own name. Where this would
    make two submissions of an exercise one student's, it is the whole path instead.

    Parameters
    ----------
    grades : sequence of Grade

    Returns
    -------
    dict of str to str
    """
    count = Counter((grade.key, _short(grade.file)) for grade in grades)
    long = Counter((grade.key, _long(grade.file)) for grade in grades)
    names = {}
    for grade in grades:
        name = _long(grade.file) if count[grade.key, _short(grade.file)] > 1 else _short(grade.file)
        names[grade.file] = grade.file if long[grade.key, _long(grade.file)] > 1 else name
    return names


def _short(file: str) -> str:
    parts = PurePosixPath(file).parts
    if len(parts) > 1 and parts[0] not in ("/", ".."):
        return MOODLE.sub("", parts[0]) or parts[0]
    return PurePosixPath(file).stem or file


def _long(file: str) -> str:
    return re.sub(r"\.ipynb$", "", file, flags=re.IGNORECASE) or file


def page_name(file: str) -> str:
    """What the page of a submission is called: safe in any file system, another for each file, always the same.

    Examples
    --------
    >>> page_name("../../etc/passwd")
    'etc-passwd-3754d6cb.html'
    """
    folded = unicodedata.normalize("NFKD", re.sub(r"\.ipynb$", "", file.lower())).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^a-z0-9]+", "-", folded)[:60].strip("-")
    digest = hashlib.sha256(file.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable or 'submission'}-{digest}.html"


def write(path: Path, text: str) -> None:
    """Write a file as a whole or not at all: first beside it, then in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
