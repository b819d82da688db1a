"""One of two programs that run side by side: each leaves traces, then one attacks the other."""

import builtins, ctypes, errno, json, os, signal, socket, stat

CHANNEL, KEY = 3, 0x10094A7E
SYSTEM_CALLS = {"x86_64": (272, 165, 101), "aarch64": (97, 40, 117)}[os.uname().machine]
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget.argtypes = [ctypes.c_int, ctypes.c_size_t, ctypes.c_int]


def send(kind, value):
    body = json.dumps(value).encode()
    os.write(CHANNEL, kind + len(body).to_bytes(4, "big") + body)


def receive():
    head = os.read(CHANNEL, 5)
    return json.loads(os.read(CHANNEL, int.from_bytes(head[1:], "big")))


def result(value):
    return "allowed" if value >= 0 else errno.errorcode.get(ctypes.get_errno(), "?")


def reaches(family, address):
    with socket.socket(family) as connection:
        connection.settimeout(2)
        try:
            connection.connect(address)
            return True
        except OSError:
            return False


def sockets():
    found = []
    for top in ("/tmp", "/opt", "/run", "/dev", "/etc", "/var"):
        for folder, _, names in os.walk(top):
            for path in (os.path.join(folder, name) for name in names):
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    found.append(path)
    return found


def leave_traces():
    with open("/tmp/trace", "w") as file:
        file.write("trace")
    builtins.trace = json.trace = os.environ["TRACE"] = "trace"
    libc.shmget(KEY, 4096, 0o1666)
    local, loopback = socket.socket(socket.AF_UNIX), socket.socket()
    local.bind("\0loopgate-sibling")
    loopback.bind(("127.0.0.1", 0))
    for each in (local, loopback):
        each.listen()
    return local, loopback


def found(port):
    return {
        "files": sorted(os.listdir("/tmp")),
        "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
        "state": [name for name in (hasattr(builtins, "trace"), hasattr(json, "trace"), "TRACE" in os.environ) if name],
        "sharedMemory": result(libc.shmget(KEY, 4096, 0)),
        "abstractSocket": reaches(socket.AF_UNIX, "\0loopgate-sibling"),
        "loopback": reaches(socket.AF_INET, ("127.0.0.1", port)),
        "socketFiles": sockets(),
        "initMemory": os.access("/proc/1/mem", os.R_OK) and os.access("/proc/1/environ", os.R_OK),
        "procReadOnly": bool(os.statvfs("/proc").f_flag & os.ST_RDONLY),
        "unshare": result(libc.syscall(SYSTEM_CALLS[0], 0x10000000)),
        "mount": result(libc.syscall(SYSTEM_CALLS[1], 0, 0, 0, 0, 0)),
        "ptrace": result(libc.syscall(SYSTEM_CALLS[2], 16, 1, 0, 0)),
    }


def attack():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # To its process group, to all it may reach, and to each number that a process could have.
    for pid in (0, -1):
        try:
            os.kill(pid, signal.SIGTERM)
        except OSError:
            pass
    for pid in range(1, 5000):
        if pid != os.getpid():
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass


def main():
    order = receive()
    if order["part"] == "victim":
        held = leave_traces()
        send(b"U", held[1].getsockname()[1])
        receive()
        send(b"V", sorted(os.listdir("/tmp")))
    else:
        report = found(order["port"])
        attack()
        send(b"V", report)


main()
