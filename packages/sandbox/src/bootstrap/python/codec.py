"""Plain data as text that either side may read without trusting the other.

JSON whose arrays begin with a tag: l list, t tuple, s set, z frozenset, d dict (key, value, ...),
b bytes (hex), c complex, f float that JSON lacks, i int beyond 64 bits (hex). A subclass is
flattened to the data of its base. The parser is the C scanner of `json`, used directly because
importing `json` costs a third of the interpreter's start.
"""

from _json import encode_basestring_ascii as _quote
from _json import make_scanner as _make_scanner

MAX_DEPTH = 100
MAX_BYTES = 4194304
_MAX_ITEMS = 1000000


class NotPlain(Exception):
    """A value that is not plain data, or text that is not of this form."""


def _refuse(text):
    raise NotPlain("malformed data: " + text)


class _Context:
    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = _refuse


_scan = _make_scanner(_Context)


def parse(text):
    """A whole JSON text."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        raise NotPlain("malformed data") from None
    except (ValueError, RecursionError, SystemError):
        # SystemError is how the scanner says that it found `json.decoder`, the home of its own
        # exception, not imported.
        raise NotPlain("malformed data") from None
    if end != len(text):
        raise NotPlain("malformed data: something follows it")
    return value


class _Encoder:
    def __init__(self):
        self.items = 0

    def many(self, tag, values, depth):
        if depth > MAX_DEPTH:
            raise NotPlain("is nested deeper than %d levels" % MAX_DEPTH)
        parts = [tag]
        one = self.one
        for value in values:
            kind = type(value)
            if kind is str:
                parts.append(_quote(value))
            else:
                parts.append(one(value, depth))
        self.items += len(parts)
        if self.items > _MAX_ITEMS:
            raise NotPlain("has more than %d items" % _MAX_ITEMS)
        return "[" + ",".join(parts) + "]"

    def one(self, value, depth):
        kind = type(value)
        if value is None:
            return "null"
        if kind is bool:
            return "true" if value else "false"
        if issubclass(kind, int):
            value = int.__add__(value, 0)
            if -(1 << 63) <= value < (1 << 63):
                return int.__repr__(value)
            return '["i","%s"]' % int.__format__(value, "x")
        if issubclass(kind, float):
            text = float.__repr__(value)
            return '["f","%s"]' % text if text in ("inf", "-inf", "nan") else text
        if issubclass(kind, str):
            return _quote(str.__getitem__(value, slice(None)))
        if issubclass(kind, list):
            return self.many('"l"', list.__getitem__(value, slice(None)), depth + 1)
        if issubclass(kind, tuple):
            return self.many('"t"', tuple.__getitem__(value, slice(None)), depth + 1)
        if issubclass(kind, dict):
            flat = [part for pair in dict.items(value) for part in pair]
            return self.many('"d"', flat, depth + 1)
        if issubclass(kind, set):
            return self.many('"s"', list(set.__iter__(value)), depth + 1)
        if issubclass(kind, frozenset):
            return self.many('"z"', list(frozenset.__iter__(value)), depth + 1)
        if issubclass(kind, bytes):
            return '["b","%s"]' % bytes.hex(value)
        if issubclass(kind, complex):
            parts = complex.real.__get__(value), complex.imag.__get__(value)
            return '["c",%s,%s]' % (self.one(parts[0], depth), self.one(parts[1], depth))
        raise NotPlain("holds a value of type %s" % type.__dict__["__name__"].__get__(kind))


def encode(value):
    """The text of a value. Raises NotPlain."""
    text = _Encoder().one(value, 0)
    if len(text) > MAX_BYTES:
        raise NotPlain("is larger than %d bytes" % MAX_BYTES)
    return text


def _build(value, depth):
    kind = type(value)
    if kind is not list:
        if kind is dict:
            raise NotPlain("malformed data: an object")
        return value
    if depth > MAX_DEPTH:
        raise NotPlain("is nested deeper than %d levels" % MAX_DEPTH)
    if not value:
        raise NotPlain("malformed data: no tag")
    tag = value[0]
    if tag == "l":
        return [item if type(item) is not list else _build(item, depth + 1) for item in value[1:]]
    if tag == "t":
        return tuple([_build(item, depth + 1) for item in value[1:]])
    if tag == "d":
        parts = [_build(item, depth + 1) for item in value[1:]]
        if len(parts) % 2:
            raise NotPlain("malformed data: a key without value")
        return dict(zip(parts[::2], parts[1::2]))
    if tag == "s":
        return {_build(item, depth + 1) for item in value[1:]}
    if tag == "z":
        return frozenset([_build(item, depth + 1) for item in value[1:]])
    if len(value) == 2 and type(value[1]) is str:
        if tag == "i":
            return int(value[1], 16)
        if tag == "b":
            return bytes.fromhex(value[1])
        if tag == "f" and value[1] in ("inf", "-inf", "nan"):
            return float(value[1])
    if tag == "c" and len(value) == 3:
        return complex(_build(value[1], depth + 1), _build(value[2], depth + 1))
    raise NotPlain("malformed data: unknown tag")


def decode(text):
    """The value of a text that may be hostile. Raises NotPlain."""
    tree = parse(text)
    try:
        return _build(tree, 0)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise NotPlain("malformed data: %s" % type(error).__name__) from None
