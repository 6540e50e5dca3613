"""Manifests: what is signed is read back, what is changed is found, and what is saved anew is lost."""

import stat
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import checkpoints
from course_lib.cli import main
from course_lib.diffusion.flow import Flow
from course_lib.ethics import provenance
from course_lib.ethics.identity import Identity, kept_identity, new_identity

pytest.importorskip("c2pa", reason="the extra `ethics` is not installed")
CLAIMS = {"checkpoint": "fashion_flow", "sha256": "ab" * 32, "seed": 3}


def picture(grey: int) -> bytes:
    saved = BytesIO()
    Image.new("L", (40, 30), grey).save(saved, "PNG")
    return saved.getvalue()


@pytest.fixture(scope="module")
def me() -> Identity:
    return new_identity()


@pytest.fixture(scope="module")
def signed(me) -> bytes:
    return provenance.sign(picture(90), CLAIMS, me)


def test_what_was_signed_is_read_back(signed):
    found = provenance.read(signed)
    assert found.intact
    assert found.sample == CLAIMS
    assert found.generator.startswith("course_lib ")
    assert found.source_type.endswith("/trainedAlgorithmicMedia")
    assert found.failures == ()


def test_a_signature_of_ones_own_is_trusted_by_nobody(signed):
    assert not provenance.read(signed).trusted


def test_the_picture_is_still_the_picture(signed):
    assert (np.asarray(Image.open(BytesIO(signed))) == 90).all()
    assert len(signed) - len(picture(90)) < 5_000


def test_a_changed_pixel_is_found(signed):
    at = signed.index(b"IDAT") + 8
    changed = signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]
    found = provenance.read(changed)
    assert not found.intact
    assert found.failures == ("assertion.dataHash.mismatch",)


def test_a_changed_claim_is_found(signed):
    found = provenance.read(signed.replace(b"fashion_flow", b"fashion_fake"))
    assert not found.intact
    assert found.sample["checkpoint"] == "fashion_fake"
    assert found.failures == ("assertion.hashedURI.mismatch",)


def test_a_manifest_does_not_move_to_another_picture(signed):
    other = picture(10)
    box = chunk(signed, b"caBX")
    at = other.index(b"IDAT") - 4
    assert provenance.read(other[:at] + box + other[at:]).failures == ("assertion.dataHash.mismatch",)


def chunk(png: bytes, kind: bytes) -> bytes:
    at = png.index(kind) - 4
    return png[at : at + 12 + int.from_bytes(png[at : at + 4])]


def test_saving_anew_loses_it(signed):
    assert provenance.read(provenance.stripped(signed)) is None
    assert provenance.read(picture(90)) is None


def test_anybody_can_sign_the_same_claims(signed):
    """What a signature without an authority does not prove: two strangers, one name, both intact."""
    other = provenance.read(provenance.sign(provenance.stripped(signed), CLAIMS, new_identity()))
    assert other == provenance.read(signed)


def test_signing_again_replaces_the_claims(signed, me):
    assert provenance.read(provenance.sign(signed, {"seed": 4}, me)).sample == {"seed": 4}


def test_a_key_without_its_certificate_signs_nothing(me):
    with pytest.raises(ValueError, match="could not be signed"):
        provenance.sign(picture(1), CLAIMS, Identity(new_identity().key, me.certificate))


def test_other_files_are_refused(me):
    for call in (provenance.read, provenance.stripped, lambda file: provenance.sign(file, {}, me)):
        with pytest.raises(ValueError, match="no PNG"):
            call(b"\xff\xd8\xff\xe0 a JPEG")


def test_a_cut_picture_is_refused_in_words(signed):
    with pytest.raises(ValueError, match="damaged beyond reading"):
        provenance.read(signed[:2_000])


def test_the_key_is_made_once_and_for_your_eyes_only(tmp_path):
    first = kept_identity(tmp_path / "new")
    assert kept_identity(tmp_path / "new") == first
    file = tmp_path / "new" / "identity.pem"
    assert first.key in file.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"something else")
    with pytest.raises(ValueError, match="holds no private key"):
        kept_identity(tmp_path / "new")


@pytest.fixture
def checkpoint(tmp_path, monkeypatch) -> Path:
    """An untrained flow in a file, and a cache of its own."""
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "cache"))
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    checkpoints.save(path, Flow(1, 8, 32, 1, 3), recipe="none", data="none", seed=0, metrics={})
    return path


def test_a_drawn_picture_says_where_it_comes_from(checkpoint, tmp_path, capsys):
    out = tmp_path / "grid.png"
    assert main(["sample", str(checkpoint), "--n", "2", "--label", "1", "--seed", "5", "--out", str(out)]) == 0
    sha256 = checkpoints.info(str(checkpoint))["sha256"]
    claims = {"checkpoint": "tiny", "sha256": sha256, "seed": 5, "images": 2, "label": 1}
    assert provenance.read(out.read_bytes()).sample == claims
    assert main(["verify", str(out)]) == 0
    said = capsys.readouterr().out
    assert sha256 in said
    assert "as it was signed" in said


def test_verify_says_what_is_wrong(signed, tmp_path, capsys):
    out = tmp_path / "a.png"
    out.write_bytes(signed.replace(b"fashion_flow", b"fashion_fake"))
    assert main(["verify", str(out)]) == 1
    assert "Do not believe it: the file has been changed" in capsys.readouterr().out
    out.write_bytes(picture(3))
    assert main(["verify", str(out)]) == 1
    assert "carries no manifest" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "none.png")]) == 1
    out.write_bytes(b"GIF89a")
    assert main(["verify", str(out)]) == 2
    assert "no PNG" in capsys.readouterr().err


def test_without_the_extra_the_picture_is_written_all_the_same(checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    out = tmp_path / "grid.png"
    assert main(["sample", str(checkpoint), "--n", "1", "--out", str(out)]) == 0
    assert Image.open(out).size == (8, 8)
    assert "pip install 'course-lib[ethics]'" in capsys.readouterr().err
    assert main(["verify", str(out)]) == 2
    assert "course verify needs c2pa-python" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_who_has_no_home_folder_gets_the_picture_all_the_same(checkpoint, tmp_path, monkeypatch, capsys):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    for name in ("COURSE_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert main(["sample", str(checkpoint), "--n", "1", "--out", str(tmp_path / "grid.png")]) == 0
    assert "you have no home folder: name one for the course's data in COURSE_DATA" in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_costs_the_manifest_not_the_picture(checkpoint, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "file"))
    out = tmp_path / "grid.png"
    assert main(["sample", str(checkpoint), "--n", "1", "--out", str(out)]) == 0
    assert provenance.read(out.read_bytes()) is None
    assert "carries no manifest" in capsys.readouterr().err
