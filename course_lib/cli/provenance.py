"""course verify, and the manifest that `course sample` puts into each picture (course_lib/ethics/provenance.py)."""

import sys
from pathlib import Path

from course_lib.checkpoints import info

MISSING = "needs c2pa-python: pip install 'course-lib[ethics]'"


def attest(out: Path, options) -> None:
    """Sign a drawn picture in place; where that cannot be, leave it as it is and say why in a line on stderr."""
    from course_lib.ethics import provenance
    from course_lib.ethics.identity import kept_identity

    try:
        if not provenance.available():
            raise ValueError(MISSING)
        out.write_bytes(provenance.sign(out.read_bytes(), _claims(options), kept_identity()))
    except (ValueError, OSError) as error:
        print(f"course: {out} carries no manifest of its origin: {error}", file=sys.stderr)


def _claims(options) -> dict:
    """Enough to draw the same picture again."""
    asked = {"label": options.label, "caption": options.caption}
    return {
        "checkpoint": Path(options.name).stem,
        "sha256": info(options.name)["sha256"],
        "seed": options.seed,
        "images": options.n,
    } | {name: value for name, value in asked.items() if value is not None}


def verify(options) -> int:
    """Print what a picture states; status 1 if it states nothing, or has been changed since it was signed."""
    from course_lib.ethics import provenance

    if not provenance.available():
        raise ValueError(f"course verify {MISSING}")
    found = provenance.read(options.picture.read_bytes())
    if found is None:
        print(f"{options.picture} carries no manifest. That says nothing: saving a picture anew is enough to lose it.")
        return 1
    for name, value in {"made by": found.generator, "made as": found.source_type, **found.sample}.items():
        print(f"{name:<12}{value}")
    if not found.intact:
        print(f"\nDo not believe it: the file has been changed since it was signed ({', '.join(found.failures)}).")
        return 1
    print("\nThe file is as it was signed.", end=" ")
    print("By whom, an authority vouches for." if found.trusted else "By whom, nobody vouches for: see identity.py.")
    return 0
