"""What a submission might try. Each function returns what it achieved; `main` runs one in the sandbox.

Nothing here does harm where the sandbox fails: it only tells.
"""

import contextlib
import ctypes
import json
import os
import signal
import socket
import time

_libc = ctypes.CDLL(None, use_errno=True)
NEW_USER, NEW_NAMESPACE = 0x10000000, 0x00020000
ATTACH, DETACH = 16, 17  # ptrace
MIB = 2**20


def main(connection):
    """Do what the host asks: {"do": "read", "with": {...}}."""
    asked = json.loads(connection.makefile("rb").readline())
    achieved = globals()[asked["do"]](**asked["with"])
    connection.sendall(json.dumps(achieved).encode() + b"\n")
    connection.recv(1)  # stay until the host is done


def tried(attempts):
    """The names of those attempts that no error stopped."""
    done = []
    for name, attempt in attempts.items():
        with contextlib.suppress(Exception):
            attempt()
            done.append(name)
    return done


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno())


def read(paths):
    return tried({path: lambda path=path: open(path, "rb").read(100) for path in paths})


def look_into(paths):
    return tried({path: lambda path=path: os.listdir(path) for path in paths})


def write(folder, file):
    own = os.path.join(folder, "new")
    return tried(
        {
            "create": lambda: open(own, "w").write("x"),
            "append": lambda: open(file, "a").write("x"),
            "change": lambda: open(file, "r+").write("x"),
            "truncate": lambda: os.truncate(file, 0),
            "empty": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
            "folder": lambda: os.mkdir(own),
            "link": lambda: os.symlink(file, own),
            "hard link": lambda: os.link(file, own),
            "mode": lambda: os.chmod(file, 0o777),
            "times": lambda: os.utime(file, (0, 0)),
            "rename": lambda: os.rename(file, own),
            "remove": lambda: os.unlink(file),
        }
    )


def connect(port, abstract):
    def to_abstract():
        with socket.socket(socket.AF_UNIX) as end:
            end.connect("\0" + abstract)

    def by_pair():
        with socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0] as end:
            end.sendto(b"x", "\0" + abstract + "-datagram")

    return tried(
        {
            "tcp": lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close(),
            "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
            "abstract": to_abstract,
            "pair": by_pair,
            "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        }
    )


def spy(pids):
    """Look at the nursery (the parent) and at others."""
    attempts = {}
    for pid in [os.getppid(), *pids]:
        for what in ("environ", "mem", "maps", "cmdline"):
            attempts[f"{what} of {pid}"] = lambda pid=pid, what=what: _first_byte(f"/proc/{pid}/{what}")
        attempts[f"ptrace {pid}"] = lambda pid=pid: _trace(pid)
        attempts[f"memory of {pid}"] = lambda pid=pid: _read_memory(pid)
    return tried(attempts)


def _first_byte(path):
    with open(path, "rb") as file:
        if not path.endswith("mem"):
            assert file.read(1)


def _trace(pid):
    checked(_libc.ptrace(ATTACH, pid, 0, 0))
    _libc.ptrace(DETACH, pid, 0, 0)


def _read_memory(pid):
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)  # the same place is mapped in what forked us
    checked(_libc.process_vm_readv(pid, vector, 1, vector, 1, 0))


def meddle(pids):
    """Signals (none that would hurt) and limits for the nursery and others."""
    attempts = {}
    for pid in [os.getppid(), *pids]:
        attempts[f"signal {pid}"] = lambda pid=pid: os.kill(pid, 0)
        attempts[f"priority {pid}"] = lambda pid=pid: os.setpriority(os.PRIO_PROCESS, pid, 1)
        attempts[f"limits {pid}"] = lambda pid=pid: __import__("resource").prlimit(pid, 7)
    return tried(attempts)


