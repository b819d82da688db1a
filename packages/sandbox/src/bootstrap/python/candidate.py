"""Runs a candidate in its sandbox, as a program or as a server of function calls.

Nothing here is trusted by the runner: what the candidate does to this process it does to itself.
"""

import atexit
import builtins
import gc
import posix
import sys

import _sitebuiltins
from channel import announce, read_frame, settle_in, write_frame
from codec import NotPlain, decode, encode, parse

FOLDER = "/tmp/work/"
# A program may have files of these names.
OWN_MODULES = ("channel", "codec", "prelude")


def write_files(files):
    made = set()
    for path in files:
        kind, content = read_frame()
        assert kind == b"F"
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in made:
                made.add(folder)
                try:
                    posix.mkdir(FOLDER + folder, 0o755)
                except FileExistsError:
                    pass
        descriptor = posix.open(FOLDER + path, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC, 0o644)
        try:
            view = memoryview(content)
            while view:
                view = view[posix.write(descriptor, view):]
        finally:
            posix.close(descriptor)


def describe(error):
    try:
        return ("%s: %s" % (type(error).__name__, error))[:2000]
    except BaseException:
        return type(error).__name__


def done(kind, text=""):
    """Tells why the process is about to end: c compile error, m memory, e exception, x exit status."""
    try:
        write_frame(b"D", kind + text.encode("utf-8", "replace"))
    except OSError:
        pass


def show(error, skip):
    """Prints the traceback as Python would have, without the frames of this file."""
    trace = error.__traceback__
    for _ in range(skip):
        trace = trace.tb_next if trace else None
    error.__traceback__ = trace
    try:
        sys.excepthook(type(error), error, trace)
    except BaseException:
        pass


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass


def compile_entry(path):
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as error:
        done(b"c", describe(error))
        show(error, 1)
        posix._exit(1)
    parts = []
    while part := posix.read(descriptor, 1048576):
        parts.append(part)
    posix.close(descriptor)
    try:
        return compile(b"".join(parts), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        done(b"c", describe(error))
        show(error, 1)
        flush()
        posix._exit(1)


def leave(status, namespace):
    """Ends this process as the interpreter would end it, but without taking its modules apart: nobody looks at
    them again, and in a fork each touch of one copies a page of memory."""
    threading = sys.modules.get("threading")
    try:
        if threading:
            threading._shutdown()  # waits for the threads that are no daemons
    except BaseException as error:
        show(error, 0)
    atexit._run_exitfuncs()
    # What the program holds has its finalizers run, which close its files for instance.
    namespace.clear()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            status = status or 120  # as the interpreter says that output was lost
    posix._exit(status & 255)


def status_of(leaving):
    """The exit status that SystemExit stands for; a message is printed, as the interpreter does."""
    if leaving.code is None:
        return 0
    if type(leaving.code) is int:
        return leaving.code
    flush()
    try:
        print(leaving.code, file=sys.stderr)
    except BaseException:
        pass
    return 1


def load(code, name, path):
    for own in OWN_MODULES:
        sys.modules.pop(own, None)
    module = type(sys)(name)
    namespace = module.__dict__
    module.__file__ = path
    module.__builtins__ = builtins
    sys.modules[name] = module
    try:
        exec(code, namespace)
    except SystemExit as leaving:
        status = status_of(leaving)
        done(b"x", str(status))
    except MemoryError as error:
        status = 1
        done(b"m")
        show(error, 1)
    except BaseException as error:
        status = 1
        done(b"e", describe(error))
        show(error, 1)
    else:
        return namespace
    leave(status, namespace)


def refusal(error):
    """An exception as data: names of its classes, so that the other side finds the nearest built-in."""
    names = [kind.__name__ for kind in type(error).__mro__[:20]]
    try:
        message = str(error)[:2000]
    except BaseException:
        message = ""
    return encode([names, message]).encode("ascii")


def answer(sequence, function, arguments, keywords):
    try:
        value = function(*arguments, **keywords)
    except SystemExit as leaving:
        status = status_of(leaving)
        done(b"x", str(status))
        leave(status, {})
    except BaseException as error:
        return b"E", sequence + refusal(error)
    try:
        return b"A", sequence + encode(value).encode("ascii")
    except NotPlain as reason:
        return b"N", sequence + str(reason).encode("utf-8", "replace")
    except BaseException as error:
        return b"N", sequence + ("could not be read: " + type(error).__name__).encode("utf-8", "replace")


def serve(namespace, names):
    functions = {name: namespace.get(name) for name in names}
    flush()
    write_frame(b"R", bytes(49 if callable(functions[name]) else 48 for name in names))
    while True:
        _, payload = read_frame()
        name, arguments, keywords = decode(payload[4:].decode("ascii"))
        frame = answer(payload[:4], functions[name], arguments, keywords)
        flush()
        write_frame(*frame)


def become(command):
    """Runs another program in place of this one; the channel is closed by that."""
    program = command[0]
    folders = [""] if "/" in program else [folder + "/" for folder in posix.environ[b"PATH"].decode().split(":")]
    reason = None
    for folder in folders:
        try:
            posix.execve(folder + program, command, posix.environ)
        except FileNotFoundError as error:
            reason = reason or error
        except OSError as error:
            reason = error
    # The statuses of a shell for a program that is not there, and for one that is no program.
    print("%s: %s" % (program, reason.strerror if reason else "not found"), file=sys.stderr, flush=True)
    posix._exit(127 if type(reason) is FileNotFoundError else 126)


def main():
    init = parse(read_frame()[1].decode("utf-8"))
    settle_in(init)
    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    write_files(init["files"])
    if init.get("command"):
        write_frame(b"S")
        become(init["command"])
    path = FOLDER + init["entry"]
    sys.path[0] = path[: path.rindex("/")]
    sys.path.extend(init["sitePaths"])
    sys.argv[:] = [path, *init["args"]]
    write_frame(b"S")
    code = compile_entry(path)
    if init["mode"] == "serve":
        serve(load(code, "candidate", path), init["names"])
    else:
        namespace = load(code, "__main__", path)
        done(b"x", "0")
        leave(0, namespace)


if __name__ == "__main__":
    announce()
    main()
