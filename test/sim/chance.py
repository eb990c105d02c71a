#!/usr/bin/env python3
"""Mutants that nobody chose: every small change of the core that this file knows, in an order drawn once.

`chance.py [--first N] [--count N] [--seconds N] [--build FOLDER] [--show]` judges some of them as mutants.py judges
those in the list. A survivor is a change that cannot be seen, or a hole in the simulator: somebody has to read it.
"""

import argparse
import glob
import os
import random
import re
import resource
import sys
from typing import NamedTuple

import mutants

ROOMS = ("src/mirror", "src/client")
SEED = 20261129
MEMORY_MAX = 4 << 30
# An assertion or a line of the log is nobody's rule; a declaration that goes does not compile.
PASSED_OVER = re.compile(r"^\s*(//|#|assert\(|RARE\(|log_line\(|case |default:|static_assert|\"|\*/?\s)")
DECLARES = re.compile(r"^\s*(static |const |struct |enum |union |u?int\d*_t |size_t |bool |char |int |double |void )")
STATEMENT = re.compile(r"^\s+[a-z_][^;{}]*;( +//.*)?$")
COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}


class Change(NamedTuple):
    """One line of one file, and what takes its place."""

    file: str
    line: int
    before: str
    after: str


def replaced(line, found, text):
    """The line with `text` in place of the match."""
    return line[:found.start()] + text + line[found.end():]


def tokens(line):
    """The line, with one token changed each time."""
    for found in re.finditer(r"(?<= )(<=|>=|==|!=|<|>)(?= )", line):
        yield replaced(line, found, COMPARISONS[found.group()])
    for found in re.finditer(r"(?<= )(&&|\|\|)(?= )", line):
        yield replaced(line, found, "||" if found.group() == "&&" else "&&")
    for found in re.finditer(r"(?<= )[+-](?= )", line):
        yield replaced(line, found, "-" if found.group() == "+" else "+")
    for found in re.finditer(r" [+-] 1\b(?!\.)", line):
        yield replaced(line, found, "")
    for found in re.finditer(r"(?<![\w.\"%])(\d{1,3})(?![\w.\"])", line):
        yield replaced(line, found, str(int(found.group()) + 1))
    for found in re.finditer(r"\b(true|false)\b", line):
        yield replaced(line, found, "false" if found.group() == "true" else "true")
    for found in re.finditer(r"(?<=[(= ])!(?=[a-z(])", line):
        yield replaced(line, found, "")


def conditions(line):
    """The line, with its condition always or never true, or without one of its terms."""
    found = re.match(r"^(\s*(?:\} else |else )?(?:if|while) \()(.*)(\)(?: \{| [a-z].*;)(?: +//.*)?)$", line)
    if not found or found.group(2).count("(") != found.group(2).count(")"):
        return
    before, condition, rest = found.groups()
    yield f"{before}({condition}) || 1{rest}"
    yield f"{before}({condition}) && 0{rest}"
    for word in (" && ", " || "):
        terms = condition.split(word)
        if len(terms) > 1 and all(t.count("(") == t.count(")") for t in terms):
            yield from (before + word.join(terms[:i] + terms[i + 1:]) + rest for i in range(len(terms)))


def changes_of(file):
    """Each change of one file. Bodies of functions begin with a `{` at the end of a line without indent."""
    inside = False
    with open(os.path.join(mutants.ROOT, file), encoding="utf-8") as f:
        lines = f.read().split("\n")
    for number, line in enumerate(lines):
        if re.match(r"^[a-z].*\) \{$|^ {8,}.*\) \{$", line) and not inside:
            inside = True
            continue
        inside = inside and line != "}"
        if not inside or PASSED_OVER.match(line):
            continue
        made = list(tokens(line)) + list(conditions(line))
        if STATEMENT.match(line) and not DECLARES.match(line) and not line.lstrip().startswith(("return", "goto")):
            made.append(line[:len(line) - len(line.lstrip())] + ";")
        yield from (Change(file, number, line, after) for after in made)


def all_changes():
    """Of all rooms, in an order that is the same each time the tree is."""
    files = sorted(os.path.relpath(p, mutants.ROOT) for room in ROOMS
                   for p in glob.glob(os.path.join(mutants.ROOT, room, "*.c")))
    changes = [change for file in files for change in changes_of(file)]
    random.Random(SEED).shuffle(changes)
    return changes


def judge(copy, change, seconds):
    """The verdict, and by whom."""
    path = os.path.join(copy.tree, change.file)
    with open(path, encoding="utf-8") as f:
        whole = f.read()
    lines = whole.split("\n")
    assert lines[change.line] == change.before
    lines[change.line] = change.after
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(lines))
    try:
        if not copy.make():
            return "UNBUILT", "", 0, ""
        program, ran, killer = mutants.hunt(copy, seconds)
        return ("killed" if killer else "SURVIVED"), program, ran, killer or ""
    finally:
        with open(path, "w", encoding="utf-8") as f:
            f.write(whole)


def main():
    """Judges some changes, one line each."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    arguments.add_argument("--first", type=int, default=0)
    arguments.add_argument("--count", type=int, default=100)
    arguments.add_argument("--seconds", type=int, default=15, help="of processor time for the seeds of one mutant")
    arguments.add_argument("--build", default="build-chance", metavar="FOLDER")
    arguments.add_argument("--show", action="store_true", help="only print them")
    options = arguments.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))  # some never end
    changes = all_changes()
    print(f"{len(changes)} changes", flush=True)
    copy = None if options.show else mutants.Copy(os.path.join(mutants.ROOT, options.build, "0"))
    counts = {}
    for number, change in list(enumerate(changes))[options.first:options.first + options.count]:
        verdict, program, ran, killer = ("", "", 0, "") if options.show else judge(copy, change, options.seconds)
        counts[verdict] = counts.get(verdict, 0) + 1
        print(f"{number:5} {verdict:9} {change.file}:{change.line + 1} | {change.before.strip()} | "
              f"{change.after.strip()} | {program} {ran} | {killer}"[:400], flush=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
