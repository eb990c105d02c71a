"""The habits of the house that can be read off the texts. A rule yields (path, line, what is wrong)."""

import ast
import re

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 600
COLUMNS_MAX = 120

CODE = ("c", "h", "py", "sh")
LONG_BY_NATURE = re.compile(r"(^|/)(vectors|generated)/")
BANNED_CALLS = {
    "strcpy": "the size is unknown: memcpy or snprintf",
    "strcat": "the size is unknown: struct buffer",
    "sprintf": "the size is unknown: snprintf",
    "vsprintf": "the size is unknown: vsnprintf",
    "gets": "the size is unknown: fgets",
    "strtok": "hidden state: a loop over struct bytes",
    "atoi": "errors are not seen: strtol and a look at its end",
    "atol": "errors are not seen: strtol and a look at its end",
    "atof": "errors are not seen: strtod and a look at its end",
    "alloca": "the stack has no limit that can be named: struct arena",
    "rand": "not to be replayed: struct prng",
    "srand": "not to be replayed: struct prng",
    "system": "a shell in between: nothing here needs one",
}
BANNED = re.compile(r"\b(" + "|".join(BANNED_CALLS) + r")\s*\(")
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# Folders of a developer's machine. Tests make their folders with tempfile or mkdtemp.
# Kafka's own default of log.dir is nobody's folder.
MACHINE_PATH = re.compile(r"(?<![\w./~$}-])/(?!tmp/kafka-logs\b)(work|home|root|tmp|Users)(/[\w.-]|\b(?![/\w-]))")
MACHINE_PATH_ALLOWED = re.compile(r"mkdtemp|mkstemp|XXXXXX")
HOST = re.compile(r"\bhttps?://([^/\s:\"'<>)`\]}]+)")
INNER_HOST = re.compile(r"\b[\w-]+(\.[\w-]+)*\.(internal|intranet|corp|lan)(:\d|/)")
PUBLIC_HOSTS = re.compile(
    r"^(([\w-]+\.)*(apache\.org|github\.com|debian\.org|prometheus\.io|ietf\.org|rfc-editor\.org|w3\.org|semver\.org"
    r"|openssl\.org|kernel\.org|json\.org)|([\w-]+\.)*example(\.com|\.org|\.net)?|localhost|127\.0\.0\.1|\[::1\]"
    r"|%s|\$.*|\{.*)$")


def kinds(sources, *wanted):
    """Those of some kinds."""
    return [s for s in sources if s.kind in wanted]


def matches(source, pattern, text=None):
    """(line, match) of every place where the pattern stands."""
    return [(source.line_of(m.start()), m) for m in pattern.finditer(source.text if text is None else text)]


def function_length(sources):
    """A function has at most 70 lines."""
    for s in kinds(sources, "c", "h", "py"):
        for name, first, last in s.functions():
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield s.path, first, f"{name}() has {last - first + 1} lines, at most {FUNCTION_LINES_MAX}"


def file_length(sources):
    """A file has at most 600 lines."""
    for s in kinds(sources, *CODE, "schema"):
        if len(s.lines) > FILE_LINES_MAX and not LONG_BY_NATURE.search(s.path):
            yield s.path, FILE_LINES_MAX + 1, f"the file has {len(s.lines)} lines, at most {FILE_LINES_MAX}"


def line_width(sources):
    """A line has at most 120 columns."""
    for s in kinds(sources, *CODE, "schema", "cmake", "make"):
        if LONG_BY_NATURE.search(s.path):
            continue
        for i, line in enumerate(s.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield s.path, i, f"the line has {len(line)} columns, at most {COLUMNS_MAX}"


def white_space(sources):
    """No tabs but where make wants them, no blanks at the end of a line, a newline at the end of a file."""
    for s in kinds(sources, *CODE, "schema", "cmake", "make", "md"):
        for i, line in enumerate(s.lines, 1):
            if "\t" in line and s.kind != "make":
                yield s.path, i, "a tab; 4 spaces"
            if line != line.rstrip():
                yield s.path, i, "blanks at the end of the line"
        if s.text and not s.text.endswith("\n"):
            yield s.path, len(s.lines), "no newline at the end of the file"


def banned_calls(sources):
    """Some functions of the C library are traps."""
    for s in kinds(sources, "c", "h"):
        for line, m in matches(s, BANNED, s.code):
            yield s.path, line, f"{m.group(1)}(): {BANNED_CALLS[m.group(1)]}"


def jumps_in_macros(sources):
    """A macro hides no goto."""
    define = re.compile(r"^[ \t]*#[ \t]*define\b(?:\\\n|[^\n])*\bgoto\b", re.MULTILINE)
    for s in kinds(sources, "c", "h"):
        for line, _ in matches(s, define, s.code):
            yield s.path, line, "goto inside a macro"


def opening(sources):
    """A file opens with a sentence that says what it is for."""
    for s in kinds(sources, *CODE):
        if len(re.findall(r"\w+", opening_words(s))) < 3:
            yield s.path, 1, "the file does not open with a sentence saying what it is for"


def opening_words(source):
    """The text of the comment or docstring at the top."""
    if source.kind in ("c", "h"):
        m = re.match(r"((//[^\n]*\n)+|/\*.*?\*/)", source.text, re.DOTALL)
        return m.group() if m else ""
    if source.kind == "py":
        try:
            return ast.get_docstring(ast.parse(source.text)) or ""
        except SyntaxError:
            return ""
    m = re.match(r"(#![^\n]*\n)?((#[^\n]*\n)+)", source.text)
    return m.group(2) if m else ""


def pragma_once(sources):
    """A header is read once."""
    for s in kinds(sources, "h"):
        if not re.search(r"^#pragma once$", s.text, re.MULTILINE):
            yield s.path, 1, "no #pragma once"


def nothing_for_later(sources):
    """What is not done is not in the code."""
    for s in kinds(sources, *CODE, "schema", "cmake", "make"):
        for line, m in matches(s, LATER):
            yield s.path, line, f"{m.group()}: do it now, or write an issue"


def machine_paths(sources):
    """Nothing names a folder of the machine it was written on."""
    for s in sources:
        for line, m in matches(s, MACHINE_PATH):
            if not MACHINE_PATH_ALLOWED.search(s.lines[line - 1]):
                yield s.path, line, f"{m.group()}: a path of somebody's machine"


def hosts(sources):
    """Public addresses only: no registry, proxy or host of somebody's network."""
    for s in sources:
        for line, m in matches(s, HOST):
            if not PUBLIC_HOSTS.match(m.group(1)):
                yield s.path, line, f"{m.group(1)}: not one of the public hosts in test/tidy/rules.py"
        for line, m in matches(s, INNER_HOST):
            yield s.path, line, f"{m.group()}: a host of somebody's network"


def commands_explained(sources):
    """Every target of make is explained in HACKING.md."""
    texts = {s.path: s for s in sources}
    if "HACKING.md" not in texts or "Makefile" not in texts:
        yield "HACKING.md", 1, "HACKING.md and Makefile must both exist"
        return
    for line, m in matches(texts["Makefile"], re.compile(r"^([a-z][\w-]*):", re.MULTILINE)):
        word = "make" if m.group(1) == "all" else "make " + m.group(1)
        if not re.search(r"`" + word + r"[`\s]", texts["HACKING.md"].text):
            yield "Makefile", line, f"`{word}` is not explained in HACKING.md"


RULES = (function_length, file_length, line_width, white_space, banned_calls, jumps_in_macros, opening, pragma_once,
         nothing_for_later, machine_paths, hosts, commands_explained)
