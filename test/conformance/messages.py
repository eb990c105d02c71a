"""Kafka messages as dictionaries: a second reader of src/wire/schema, slow and simple, for tests.

encode() fills what is not given with defaults and refuses names the schema lacks; decode() answers every field of the
version. UUIDs are hexadecimal text, bytes and records are bytes.
"""

import glob
import os
import struct
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))
import schema  # noqa: E402

NUMBERS = {"bool": ">?", "int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q", "float64": ">d"}
NO_UUID = "0" * 32


def _load():
    found = {}
    for path in glob.glob(os.path.join(ROOT, "src", "wire", "schema", "*.schema")):
        request, response = schema.Parser(path).parse()
        found["".join(word.capitalize() for word in request.api.split("_"))] = (request, response)
    return found


APIS = _load()
KEYS = {name: request.key for name, (request, _) in APIS.items()}


def _in(versions, version):
    return versions[0] <= version <= versions[1]


def default(field):
    if field.default == "null":
        return None
    if field.array:
        return []
    if field.element:
        return {}
    if field.default is not None:
        return field.default == "true" if field.type == "bool" else int(field.default)
    return {"bool": False, "string": "", "bytes": b"", "records": b"", "uuid": NO_UUID}.get(field.type, 0)


def uvarint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


class _Writer:
    def __init__(self, message, version):
        self.version, self.flexible = version, version >= message.flexible

    def size(self, size, layout):
        """Of something that may be null (None)."""
        if self.flexible:
            return uvarint(0 if size is None else size + 1)
        return struct.pack(layout, -1 if size is None else size)

    def sized(self, data, layout):
        return self.size(None if data is None else len(data), layout) + (data or b"")

    def value(self, field, value):
        if field.element:
            return self.fields(field.element, value)
        if field.type in NUMBERS:
            return struct.pack(NUMBERS[field.type], value)
        if field.type == "uuid":
            return bytes.fromhex(value)
        if field.type == "string":
            return self.sized(None if value is None else value.encode(), ">h")
        return self.sized(value, ">i")

    def whole(self, field, value):
        if field.optional:
            return b"\xff" if value is None else b"\1" + self.value(field, value)
        if not field.array:
            return self.value(field, value)
        count = None if value is None else len(value)
        return self.size(count, ">i") + b"".join(self.value(field, v) for v in value or [])

    def fields(self, described, values):
        unknown = set(values) - {f.name for f in described.fields}
        assert not unknown, f"{described.name} has no {unknown}"
        out, tags = b"", []
        for field in described.fields:
            if not _in(field.versions, self.version):
                continue
            value = values.get(field.name, default(field))
            if field.tag is None:
                out += self.whole(field, value)
            elif value != default(field):
                tags.append((field.tag, self.whole(field, value)))
        if not self.flexible:
            return out
        return out + uvarint(len(tags)) + b"".join(uvarint(tag) + uvarint(len(data)) + data
                                                   for tag, data in sorted(tags))


def encode(api, version, values):
    """The body of a request."""
    request = APIS[api][0]
    return _Writer(request, version).fields(request, values)


class _Reader:
    def __init__(self, message, version, data):
        self.version, self.flexible = version, version >= message.flexible
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), "the answer is cut off"
        self.at += size
        return self.data[self.at - size:self.at]

    def uvarint(self):
        n = shift = 0
        while True:
            byte = self.take(1)[0]
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    def size(self, layout):
        if self.flexible:
            return self.uvarint() - 1
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def sized(self, layout):
        size = self.size(layout)
        return None if size < 0 else bytes(self.take(size))

    def value(self, field):
        if field.element:
            return self.fields(field.element)
        if field.type in NUMBERS:
            return struct.unpack(NUMBERS[field.type], self.take(struct.calcsize(NUMBERS[field.type])))[0]
        if field.type == "uuid":
            return self.take(16).hex()
        if field.type == "string":
            text = self.sized(">h")
            return None if text is None else text.decode()
        return self.sized(">i")

    def whole(self, field):
        if field.optional:
            return self.value(field) if self.take(1)[0] < 128 else None
        if not field.array:
            return self.value(field)
        count = self.size(">i")
        return None if count < 0 else [self.value(field) for _ in range(count)]

    def fields(self, described):
        found = {}
        tagged = {}
        for field in described.fields:
            if not _in(field.versions, self.version):
                continue
            if field.tag is None:
                found[field.name] = self.whole(field)
            else:
                tagged[field.tag] = field
                found[field.name] = default(field)
        for _ in range(self.uvarint() if self.flexible else 0):
            tag, size = self.uvarint(), self.uvarint()
            end = self.at + size
            if tag in tagged:
                found[tagged[tag].name] = self.whole(tagged[tag])
                assert self.at == end, f"tag {tag} of {described.name}"
            self.at = end
        return found


def request_header(api, version, correlation, client_id):
    text = client_id.encode()
    header = struct.pack(">hhih", KEYS[api], version, correlation, len(text)) + text
    return header + (b"\0" if version >= APIS[api][0].flexible else b"")


def decode(api, version, frame, correlation):
    """A response without its length prefix; all of it must be used."""
    response = APIS[api][1]
    reader = _Reader(response, version, frame)
    got, = struct.unpack(">i", reader.take(4))
    assert got == correlation, f"correlation id {got}, expected {correlation}"
    if reader.flexible and api != "ApiVersions":  # KIP-511
        assert reader.uvarint() == 0, "tags in a response header"
    found = reader.fields(response)
    assert reader.at == len(frame), f"{len(frame) - reader.at} bytes too many in {api} {version}"
    return found
