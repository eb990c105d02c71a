"""What a benchmark leaves behind: tables, where it was measured, and its section of docs/performance.md."""

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time

import measure
import mirror

DOCS = os.path.join(mirror.ROOT, "docs")
LOOK_AROUND_S = 2


def said(pattern, *command):
    """What a program says of itself: the first group of `pattern` in its output; "none" where there is no program."""
    if shutil.which(command[0]) is None:
        return "none"
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    found = re.search(pattern, done.stdout)
    return found.group(1) if found else "?"


def _found(path, pattern):
    with open(path, encoding="utf-8") as f:
        return re.search(pattern, f.read()).group(1)


def command_line(program, target):
    """What makes the same report again: `make TARGET`, or the program with its options."""
    words = [word for word in sys.argv[1:] if word != "--document"]
    return f"python3 test/bench/{program}.py " + shlex.join(words) if words else f"make {target}"


def environment(command, **more):
    """What the figures depend on, besides the programs themselves."""
    memory_gib = int(_found("/proc/meminfo", r"MemTotal:\s+(\d+) kB")) / 2**20
    return {
        "command": command,
        "machine": f"{os.cpu_count()} cores of {_found('/proc/cpuinfo', 'model name.*: (.*)')}, {memory_gib:.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "odraz": said("(.*)", mirror.PROGRAM, "version"),
        **more,
    }


def others():
    """What else runs on this machine, and its host: asked before anything of ours does."""
    before = measure.machine_seconds()
    time.sleep(LOOK_AROUND_S)
    cores = (sum(measure.machine_seconds()) - sum(before)) / LOOK_AROUND_S
    quiet = "quiet" if cores < measure.QUIET_CORES else "NOT quiet: figures are not to be quoted"
    return f"{cores:.2f} cores were busy when it began: {quiet}"


def java_version():
    """What brokers and MirrorMaker run on."""
    return said("(.*)", "java", "-version")


def surroundings(around):
    """The environment as a list."""
    return "\n".join(f"- {key}: {f'`{value}`' if key == 'command' else value}" for key, value in around.items())


def table(columns, rows):
    """Markdown of `columns`, pairs of a heading and what it shows of a row; the first column is a name."""
    texts = [[head for head, _ in columns]] + [[show(row) for _, show in columns] for row in rows]
    widths = [max(len(text[i]) for text in texts) for i in range(len(columns))]
    lines = ["| " + " | ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(text, widths))) +
             " |" for text in texts]
    lines.insert(1, "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|")
    return "\n".join(lines)


def replaced(text, name, section):
    """`text` with what stands between the marks of `name` replaced."""
    begin, end = f"<!-- {name}: measured -->\n", f"<!-- {name}: end -->\n"
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    return before + begin + "\n" + section.strip() + "\n\n" + end + after


def write(name, made, section):
    """Puts a measured section into docs/performance.md, and what it was made of next to it."""
    path = os.path.join(DOCS, "performance.md")
    with open(path, encoding="utf-8") as f:
        text = replaced(f.read(), name, section)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.makedirs(os.path.join(DOCS, "performance"), exist_ok=True)
    with open(os.path.join(DOCS, "performance", name + ".json"), "w", encoding="utf-8") as f:
        json.dump(made, f, indent=1)
        f.write("\n")
