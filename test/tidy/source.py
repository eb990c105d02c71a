"""Reads the repository's own texts for the rules: which files there are, C without comments, where functions begin."""

import ast
import os
import re

SKIPPED_FOLDERS = re.compile(r"^(build.*|\.git|__pycache__|\..*cache)$")
# Comments, strings and characters of C, in the order in which they win.
C_TOKENS = re.compile(r'//(?:\\\n|[^\n])*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


class Source:
    """One text file of the repository; `path` is relative to its root."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.lines = self.text.splitlines()
        self.kind = kind_of(path, self.text)
        self._code = None

    @property
    def code(self):
        """C with comments, strings and characters blanked; lines and columns stay where they are."""
        if self._code is None:
            self._code = C_TOKENS.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), self.text)
        return self._code

    def line_of(self, place):
        """1-based line of a place in the text."""
        return self.text.count("\n", 0, place) + 1

    def functions(self):
        """(name, first line, last line) of each function."""
        if self.kind in ("c", "h"):
            return c_functions(self.code)
        if self.kind == "py":
            return python_functions(self.text)
        return []


def kind_of(path, text):
    """c, h, py, sh, cmake, schema, make, md or other."""
    name = os.path.basename(path)
    extension = os.path.splitext(name)[1][1:]
    if name == "CMakeLists.txt":
        return "cmake"
    if name == "Makefile":
        return "make"
    if extension in ("c", "h", "py", "sh", "cmake", "schema", "md"):
        return extension
    first = text.split("\n", 1)[0]
    if first.startswith("#!"):
        return "py" if "python" in first else "sh"
    return "other"


def repository(root):
    """All texts of the repository, committed or not; a file with a NUL byte is no text."""
    sources = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(f for f in folders if not SKIPPED_FOLDERS.match(f))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) or name.endswith(".pyc") or name == ".git":  # a file in git's further work trees
                continue
            with open(path, "rb") as f:
                if b"\0" in f.read(4096):
                    continue
            sources.append(Source(root, os.path.relpath(path, root)))
    return sources


def c_functions(code):
    """A function is what stands before a brace at depth 0 and ends with a parenthesis (attributes may follow)."""
    functions, depth, begin, head_begin = [], 0, None, 0
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: re.sub(r"[^\n]", " ", m.group()), code, flags=re.MULTILINE)
    for m in re.finditer(r"[{};]", code):
        if m.group() == "{":
            if depth == 0:
                begin = function_head(code, head_begin, m.start())
            depth += 1
        elif m.group() == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                if begin:
                    functions.append((begin[0], code.count("\n", 0, begin[1]) + 1, code.count("\n", 0, m.start()) + 1))
                begin, head_begin = None, m.end()
        elif depth == 0:
            head_begin = m.end()
    return functions


def function_head(code, begin, end):
    """(name, place) when the text between the last declaration and a brace is the head of a function."""
    head = code[begin:end]
    if re.match(r"\s*(typedef\s+)?(struct|union|enum)\s*\w*\s*$", head) or "=" in head:
        return None
    m = re.search(r"(\w+)\s*\(", re.sub(r"__attribute__\s*\(\(.*?\)\)", lambda a: " " * len(a.group()), head))
    return (m.group(1), begin + len(head) - len(head.lstrip())) if m else None


def python_functions(text):
    """Nested functions count for themselves and for those around them."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    return [(node.name, node.lineno, node.end_lineno) for node in ast.walk(tree)
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
