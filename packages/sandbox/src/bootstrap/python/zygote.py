"""Server of forks: a warm Python that never runs anything of a candidate's. For each execution it
makes two processes in namespaces of their own: an init, and one that shuts itself in and then runs one
bootstrap.

A request on descriptor 3 is JSON: ticket, kinds (one letter a connection), disk (bytes), role.
Answers are P (ticket, pid here) and X (pid here, wait status).
"""

import _signal
import _socket
import ctypes
import fcntl
import gc
import io
import posix
import select
import sys

# What candidates and checks of this kind import most: they find it loaded, as after any first import.
import collections
import functools
import heapq
import itertools
import math
import operator
import re
import string
import typing

# The bootstraps' own.
import _ast
import _sitebuiltins
import resource
import channel
import codec
import prelude

LINK = "/tmp/link/runner"
FOLDER = "/opt/loopgate/"
SELF = "65534 65534 1"
# linux/sched.h: user, pid, net, ipc, uts, mount; the cgroup namespace follows once it is in its cgroup.
NAMESPACES = 0x10000000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000 | 0x00020000
NEW_CGROUP = 0x02000000
SYS_CLONE = {"x86_64": 56, "aarch64": 220}[posix.uname().machine]
# linux/mount.h
RDONLY, NOSUID, NODEV, NOEXEC, REC, PRIVATE = 1, 2, 4, 8, 0x4000, 0x40000
# linux/prctl.h
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_READ, PR_CAPBSET_DROP, MODE_FILTER = 4, 22, 23, 24, 2
CAPABILITY_VERSION = 0x20080522
SIOCSIFFLAGS, IFF_UP_RUNNING = 0x8914, 0x41

# PyDLL keeps the interpreter's lock during the call, as a fork must.
libc = ctypes.PyDLL(None, use_errno=True)
# Looked up here, or each fork would look them up anew: a dozen pages of memory to be copied for each.
for _name in ("syscall", "prctl", "capset", "mount", "unshare", "PyOS_AfterFork_Child"):
    getattr(libc, _name)


def checked(what, result):
    if result < 0:
        raise OSError(ctypes.get_errno(), posix.strerror(ctypes.get_errno()) + ": " + what)
    return result


def write_to(path, text):
    descriptor = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC)
    try:
        posix.write(descriptor, text.encode())
    finally:
        posix.close(descriptor)


def mount(kind, target, flags, options=None):
    source = None if kind is None else kind.encode()
    checked(
        "mount " + target,
        libc.mount(source, target.encode(), source, ctypes.c_ulong(flags), options and options.encode()),
    )


def connect():
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    link.connect(LINK)
    return link.detach()


def greet(links, kind, request):
    posix.write(links[kind], kind.encode() + request["ticket"].encode())


def raise_loopback():
    link = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    flags = IFF_UP_RUNNING.to_bytes(2, sys.byteorder)
    fcntl.ioctl(link.fileno(), SIOCSIFFLAGS, b"lo".ljust(16, b"\0") + flags.ljust(14, b"\0"))
    link.close()


def no_capabilities():
    checked("capset", libc.capset(CAPABILITY_HEADER, NO_CAPABILITIES))


def drop_capabilities():
    for number in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    no_capabilities()


def load_filter():
    checked("seccomp", libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(PROGRAM), 0, 0))


