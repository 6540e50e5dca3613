"""Grades that are already there, so that an interrupted run goes on where it stopped.

Each grade is a file of its own, with what it is the grade *of* (a digest of the submission, the tests, the
master and the conditions) and a seal that only who knows the secret seed can make. A grade whose submission or tests
have changed since, or that somebody else has written, is not there.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from pathlib import Path

from course_lib.grading.record import Grade, from_json, to_json
from course_lib.grading.reports import files


class Ledger:
    """The folder of the grades of one run and its repetitions.

    Parameters
    ----------
    folder : Path
    seed : str
        The secret from which hidden inputs are drawn.
    conditions : str
        All else on which a grade depends.
    """

    def __init__(self, folder: Path, seed: str, conditions: str) -> None:
        self.folder, self._seed, self._conditions = folder, seed, conditions

    def find(self, name: str, content: bytes) -> Grade | None:
        """The grade of this submission with this content, or None."""
        try:
            entry = json.loads(self._path(name).read_text(encoding="utf-8"))
            of, grade, seal = (str(entry[part]) for part in ("of", "grade", "seal"))
            genuine = hmac.compare_digest(seal.encode(), self._seal(name, of, grade).encode())
            return from_json(grade) if genuine and of == self._of(content) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def keep(self, name: str, content: bytes, grade: Grade) -> None:
        """Write a grade down."""
        text, of = to_json(grade), self._of(content)
        entry = {"of": of, "grade": text, "seal": self._seal(name, of, text)}
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write(self._path(name), json.dumps(entry))

    def _path(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.json"

    def _of(self, content: bytes) -> str:
        return hashlib.sha256(self._conditions.encode() + content).hexdigest()

    def _seal(self, name: str, of: str, grade: str) -> str:
        words = "\0".join((name, of, grade)).encode("utf-8", "surrogateescape")
        return hmac.new(self._seed.encode(), words, hashlib.sha256).hexdigest()


def digest(paths: Iterable[Path], *words: str) -> str:
    """One word for the contents of files and some more words."""
    whole = hashlib.sha256("\0".join(words).encode())
    for path in sorted(paths):
        whole.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
