"""What a student's code cannot do, in each tier that this machine offers: programs that try."""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from course_lib.grading.sandbox import descendants, host, tiers
from course_lib.grading.sandbox.host import Nursery
from course_lib.grading.sandbox.limits import MIB, Limits, protect
from course_lib.grading.sandbox.tiers import Tier

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox's guarantees hold on Linux")

LIMITS = Limits(
    memory=512 * MIB,
    total_memory=768 * MIB,
    cpu=60,
    file=8 * MIB,
    disk=32 * MIB,
    files=500,
    processes=20,
    open_files=64,
)
SECRET = "the seed"
PATIENCE = 20  # seconds for an answer
PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36


@pytest.fixture(scope="module", autouse=True)
def guarded():
    """The host as a grading job makes it: with a secret, and with its memory closed."""
    os.environ["GRADE_SEED"] = SECRET
    protect()
    yield
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)
    del os.environ["GRADE_SEED"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> str:
    """The hostile programs in a folder that may be read."""
    folder = tmp_path_factory.mktemp("programs")
    shutil.copy(Path(__file__).with_name("sandbox_hostile.py"), folder)
    return str(folder)


@pytest.fixture(scope="module", params=list(Tier), ids=str)
def nursery(request, programs, guarded):
    if reason := tiers.why_not(request.param):
        pytest.skip(f"{request.param}: {reason}")
    with Nursery(request.param, LIMITS, "sandbox_hostile:main", preload=(), readable=(programs,)) as nursery:
        yield nursery


@pytest.fixture
def attack(nursery):
    """Run one of the programs as a submission; what it achieved, or None if it was ended before it could tell."""
    open_ends = []

    def run(name: str, **options: object) -> object:
        end = nursery.start()
        open_ends.append(end)
        end.settimeout(PATIENCE)
        end.sendall(json.dumps({"do": name, "with": options}).encode() + b"\n")
        line = b""
        with contextlib.suppress(ConnectionResetError):
            line = end.makefile("rb").readline()
        return json.loads(line) if line else None

    yield run
    nursery.finish()
    for end in open_ends:
        end.close()


@pytest.fixture
def outside(tmp_path):
    """A folder with a file that anybody could read and write, were there no sandbox."""
    for folder in [tmp_path, *tmp_path.parents[:2]]:
        with contextlib.suppress(PermissionError):
            folder.chmod(0o777)
    (tmp_path / "secret").write_text("x" * 100)
    (tmp_path / "secret").chmod(0o666)
    return tmp_path


def test_files_outside_cannot_be_read(nursery, attack, outside):
    paths = ["/etc/shadow", "/etc/passwd", str(outside / "secret"), __file__, "/proc/1/environ", "/proc/self/environ"]
    achieved = attack("read", paths=paths)
    if nursery.tier == Tier.PLAIN:
        assert "/etc/shadow" not in achieved or os.geteuid() == 0
    else:
        assert achieved == []
        assert attack("look_into", paths=[str(outside), str(Path(__file__).parent), "/home", "/root", "/tmp"]) == []


def test_files_outside_cannot_be_changed(attack, outside):
    before = (outside / "secret").stat()
    assert attack("write", folder=str(outside), file=str(outside / "secret")) == []
    after = (outside / "secret").stat()
    assert (after.st_size, after.st_mode, after.st_mtime) == (before.st_size, before.st_mode, before.st_mtime)
    assert os.listdir(outside) == ["secret"]


def test_no_sockets(attack):
    name = f"course-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams,
    ):
        unix.bind("\0" + name)
        unix.listen()
        datagrams.bind("\0" + name + "-datagram")
        assert attack("connect", port=server.getsockname()[1], abstract=name) == []


def test_other_processes_cannot_be_looked_into(nursery, attack):
    achieved = attack("spy", pids=[os.getpid()])
    if nursery.tier == Tier.PLAIN:  # command lines can be read by everybody; they hold no secret
        achieved = [name for name in achieved if not name.startswith("cmdline")]
    assert achieved == []


def test_other_processes_cannot_be_reached(attack):
    assert attack("meddle", pids=[os.getpid()]) == []