def be_init(candidate):
    """Process 1 of the namespaces: ends with the candidate's status, and everything inside with it. It has
    touched as little as could be since it was forked: each page that it changes is one to be copied."""
    no_capabilities()
    checked("dumpable", libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    posix.closerange(0, 1024)  # and with it the pipe that the candidate waits at
    while True:
        pid, status = posix.waitpid(-1, 0)
        if pid == candidate:
            code = posix.waitstatus_to_exitcode(status)
            posix._exit(code if code >= 0 else 128 - code)


def split():
    """In the new namespaces: forks the process that shall run the bootstrap and stays behind as its init.
    Returns in the former what it reads the end of once its init is shut in."""
    _signal.set_wakeup_fd(-1)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    # Signals to a process group are not stopped by a pid namespace.
    posix.setsid()
    shut, shutting = posix.pipe2(posix.O_CLOEXEC)
    candidate = libc.syscall(SYS_CLONE, ctypes.c_ulong(_signal.SIGCHLD), None, None, None, None)
    if candidate < 0:
        posix._exit(1)
    if candidate > 0:
        be_init(candidate)
    libc.PyOS_AfterFork_Child()
    posix.close(shutting)
    return shut


def enter(request, shut):
    """Shuts this process in and waits to be told that it is in its cgroup. Returns the bootstrap to run."""
    kinds = request["kinds"]
    links = {kind: connect() for kind in kinds}
    for kind in kinds[1:]:
        greet(links, kind, request)
    try:
        write_to("/proc/self/setgroups", "deny")
        write_to("/proc/self/uid_map", SELF)
        write_to("/proc/self/gid_map", SELF)
        write_to("/proc/sys/user/max_user_namespaces", "0")
        raise_loopback()
        mount(None, "/", REC | PRIVATE)
        mount("tmpfs", "/tmp", NOSUID | NODEV, "mode=0755,size=%d" % request["disk"])
        mount("proc", "/proc", RDONLY | NOSUID | NODEV | NOEXEC)
        posix.mkdir("/tmp/work", 0o755)
        posix.chdir("/tmp/work")
        # The channel is the first of them; its greeting says that the working folder is there.
        greet(links, kinds[0], request)
        if posix.read(links["c"], 1) != b"g" or posix.read(shut, 1) != b"":
            posix._exit(1)
        checked("unshare", libc.unshare(NEW_CGROUP))
        drop_capabilities()
        load_filter()
    except OSError as error:
        posix.write(links["e"], ("fork server: %s\n" % error).encode())
        posix._exit(1)
    # Above 4 first, lest one be overwritten by another.
    for kind in kinds:
        links[kind] = fcntl.fcntl(links[kind], fcntl.F_DUPFD, 10)
    posix.closerange(3, 10)
    for kind, descriptor in (("i", 0), ("o", 1), ("e", 2), ("c", 3), ("r", 4)):
        if kind in links:
            posix.dup2(links[kind], descriptor)
    posix.closerange(5 if "r" in links else 4, 1024)
    if "i" in links:
        sys.stdin = sys.__stdin__ = io.open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    return BOOTSTRAPS["checker" if request["role"] == "check" else "candidate"]


def reap():
    while True:
        try:
            pid, status = posix.waitpid(-1, posix.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        channel.write_frame(b"X", b"%d %d" % (pid, posix.waitstatus_to_exitcode(status)))


def serve():
    """Returns only in a fork that shall run a bootstrap: its main function."""
    awake, wake = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    _signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(channel.CHANNEL, select.POLLIN)
    poll.register(awake, select.POLLIN)
    channel.write_frame(b"S")
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == awake:
                posix.read(awake, 512)
                reap()
                continue
            request = codec.parse(channel.read_frame()[1].decode())
            libc.PyOS_BeforeFork()
            pid = libc.syscall(SYS_CLONE, ctypes.c_ulong(NAMESPACES | _signal.SIGCHLD), None, None, None, None)
            if pid == 0:
                return enter(request, split())
            libc.PyOS_AfterFork_Parent()
            # Refused, where a limit of namespaces or processes is reached: -1, and the others go on.
            channel.write_frame(b"P", b"%s %d" % (request["ticket"].encode(), pid))


def read_whole(path):
    with io.open(path, "rb") as file:
        return file.read()


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


# What this process may do and its forks must not: they have its own filter already.
_bytes = read_whole(FOLDER + "fork.bpf")
PROGRAM = _Program(len(_bytes) // 8, _bytes)
CAPABILITIES = 0
while libc.prctl(PR_CAPBSET_READ, CAPABILITIES, 0, 0, 0) >= 0:
    CAPABILITIES += 1
CAPABILITY_HEADER = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0)
NO_CAPABILITIES = (ctypes.c_uint32 * 6)()
# Loaded here, so that a fork has only to call them; no program is to find them among its modules.
BOOTSTRAPS = {name: __import__(name).main for name in ("candidate", "checker")}
for name in BOOTSTRAPS:
    del sys.modules[name]
posix.closerange(4, 1024)
gc.collect()
gc.freeze()
_main = serve()
sys.modules["__main__"] = type(sys)("__main__")
_main()
