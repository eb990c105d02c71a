#!/usr/bin/env python3
"""Shows that each rule of the house catches what it is for: plants one violation after the other in a small tree."""

import os
import subprocess
import sys
import tempfile

import rooms
import rules
import source
import tidy

SLASH, LATER = "/", "TO" + "DO"  # written so that the rules do not find this file

# A tree in which every rule holds.
CLEAN = {
    "Makefile": "# The words.\nall: x\n\trun\nbench: x\n\trun\n",
    "HACKING.md": "`make` builds, `make bench` measures. See https://kafka.apache.org/x\n",
    "src/base/list.h": "// Lists that need no memory.\n#pragma once\n#define FOREVER for (;;)\n",
    "src/wire/frame.c": '// Frames of the Kafka protocol.\n#include "base/list.h"\n#include "wire/frame_private.h"\n'
                        "int f(void) {\n    return 1;  // strcpy(a) and goto are fine here\n}\n",
    "src/wire/frame_private.h": '// Only for the frames themselves.\n#pragma once\nconst char *text = "gets(x)";\n',
    "test/unit/frame_test.c": '// Tests the frames, all of them.\n#include "wire/frame.h"\n#include "unit/test.h"\n'
                              '#include "wire/messages.h"\nint path = mkdtemp("' + SLASH + 'tmp/x-XXXXXX");\n',
    "src/wire/frame.h": "// Frames, as others see them.\n#pragma once\n",
    "tools/show.py": '#!/usr/bin/env python3\n"""Shows something to a person."""\n\n\ndef f():\n    return 1\n',
    "tools/run": "#!/bin/sh\n# Runs something for a person.\nrun ./work/x ~/home/y\n",
}
BODY = "    g();\n"
HEAD = "// Something for the rule to find.\n"

# rule, planted file, its text, the line that must be named
PLANTED = [
    (rules.function_length, "src/base/a.c", HEAD + "static int *f(\n    int a) {\n" + BODY * 68 + "}\n", 2),
    (rules.function_length, "src/io/a.c", HEAD + "#define {\nint a(void) {\n}\nint f(void) {\n" + BODY * 69 + "}\n", 5),
    (rules.function_length, "tools/a.py", '"""Something to be found."""\n\ndef f():\n' + "    g()\n" * 70, 3),
    (rules.file_length, "src/base/a.c", HEAD + "int a;\n" * 600, 601),
    (rules.line_width, "src/base/a.c", HEAD + "int " + "a" * 116 + ";\n", 2),
    (rules.white_space, "src/base/a.c", HEAD + "\tint a;\n", 2),
    (rules.white_space, "src/base/a.c", HEAD + "int a; \n", 2),
    (rules.white_space, "src/base/a.c", HEAD + "int a;", 2),
    (rules.banned_calls, "src/base/a.c", HEAD + "int a = atoi(b);\n", 2),
    (rules.banned_calls, "test/unit/a.c", HEAD + "/* x */ system (b);\n", 2),
    (rules.jumps_in_macros, "src/base/a.c", HEAD + "#define A \\\n    goto out\n", 2),
    (rules.opening, "src/base/a.c", "#pragma once\n" + HEAD, 1),
    (rules.opening, "tools/a.py", "import os\n", 1),
    (rules.opening, "tools/a", "#!/bin/sh\nset -eu\n", 1),
    (rules.pragma_once, "src/base/a.h", HEAD, 1),
    (rules.nothing_for_later, "src/base/a.c", HEAD + "// " + LATER + " later\n", 2),
    (rules.machine_paths, "docs/a.md", "See " + SLASH + "home/somebody/x\n", 1),
    (rules.machine_paths, "tools/a.py", '"""Words to be found here."""\nx = "' + SLASH + 'tmp"\n', 2),
    (rules.hosts, "docs/a.md", "from https:" + SLASH * 2 + "nexus.somebody.io/maven\n", 1),
    (rules.hosts, "docs/a.md", "from nexus.somebody.corp" + ":8081\n", 1),
    (rules.commands_explained, "Makefile", "all: x\ntidy: x\n", 2),
    (rooms.directions, "src/base/a.c", HEAD + '#include "wire/frame.h"\n', 2),
    (rooms.directions, "src/broker/a.c", HEAD + '#include "client/cluster.h"\n', 2),
    (rooms.directions, "src/client/a.c", HEAD + '#include "wire/frame_private.h"\n', 2),
    (rooms.directions, "test/unit/a.c", HEAD + '#include "wire/frame_private.h"\n', 2),
    (rooms.directions, "src/wire/a.c", HEAD + '#include "frame.h"\n', 2),
    (rooms.directions, "src/wire/a.c", HEAD + '#include "wire/no_such.h"\n', 2),
    (rooms.directions, "src/attic/a.c", HEAD + '#include "base/list.h"\n', 2),
]


