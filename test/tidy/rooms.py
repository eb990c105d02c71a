"""Who may know whom: include directions between the rooms of src/, and what the archives really call (nm)."""

import os
import re
import subprocess

# Drawn like the table in docs/ARCHITECTURE.md: a room may include itself and those named here.
MAY_INCLUDE = {
    "base":   (),
    "wire":   ("base",),
    "client": ("wire", "base"),
    "mirror": ("client", "wire", "base"),
    "broker": ("wire", "base"),
    "io":     ("client", "base"),
    "ops":    ("mirror", "base"),
    "app":    ("ops", "io", "broker", "mirror", "client", "wire", "base"),
}
PURE = ("base", "wire", "client", "mirror", "broker")
# Memory, strings and arithmetic; nothing that asks a kernel, a clock or a locale. abort and __assert_fail end a program
# that found its own mistake.
PURE_SYMBOLS = re.compile(
    r"^(malloc|calloc|realloc|free|aligned_alloc|mem\w+|str(?!tok|ftime|ptime|error|coll|xfrm)\w+|v?snprintf|qsort"
    r"|bsearch|abort|__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__errno_location|__cpu_model|__popcountdi2"
    r"|pcre2_\w+|ZSTD_\w+|LZ4F?_\w+|snappy_\w+|crc32_iscsi|(in|de)flate\w*)$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)


def room_of(path):
    """The room of a path below src/, or None."""
    m = re.match(r"src/(\w+)/", path)
    return m.group(1) if m else None


def directions(sources):
    """A room includes only what is below it, by its path from src/; a private header stays in its folder."""
    paths = {s.path for s in sources}
    for s in sources:
        if s.kind not in ("c", "h"):
            continue
        room = room_of(s.path)
        for m in INCLUDE.finditer(s.text):
            wrong = include_wrong(s.path, room, m.group(1), paths)
            if wrong:
                yield s.path, s.line_of(m.start()), f'"{m.group(1)}": {wrong}'


def include_wrong(path, room, name, paths):
    """Why a file must not include that, or None."""
    folder = os.path.dirname(path)
    target = "src/" + name
    if room is None:  # tests: any room, or what stands beside them below test/
        target = target if room_of(target) in MAY_INCLUDE else None
    elif room_of(target) is None:
        return "not a path from src/"
    elif room not in MAY_INCLUDE:
        return f"src/{room} is not a room of test/tidy/rooms.py"
    elif room_of(target) not in (room, *MAY_INCLUDE[room]):
        return f"{room} may include only {', '.join((room, *MAY_INCLUDE[room]))}"
    if target and target not in paths and name != "wire/messages.h":
        return "no such file"
    if name.endswith("_private.h") and (target is None or os.path.dirname(target) != folder):
        return "a private header is for its own folder"
    return None


def symbols(archive, *options):
    """(member or object, symbol) as nm lists them; weak ones that nobody needs are not undefined."""
    listing = subprocess.run(["nm", "-A", "-P", *options, archive], capture_output=True, text=True, check=True).stdout
    found = []
    for line in listing.splitlines():
        m = re.match(r"(?:.*\[)?([^\]]+?)\]?: (\S+) ([A-Za-z])", line)
        if m and m.group(3) not in "wv":
            found.append((m.group(1), m.group(2)))
    return found


def exports_used(build):
    """What a file of src/ offers to others is used by another one, or by a test; else it is static, or dead."""
    objects = [os.path.join(folder, name) for folder, _, names in os.walk(build)
               for name in sorted(names) if name.endswith(".o")]
    used = set()
    for path in objects:
        used |= {name for _, name in symbols(path, "--undefined-only")}
    for path in objects:
        m = re.search(r"/(src/.*)\.o$", path)
        for name in [name for _, name in symbols(path, "--defined-only", "-g")] if m else ():
            if name not in used and name != "main":
                yield m.group(1), 0, f"{name} is used by no other file: make it static, or let it go"


def purity(build, rooms=None):
    """The pure rooms call nothing but memory, strings, the chosen libraries, and the rooms below them."""
    present = [room for room in rooms or PURE if os.path.exists(os.path.join(build, f"lib{room}.a"))]
    if not present:
        yield build, 0, "no archive of a pure room was built: nothing could be looked at"
    for room in present:
        known = set()
        for below in (room, *MAY_INCLUDE[room]):
            archive = os.path.join(build, f"lib{below}.a")
            if os.path.exists(archive):
                known |= {name for _, name in symbols(archive, "--defined-only", "-g")}
        for member, name in symbols(os.path.join(build, f"lib{room}.a"), "--undefined-only"):
            if name not in known and not PURE_SYMBOLS.match(name):
                path = f"src/{room}/{re.sub(r'[.]o$', '', member)}"
                yield path, 0, f"calls {name}(): neither memory nor strings (test/tidy/rooms.py), nor of a room below"
