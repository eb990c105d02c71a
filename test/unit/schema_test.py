#!/usr/bin/env python3
"""Tests tools/schema.py: what it refuses, and where it says the mistake is; equal schemas make equal files."""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GENERATOR = os.path.join(ROOT, 'tools', 'schema.py')
HEAD = 'request ping 99 versions 0-3 flexible 2+\n'
TAIL = 'response ping\n    error_code  int16\n'

# Lines of a request, the line the mistake is in, what is said of it.
REFUSED = (
    ('    a  int33\n', 2, 'int33: not a type'),
    ('    a\n', 2, 'expected: NAME TYPE ...'),
    ('    A  int8\n', 2, 'A: not a name'),
    ('    if  int8\n', 2, 'if: not a name'),
    ('    a  int8  versions 3-2\n', 2, '3-2: the range is empty'),
    ('    a  int8  versions 4+\n', 2, 'a is in none of the versions 0-3'),
    ('    a  int8  versions two\n', 2, 'two: expected versions as N, N-M or N+'),
    ('    a  int8  versions\n', 2, 'versions needs a value'),
    ('    a  int8  optional\n', 2, 'optional: not an attribute'),
    ('    a  int8  ignorable  ignorable\n', 2, 'ignorable twice'),
    ('    a  int8  default 128\n', 2, '128: expected a number from -128 to 127'),
    ('    a  int8  default null\n', 2, 'null: expected a number from -128 to 127'),
    ('    a  string  default x\n', 2, 'x: not a default for a'),
    ('    a  int8  nullable\n', 2, 'a: this type cannot be null'),
    ('    a  int8  tag 0\n', 2, 'a: a tag needs flexible versions, and records cannot have one'),
    ('    a  int8  versions 2+  tag 0\n    b  int8  versions 2+  tag 0\n', 3, 'tag 0 twice'),
    ('    a  int8\n    a  int8\n', 3, 'a twice'),
    ('    a  int8\n   b  int8\n', 3, 'indent by four blanks'),
    ('    a  int8\n        b  int8\n', 3, 'nothing to nest in'),
    ('    as  []\n    b  int8\n', 3, 'ping_request_a has no fields'),
    ('    as  []\n        b  int8\n    more  [] a\n        c  int8\n', 5, 'ping_request_a is described twice'),
    ('    as  []\n        b  [] a\n', 3, 'a contains itself'),
    ('response pong\n', 2, 'expected: request NAME KEY versions N-M [flexible N+], or response NAME'),
)


def generate(folder, *schemas):
    """Runs the generator over some texts: (what it says, the files it made)."""
    paths = []
    for number, text in enumerate(schemas):
        paths.append(os.path.join(folder, f'{number}.schema'))
        with open(paths[-1], 'w', encoding='utf-8') as file:
            file.write(text)
    run = subprocess.run([sys.executable, GENERATOR, os.path.join(folder, 'out')] + paths, stderr=subprocess.PIPE,
                         text=True, check=False)
    made = []
    for name in ('messages.h', 'messages.c'):
        path = os.path.join(folder, 'out', name)
        if run.returncode == 0:
            with open(path, encoding='utf-8') as file:
                made.append(file.read())
    return run.stderr.replace(folder + os.sep, '').strip(), made


def refused(lines, number, text):
    """One mistake is reported with its place."""
    with tempfile.TemporaryDirectory() as folder:
        said, made = generate(folder, HEAD + lines + TAIL)
    return said == f'0.schema:{number}: {text}' and not made, said


def deterministic():
    """The order in which the schemas are named plays no part."""
    other = HEAD.replace('ping 99', 'pong 98') + '    ids  []int32  nullable  default null\n'
    both = [HEAD + '    b  int8\n' + TAIL, other + TAIL.replace('ping', 'pong')]
    with tempfile.TemporaryDirectory() as folder:
        said, made = generate(folder, *both)
        return len(made) == 2 and made == generate(folder, *reversed(both))[1], said


def same_key():
    """Two APIs with one key would hide each other."""
    with tempfile.TemporaryDirectory() as folder:
        said, _ = generate(folder, HEAD + TAIL, HEAD.replace('ping', 'pong') + TAIL.replace('ping', 'pong'))
    return said == '1.schema:1: key 99 belongs to ping', said


def main():
    """Counts, and shows what went wrong."""
    results = [refused(*row) for row in REFUSED] + [deterministic(), same_key()]
    for number, (passed, said) in enumerate(results):
        if not passed:
            print(f'FAILED test {number}: it says "{said}"')
    failed = sum(not passed for passed, _ in results)
    print(f'{len(results) - failed} passed, {failed} failed')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