def test_no_privileges_and_no_namespaces(attack):
    assert attack("rise") == []


def test_the_environment_holds_nothing_of_the_graders(nursery, attack):
    achieved = attack("environment")
    assert SECRET not in achieved.values()
    assert set(achieved) <= set(host.limits.environment("")) | {"PWD", "LC_CTYPE"}
    assert achieved["HOME"].endswith("/work")


def test_only_the_socket_is_open(attack):
    assert attack("descriptors") == 1


def test_nothing_is_left_for_the_next(nursery, attack):
    achieved = attack("leave")
    assert achieved == ([] if nursery.tier == Tier.PLAIN else [".", achieved[1]])
    assert nursery.finish() is None
    assert attack("find_left") == []


def test_a_maze_of_folders_is_cleaned_up(nursery, attack):
    if nursery.tier == Tier.PLAIN:
        pytest.skip("it cannot write")
    attack("maze", depth=2500)
    nursery.finish()
    assert attack("look_into", paths=["."]) == ["."]


@pytest.mark.parametrize("deleted", [False, True], ids=["named", "deleted"])
def test_the_disk_cannot_be_filled(nursery, attack, deleted):
    written = attack("fill", deleted=deleted)
    broken = nursery.finish()
    if nursery.tier == Tier.PLAIN:
        assert (written, broken) == (0, None)
    else:
        assert written is None or written <= LIMITS.disk
        assert broken == "disk" or (deleted and written is not None)


def test_the_number_of_files_is_limited(nursery, attack):
    attack("many_files")
    assert nursery.finish() == (None if nursery.tier == Tier.PLAIN else "disk")


def test_open_files_are_limited(attack):
    assert attack("open_many") < LIMITS.open_files


def test_a_swarm_is_stopped(nursery, attack):
    assert attack("swarm") is None
    assert nursery.finish() == "processes"
    assert attack("environment")


def test_one_process_cannot_take_all_memory(nursery, attack):
    assert attack("bomb", mib=200) == 200 * MIB
    assert attack("bomb", mib=700) == 0
    assert nursery.finish() is None


def test_many_processes_cannot_take_all_memory(nursery, attack):
    assert attack("bombs", number=6, mib=200) is None
    assert nursery.finish() == "memory"


@pytest.mark.parametrize("name", ["daemon", "hop", "deaf_child"])
def test_no_process_survives(nursery, attack, name):
    nursery.finish()
    before = {process.pid for process in descendants.of(os.getpid())}
    assert attack(name)
    assert {process.pid for process in descendants.of(os.getpid())} - before
    assert nursery.finish() is None
    assert {process.pid for process in descendants.of(os.getpid())} == before


def test_an_endless_loop_ends(nursery):
    end = nursery.start()
    end.sendall(b'{"do": "deaf", "with": {}}\n')
    time.sleep(0.2)
    began = time.monotonic()
    assert nursery.finish() is None
    assert time.monotonic() - began < PATIENCE
    assert end.recv(1) == b""
    end.close()


def test_halt_spares_the_submissions_own_process(nursery):
    before = len(descendants.of(os.getpid()))
    end = nursery.start()
    end.sendall(b'{"do": "deaf_child", "with": {}}\n')
    assert end.recv(10) == b"true\n"
    assert len(descendants.of(os.getpid())) == before + 2
    nursery.halt()
    assert len(descendants.of(os.getpid())) == before + 1
    assert nursery.finish() is None
    assert len(descendants.of(os.getpid())) == before
    end.close()


def test_a_flood_of_output_goes_nowhere(attack):
    assert attack("flood") is True


def test_torch_works(attack):
    assert attack("use_torch") == 200.0


def test_a_killed_nursery_is_replaced(nursery, attack):
    """Something outside, the kernel short of memory say, took it."""
    nursery.finish()
    before = len(descendants.of(os.getpid()))
    attack("daemon")
    nursery._process.send_signal(signal.SIGKILL)
    nursery._process.wait()
    assert "the sandbox" in nursery.finish()
    assert attack("environment")
    assert nursery.finish() is None
    assert len(descendants.of(os.getpid())) == before