def rise():
    """Privileges and namespaces."""
    return tried(
        {
            "root": lambda: os.setresuid(0, 0, 0),
            "group": lambda: os.setgroups([0]),
            "user namespace": lambda: checked(_libc.unshare(NEW_USER)),
            "namespace": lambda: checked(_libc.unshare(NEW_NAMESPACE)),
            "clone": lambda: checked(
                _libc.syscall(56 if os.uname().machine == "x86_64" else 220, NEW_USER, 0, 0, 0, 0)
            ),
            "mount": lambda: checked(_libc.mount(b"none", b"/", b"tmpfs", 0, 0)),
            "chroot": lambda: os.chroot("/"),
            "memfd": lambda: os.memfd_create("hoard"),
            "dumpable": lambda: checked(_libc.prctl(4, 0, 0, 0, 0)),
        }
    )


def environment():
    return dict(os.environ)


def leave():
    """Files for the next submission, in all places that come to mind."""
    places = [".", os.environ["HOME"], "..", "/tmp", "/var/tmp", "/dev/shm", "/", "/run/lock"]
    names = {place: os.path.join(place, "left-behind") for place in places}
    done = tried({place: lambda name=name: open(name, "w").write("x") for place, name in names.items()})  # noqa: SIM115
    return [place for place in done if os.path.exists(names[place])]


def find_left():
    folders = [".", os.environ["HOME"], "..", "/tmp", "/var/tmp", "/dev/shm", "/", "/run/lock"]
    return [path for folder in folders if os.path.exists(path := os.path.join(folder, "left-behind"))]


def maze(depth):
    """Folders in folders, too deep for a path, and closed."""
    for _ in range(depth):
        os.mkdir("folder")
        os.chdir("folder")
        open("file", "w").close()
    return depth


def fill(deleted):
    """Write until somebody minds."""
    written, kept = 0, []
    with contextlib.suppress(OSError):
        for number in range(10_000):
            kept.append(open(f"full-{number}", "wb", buffering=0))  # noqa: SIM115
            if deleted:
                os.unlink(f"full-{number}")
            for _ in range(8):
                written += kept[-1].write(bytes(MIB))
                time.sleep(0.005)
    return written


def many_files():
    made = 0
    with contextlib.suppress(OSError):
        for number in range(20_000):
            open(f"small-{number}", "w").close()
            made += 1
    time.sleep(1)
    return made


def open_many():
    kept = []
    with contextlib.suppress(OSError):
        while len(kept) < 5000:
            kept.append(os.open("/dev/null", os.O_RDONLY))
    return len(kept)


def swarm():
    """Fork and fork again."""
    started = 0
    with contextlib.suppress(OSError):
        for _ in range(2000):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            started += 1
    time.sleep(2)
    return started


def hop():
    """Be gone before anybody strikes: each process lives only to fork the next."""
    if os.fork() == 0:
        while os.fork() == 0:
            pass
        os._exit(0)
    return True


def bomb(mib):
    """One process that wants it all."""
    try:
        return len(bytearray(mib * MIB))
    except MemoryError:
        return 0


def bombs(number, mib):
    """Many that want their share."""
    for _ in range(number):
        if os.fork() == 0:
            hoard = bytearray(b"x") * (mib * MIB)
            time.sleep(60 + len(hoard) * 0)
    time.sleep(5)
    return number


def daemon():
    """A grandchild that leaves home."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            ignore_all()
            time.sleep(600)
        os._exit(0)
    time.sleep(0.1)
    return True


def ignore_all():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def deaf_child():
    """A child that loops for ever; this process goes on."""
    if os.fork() == 0:
        ignore_all()
        while True:
            pass
    return True


def deaf():
    ignore_all()
    while True:
        pass


def flood():
    for _ in range(100):
        os.write(1, bytes(MIB))
    return True


def descriptors():
    """What is open, besides the socket."""
    found = []
    for number in range(3, 200):
        with contextlib.suppress(OSError):
            os.fstat(number)
            found.append(number)
    return len(found)


def use_torch():
    import torch

    x = torch.ones(100, 100, requires_grad=True)
    (x @ x).sum().backward()
    return float(x.grad[0, 0])