def plant(root, texts):
    """Writes a tree."""
    for path, text in texts.items():
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as f:
            f.write(text)


def found(rule, texts):
    """(path, line) of what a rule finds in a tree."""
    with tempfile.TemporaryDirectory() as root:
        plant(root, texts)
        return [(path, line) for path, line, _ in rule(source.repository(root))]


def clean_tree():
    """No rule finds anything where nothing is wrong."""
    for rule in (*rules.RULES, rooms.directions):
        yield f"{rule.__name__} on a clean tree", found(rule, CLEAN), []


def planted_one_by_one():
    """Each rule names the planted file and line, and only that; and no rule is without a test."""
    for rule, path, text, line in PLANTED:
        yield f"{rule.__name__} with {text[-30:]!r}", found(rule, {**CLEAN, path: text}), [(path, line)]
    yield "rules without a test", set(rules.RULES) - {rule for rule, _, _, _ in PLANTED}, set()


def archives():
    """nm sees a clock in a pure room and a call of a room above, and minds neither memory nor a room below."""
    texts = {
        "base.c": "#include <stdlib.h>\nvoid *base_x(void);\nvoid *base_x(void) { return malloc(1); }\n",
        "wire.c": "void *base_x(void);\nint wire_x(void);\nint wire_x(void) { return base_x() != 0; }\n",
        "client.c": "#include <time.h>\nlong client_x(void);\nlong client_x(void) { return time(0); }\n",
        "broker.c": "long client_x(void);\nlong broker_x(void);\nlong broker_x(void) { return client_x(); }\n",
    }
    with tempfile.TemporaryDirectory() as build:
        yield "purity of nothing", len(list(rooms.purity(build))), 1
        plant(build, texts)
        for name in ("base", "wire", "client", "broker"):
            subprocess.run(["gcc", "-c", f"{name}.c", "-o", f"{name}.c.o"], cwd=build, check=True)
            subprocess.run(["ar", "rc", f"lib{name}.a", f"{name}.c.o"], cwd=build, check=True)
        for name, wanted in (("base", []), ("wire", []), ("client", ["time"]), ("broker", ["client_x"])):
            calls = [wrong.split("(")[0].replace("calls ", "") for _, _, wrong in rooms.purity(build, [name])]
            yield f"purity of {name}", calls, wanted


def exports():
    """An unused function is named; one that another file or a test uses is not."""
    texts = {"src/base/a.c": "void used(void); void only_tested(void); void unused(void);\n"
                             "void used(void) {}\nvoid only_tested(void) {}\nvoid unused(void) { used(); }\n",
             "src/app/main.c": "void used(void);\nint main(void) { used(); }\n",
             "test/a.c": "void only_tested(void);\nint main(void) { only_tested(); }\n"}
    with tempfile.TemporaryDirectory() as build:
        plant(build, texts)
        for path in texts:
            target = os.path.join(build, "CMakeFiles", path + ".o")
            os.makedirs(os.path.dirname(target))
            subprocess.run(["gcc", "-c", path, "-o", target], cwd=build, check=True)
        found_there = [(path, wrong.split(" ")[0]) for path, _, wrong in rooms.exports_used(build)]
        yield "exports_used", found_there, [("src/base/a.c", "unused")]


def settings():
    """The documentation of the settings must be there and the same."""
    program = "#!/bin/sh\n[ \"$*\" = 'help settings --markdown' ] || exit 2\nprintf 'one\\ntwo\\n'\n"
    texts = (("the same", "one\ntwo\n", []), ("another", "one\nthree\n", [2]), ("less", "one\n", [2]))
    for name, text, wanted in texts:
        with tempfile.TemporaryDirectory() as root:
            plant(root, {"build/odraz": program, "docs/configuration.md": text})
            os.chmod(os.path.join(root, "build/odraz"), 0o755)
            lines = [line for _, line, _ in tidy.settings_documented(root, os.path.join(root, "build"))]
            yield f"settings_documented with {name}", lines, wanted
    with tempfile.TemporaryDirectory() as root:
        yield "settings_documented without a program", len(list(tidy.settings_documented(root, root))), 1


def main():
    """Runs all, and says what differs."""
    passed = failed = 0
    for group in (clean_tree, planted_one_by_one, archives, exports, settings):
        for name, actual, wanted in group():
            if actual == wanted:
                passed += 1
            else:
                failed += 1
                print(f"FAILED {name}: found {actual}, expected {wanted}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
