#!/usr/bin/env python3
"""Writes messages.txt anew: test/vectors/make.py. What Kafka's own classes write, for every version our schemas cover.

It takes the jars of both Kafkas (tools/kafka_jars.py brings them). A version both know must have the same bytes in both.
"""

import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, 'tools'))
import kafka_jars  # noqa: E402

NEW, OLD = kafka_jars.VERSIONS
HEADER = f"""\
# Messages as the classes of Kafka {NEW} write them: message, version, variant, bytes. Made by test/vectors/make.py.
# Of these, {{both}} lines are known to Kafka {OLD} as well, which writes the same bytes. The others are new since:
# {{new}}.
"""


def schemas():
    """{API key: (API, lowest version, highest version)} of our schemas."""
    found = {}
    for path in glob.glob(os.path.join(ROOT, 'src', 'wire', 'schema', '*.schema')):
        with open(path, encoding='utf-8') as file:
            api, *numbers = re.search(r'^request (\w+) (\d+) versions (\d+)-?(\d*)', file.read(), re.MULTILINE).groups()
        key, low, high = int(numbers[0]), int(numbers[1]), int(numbers[2] or numbers[1])
        found[key] = (api, low, high)
    return found


def vectors(version, wanted):
    """{(message, version, variant): bytes} as this Kafka writes them."""
    classes = os.path.join(kafka_jars.jars(version), '*')
    command = ['java', '-cp', classes, os.path.join(HERE, 'Vectors.java')] + [str(key) for key in sorted(wanted)]
    ranges = {api: (low, high) for api, low, high in wanted.values()}
    found = {}
    for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        message, number, variant, data = line.split(' ')
        low, high = ranges.get(re.sub('_(request|response)$', '', message), (0, -1))  # an older Kafka's name for it
        if low <= int(number) <= high:
            found[message, int(number), variant] = data
    return found


def new_versions(new, old):
    """Words for the versions only the newer Kafka knows."""
    names = sorted({(m.rsplit('_', 1)[0], v) for m, v, _ in set(new) - set(old)})
    return ', '.join(f'{api} {version}' for api, version in names)


def main():
    """Compares both Kafkas and writes the file."""
    wanted = schemas()
    new, old = vectors(NEW, wanted), vectors(OLD, wanted)
    differing = [key for key in old if new.get(key, old[key]) != old[key]]
    if differing or set(old) - set(new):
        sys.exit(f'Kafka {OLD} and {NEW} differ: {differing} {set(old) - set(new)}')
    text = HEADER.format(both=len(old), new=new_versions(new, old))
    text += ''.join(f'{message} {version} {variant} {data}\n' for (message, version, variant), data in new.items())
    with open(os.path.join(HERE, 'messages.txt'), 'w', encoding='utf-8') as file:
        file.write(text)


if __name__ == '__main__':
    main()
