"""A picture that says where it comes from, signed.

Detectors guess and marks must be found; a manifest states. It is a box in the file that holds claims ("drawn by this
model, with this seed"), a hash of the picture, and a signature over both, in the format that cameras, editors and
generators have agreed on (C2PA). Change a pixel and the hash is wrong; change a claim and the signature is. But
nothing holds the box to the picture: whoever saves it anew has a picture without one.

What the signature proves depends on the key's certificate (identity.py): ours proves only that the file has not been
changed since it was signed, and not by whom. Readers report it as `signingCredential.untrusted`.

C2PA Technical Specification 2.2 (2025), by its own library, `c2pa-python` (extra `ethics`). Nothing here goes online.
"""

import json
from io import BytesIO
from typing import NamedTuple

from course_lib import __version__
from course_lib.ethics.identity import Identity

PNG = "image/png"
SIGNATURE = b"\x89PNG\r\n\x1a\n"
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"  # drawn by a trained model
LABEL = "org.generative-models-in-cv.sample"  # our own assertion: which checkpoint, which seed
OFFLINE = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"remote_manifest_fetch": False}}
UNTRUSTED = "signingCredential.untrusted"


class Provenance(NamedTuple):
    """What a picture's manifest states, and whether it may be believed.

    Attributes
    ----------
    intact : bool
        Picture and claims are those that were signed.
    trusted : bool
        The certificate comes from an authority on the reader's list.
    generator : str
        The program that signed.
    source_type : str
        How the picture came to be, as an IPTC digital source type.
    sample : dict
        The checkpoint, its sha256, the seed, and what else `course sample` states.
    failures : tuple of str
        What is wrong, by C2PA's codes; `assertion.dataHash.mismatch` is a changed picture.
    """

    intact: bool
    trusted: bool
    generator: str
    source_type: str
    sample: dict
    failures: tuple[str, ...]


def available() -> bool:
    """Whether the library for manifests is installed."""
    try:
        import c2pa  # noqa: F401
    except ImportError:
        return False
    return True


def sign(png: bytes, sample: dict, identity: Identity) -> bytes:
    """The same picture with a signed manifest.

    Parameters
    ----------
    png : bytes
        A whole PNG file; an older manifest in it is replaced.
    sample : dict
        Plain values: what is claimed, such as {"checkpoint": "fashion_flow", "seed": 0}.
    identity : Identity

    Raises
    ------
    ValueError
        If this is no PNG, or it cannot be signed with this identity.
    """
    import c2pa

    who = c2pa.C2paSignerInfo(b"es256", identity.certificate, identity.key, None)  # no time stamp: offline
    claims, signed = json.dumps(manifest(sample)), BytesIO()
    try:
        with (
            c2pa.Signer.from_info(who) as signer,
            c2pa.Context.from_dict(OFFLINE) as context,
            c2pa.Builder(claims, context) as builder,
        ):
            builder.sign(signer, PNG, BytesIO(_checked(png)), signed)
    except c2pa.C2paError as error:
        raise ValueError(f"the picture could not be signed: {error}") from error
    return signed.getvalue()


def manifest(sample: dict) -> dict:
    """The claims, before they are signed: created by a trained model, by which program, from which checkpoint."""
    created = {"action": "c2pa.created", "digitalSourceType": GENERATED}
    return {
        "claim_generator_info": [{"name": "course_lib", "version": __version__}],
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [created]}},
            {"label": LABEL, "data": sample},
        ],
    }


def read(png: bytes) -> Provenance | None:
    """What a picture states about itself, checked; None if it carries no manifest.

    Raises
    ------
    ValueError
        If this is no PNG, or its manifest cannot be read at all.
    """
    import c2pa

    try:
        with c2pa.Context.from_dict(OFFLINE) as context:
            reader = c2pa.Reader.try_create(PNG, BytesIO(_checked(png)), context=context)
            if reader is None:
                return None
            with reader:
                return _understood(json.loads(reader.json()))
    except c2pa.C2paError as error:
        raise ValueError(f"the picture's manifest is damaged beyond reading: {error}") from error


def _understood(store: dict) -> Provenance:
    stated = store["manifests"][store["active_manifest"]]
    assertions = {assertion["label"]: assertion["data"] for assertion in stated.get("assertions", [])}
    actions = next((data["actions"] for label, data in assertions.items() if label.startswith("c2pa.actions")), [])
    codes = tuple(status["code"] for status in store.get("validation_status", []))
    failures = tuple(code for code in codes if code != UNTRUSTED)
    maker = stated.get("claim_generator_info", [{}])[0]
    return Provenance(
        intact=not failures,
        trusted=UNTRUSTED not in codes and not failures,
        generator=f"{maker.get('name', 'unknown')} {maker.get('version', '')}".strip(),
        source_type=next((a["digitalSourceType"] for a in actions if "digitalSourceType" in a), ""),
        sample=assertions.get(LABEL, {}),
        failures=failures,
    )


def stripped(png: bytes) -> bytes:
    """The same pixels, opened and saved: all that it takes to lose a manifest."""
    from PIL import Image

    saved = BytesIO()
    with Image.open(BytesIO(_checked(png))) as picture:
        picture.save(saved, "PNG")
    return saved.getvalue()


def _checked(png: bytes) -> bytes:
    if not png.startswith(SIGNATURE):
        raise ValueError("the file is no PNG: course_lib writes and reads manifests in PNG files only")
    return png
