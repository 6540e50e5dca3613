"""Parts of the sandbox that need no sandbox: the choice of a tier, what may be read, the room, the filter."""

import os
import platform
import struct
import sys
from pathlib import Path

import pytest

from course_lib.grading.sandbox import host, room, seccomp, syscalls, tiers, visible
from course_lib.grading.sandbox.tiers import Tier
from course_lib.places import PACKAGE

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such folders")


def test_the_strongest_tier_comes_first(monkeypatch):
    monkeypatch.setattr(tiers, "why_not", lambda tier: "no user namespaces" if tier == Tier.BWRAP else "")
    assert tiers.available() == [Tier.LANDLOCK, Tier.PLAIN]
    assert tiers.choose() == Tier.LANDLOCK
    assert tiers.choose("plain") == Tier.LANDLOCK  # at least that
    with pytest.raises(ValueError, match="cannot offer the tier 'bwrap': no user namespaces"):
        tiers.choose("bwrap")


def test_an_unknown_tier_is_refused():
    with pytest.raises(ValueError, match="no tier is called 'docker'; there are: bwrap, landlock, plain"):
        tiers.choose("docker")


@pytest.fixture
def elsewhere(monkeypatch):
    """Another operating system, by its name for Python."""
    tiers.why_not.cache_clear()
    yield lambda name: monkeypatch.setattr(sys, "platform", name)
    tiers.why_not.cache_clear()


def test_windows_is_told_what_to_use(monkeypatch, elsewhere):
    elsewhere("win32")
    monkeypatch.setattr(platform, "system", lambda: "Windows")
    assert tiers.available() == []
    with pytest.raises(ValueError, match="this is Windows: use a Linux machine"):
        tiers.choose()


def test_macos_has_the_plain_tier(elsewhere):
    elsewhere("darwin")
    assert tiers.available() == [Tier.PLAIN]


@posix
def test_the_package_can_be_read_and_nothing_beside_it():
    paths = visible.paths()
    assert str(PACKAGE) in paths
    assert not any((PACKAGE.parent / "tests").is_relative_to(path) for path in paths)


@posix
def test_a_course_inside_the_interpreters_folders_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(visible, "checkout", lambda: tmp_path)
    with pytest.raises(ValueError, match="move the course elsewhere"):
        visible.paths((str(tmp_path),))


@posix
def test_nothing_of_the_graders_environment_is_passed_on(monkeypatch):
    monkeypatch.setenv("GRADE_SEED", "a secret")
    assert "a secret" not in host.limits.environment("/room").values()


@posix
def test_a_room_is_measured_and_emptied(tmp_path):
    target = tmp_path / "outside"
    target.mkdir()
    (target / "kept").write_text("kept")
    folder = tmp_path / "room"
    deep = folder / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(bytes(10_000))
    (folder / "0.lifted").symlink_to(target)
    size, count = room.used(folder, most_files=100)
    assert 10_000 <= size < 100_000
    assert count == 5
    assert room.used(folder, most_files=1)[1] == 2
    deep.chmod(0)
    room.empty(folder)
    assert list(folder.iterdir()) == []
    assert (target / "kept").exists()


@posix
def test_too_deep_a_room_is_refused(tmp_path):
    Path(tmp_path, *["d"] * 150).mkdir(parents=True)
    with pytest.raises(room.TooDeepError):
        room.used(tmp_path, most_files=1000)


@pytest.mark.skipif(sys.platform != "linux", reason="its numbers are those of Linux")
@pytest.mark.parametrize("machine", list(syscalls.ARCHITECTURES))
def test_the_filters_jumps_stay_inside_it(monkeypatch, machine):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    code = seccomp._program(seccomp.rules(attributes=True, files=True))
    lines = list(struct.iter_unpack("=HBBI", code))
    assert len(lines) < 4096  # the kernel's own bound
    for place, (operation, yes, no, _) in enumerate(lines):
        if operation & 0x07 == 0x05:  # a jump
            assert place + 1 + max(yes, no) < len(lines)
