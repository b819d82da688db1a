"""Runs a check program in a sandbox that the candidate never enters.

`candidate` is a proxy: a call leaves as plain data and comes back as plain data. The verdict is one
record on descriptor 4; without it there is none.
"""

import builtins
import posix
import sys

from _json import encode_basestring_ascii as quote
from channel import announce, read_frame, settle_in, write_all, write_frame
from codec import NotPlain, decode, encode, parse
from prelude import needed

RECORD = 4
EVIDENCE_CHARACTERS = 3500


class CandidateError(Exception):
    """An exception of the candidate whose class is no built-in one."""


class CandidateData(BaseException):
    """What the candidate returned is not plain data. Not an Exception: a check cannot swallow it."""


class CheckFault(BaseException):
    """The check program did something that no candidate can answer for."""


class Proxy:
    """State of the conversation with the candidate."""

    def __init__(self, entry_point):
        self.entry_point = entry_point
        self.calls = 0
        self.answered = 0
        self.last = None

    def call(self, arguments, keywords):
        try:
            payload = encode([self.entry_point, list(arguments), keywords])
        except NotPlain as reason:
            raise CheckFault("an argument of the call %s" % reason) from None
        self.calls += 1
        self.last = (arguments, keywords, lambda: "gave no answer")
        write_frame(b"Q", payload.encode("ascii"))
        kind, answer = read_frame()
        self.answered += 1
        try:
            value = decode(answer.decode("ascii"))
            if kind == b"E":
                error = self.exception(value)
        except (NotPlain, UnicodeDecodeError) as reason:
            raise CandidateData("returned a value that is not plain data: %s" % reason) from None
        if kind == b"E":
            self.last = (arguments, keywords, lambda: "raised %s" % type(error).__name__)
            raise error
        self.last = (arguments, keywords, lambda: "returned " + show(value, 800))
        return value

    def exception(self, value):
        if type(value) is not list or len(value) != 2 or type(value[0]) is not list or type(value[1]) is not str:
            raise NotPlain("malformed exception")
        names, message = value
        for name in names:
            kind = getattr(builtins, name, None) if type(name) is str else None
            if isinstance(kind, type) and issubclass(kind, Exception):
                if kind is Exception and names[0] != "Exception":
                    break
                error = kind.__new__(kind)
                error.args = (message,)
                return error
        return CandidateError("%s: %s" % (str(names[0])[:100] if names else "unknown", message))


def shorten(text, limit):
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show(value, limit):
    try:
        text = repr(value)
    except BaseException as error:
        text = "<%s>" % type(error).__name__
    return shorten(text, limit)


def last_call(proxy):
    if proxy.last is None:
        return ""
    arguments, keywords, result = proxy.last
    parts = [show(value, 600) for value in arguments]
    parts += ["%s=%s" % (name, show(value, 200)) for name, value in keywords.items()]
    return "\nlast call: %s(%s) %s" % (proxy.entry_point, shorten(", ".join(parts), 1200), result())


def evidence(error, sources, proxy):
    trace, place = error.__traceback__, ""
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if name in sources:
            lines = sources[name].split("\n")
            line = lines[trace.tb_lineno - 1].strip() if trace.tb_lineno <= len(lines) else ""
            place = "\n%s, line %d: %s" % (name, trace.tb_lineno, shorten(line, 600))
        trace = trace.tb_next
    message = shorten(str(error), 600)
    return type(error).__name__ + (": " + message if message else "") + place + last_call(proxy)


def judge(init, proxy):
    sources = {"<prelude>": init["prelude"], "<check>": init["source"]}

    def candidate(*arguments, **keywords):
        return proxy.call(arguments, keywords)

    candidate.__name__ = candidate.__qualname__ = init["entryPoint"]
    try:
        code = compile(init["source"], "<check>", "exec", dont_inherit=True)
        prelude = needed(init["prelude"], code, (init["entryPoint"], "candidate"))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "error", "the check program does not compile: %s: %s" % (type(error).__name__, error)
    module = type(sys)("check")
    namespace = module.__dict__
    namespace["__builtins__"] = builtins
    sys.modules["check"] = module
    try:
        if prelude is not None:
            exec(prelude, namespace)
        namespace["candidate"] = namespace[init["entryPoint"]] = candidate
        exec(code, namespace)
        check = namespace.get("check")
        if callable(check) and check is not candidate:
            check(candidate)
    except CandidateData as reason:
        return "fail", str(reason) + last_call(proxy)
    except CheckFault as reason:
        return "error", "the check program: %s" % reason
    except SystemExit:
        return "error", "the check program exited; it has to return or raise"
    except BaseException as error:
        # Before the first answer nothing of the candidate's can have caused it.
        return ("fail" if proxy.answered else "error"), evidence(error, sources, proxy)
    if proxy.calls == 0:
        return "error", "the check program never called the candidate"
    return "pass", ""


def main():
    init = parse(read_frame()[1].decode("utf-8"))
    settle_in(init)
    posix.set_inheritable(RECORD, False)
    write_frame(b"S")
    sys.path[0] = "/tmp/work"
    sys.path.extend(init["sitePaths"])
    proxy = Proxy(init["entryPoint"])
    verdict, why = judge(init, proxy)
    fields = (
        '"nonce":%s' % quote(init["nonce"]),
        '"candidateSha256":%s' % quote(init["candidateSha256"]),
        '"checkId":%s' % quote(init["checkId"]),
        '"verdict":"%s"' % verdict,
        '"evidence":%s' % quote(shorten(why, EVIDENCE_CHARACTERS)),
        '"calls":%d' % proxy.calls,
        '"answered":%d' % proxy.answered,
    )
    write_all(RECORD, ("{%s}\n" % ",".join(fields)).encode("ascii"))
    posix._exit(0)


if __name__ == "__main__":
    announce()
    main()
