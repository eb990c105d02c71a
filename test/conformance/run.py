#!/usr/bin/env python3
"""Runs the same scripts against the model (`odraz broker`) and real Kafka, and compares every answer field by field.

test/conformance/run.py [--seeds N] [--show] [PATTERN]     scripts whose name holds PATTERN; N seeds of generated ones
test/conformance/run.py --seeds 100-150 generated          and those of other seeds
"""

import argparse
import os
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import known  # noqa: E402
import talk  # noqa: E402
import worlds  # noqa: E402

DIFFERENCES_SHOWN = 12
ENDED = "the script ended"


def seeds_of(text):
    """N: from 1 to N; or FROM-TO."""
    first, _, last = text.rpartition("-")
    return range(int(first or 1), int(last) + 1)


def scripts(seeds):
    """(name, function of a Talk), hand-written ones and then generated ones."""
    import admin  # pylint: disable=import-outside-toplevel
    import any_request  # pylint: disable=import-outside-toplevel
    import broken_records  # pylint: disable=import-outside-toplevel
    import configs  # pylint: disable=import-outside-toplevel
    import coordinators  # pylint: disable=import-outside-toplevel
    import cut_transactions  # pylint: disable=import-outside-toplevel
    import data  # pylint: disable=import-outside-toplevel
    import defaults  # pylint: disable=import-outside-toplevel
    import former_members  # pylint: disable=import-outside-toplevel
    import generated  # pylint: disable=import-outside-toplevel
    import generated_transactions  # pylint: disable=import-outside-toplevel
    import kept  # pylint: disable=import-outside-toplevel
    import quotas  # pylint: disable=import-outside-toplevel
    import rebalances  # pylint: disable=import-outside-toplevel
    import remade_topics  # pylint: disable=import-outside-toplevel
    import second_version  # pylint: disable=import-outside-toplevel
    import topics  # pylint: disable=import-outside-toplevel
    for module in (topics, admin, defaults, configs, quotas, data, coordinators, former_members, second_version,
                   kept, cut_transactions):
        for script in module.SCRIPTS:
            yield f"{module.__name__}.{script.__name__}", script
    for module in (generated, generated_transactions, any_request, broken_records, rebalances,
                   remade_topics):
        for seed in seeds:
            yield f"{module.__name__}.{seed}", module.script(seed)


def told(world, name, script):
    """The transcript; a script that cannot go on ends with its reason."""
    talking = talk.Talk(world, name.replace(".", "-").replace("_", "-"))
    try:
        script(talking)
    except Exception as problem:  # pylint: disable=broad-except  (that it came to this is an answer too)
        where = traceback.extract_tb(problem.__traceback__)
        at = next((f"{os.path.basename(f.filename)}:{f.lineno}" for f in reversed(where)
                   if "conformance" in f.filename), "")
        talking.transcript.append((ENDED, f"{type(problem).__name__} {problem} at {at}"))
    talking.close()
    return talking.transcript


def differences(path, ours, theirs):
    """Sentences about what differs between two answers."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in {**ours, **theirs}:
            yield from differences(f"{path}.{key}", ours.get(key, "missing"), theirs.get(key, "missing"))
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, pair in enumerate(zip(ours, theirs)):
            yield from differences(f"{path}[{i}]", *pair)
    elif ours != theirs and not known.deliberate(path):
        yield f"{path}: model {ours!r:.300}, Kafka {theirs!r:.300}"


def compare(name, ours, theirs):
    """All differences of one script."""
    found = []
    for i, (our, their) in enumerate(zip(ours, theirs)):
        if our[0] != their[0]:
            found.append(f"step {i}: model goes on with {our!r:.300}, Kafka with {their!r:.300}")
            break
        found += differences(f"{name} step {i}, {our[0]}: ", our[1], their[1])
    else:
        if len(ours) != len(theirs):
            found.append(f"{name}: the model has {len(ours)} answers, Kafka {len(theirs)}")
        if theirs and theirs[-1][0] == ENDED:  # with both: what comes behind was not compared
            found.append(f"{name}: {theirs[-1][1]}")
    return found


def found_alone(name, script):
    """The differences of a script that needs worlds of its own."""
    transcripts = []
    for kind in (worlds.Model, worlds.Real):
        world = kind(*script.world)
        try:
            transcripts.append(told(world, name, script))
        finally:
            world.stop()
    return compare(name, *transcripts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--seeds", type=seeds_of, default="3", metavar="N", help="generated scripts: N, or FROM-TO")
    parser.add_argument("--show", action="store_true", help="all differences, not only the first of each script")
    options = parser.parse_args()
    chosen = [(name, script) for name, script in scripts(options.seeds) if options.pattern in name]
    passed = failed = 0
    real = worlds.Real()
    model = worlds.Model()
    try:
        for name, script in chosen:
            found = (found_alone(name, script) if hasattr(script, "world") else
                     compare(name, told(model, name, script), told(real, name, script)))
            if not model.alive():
                found.insert(0, f"the model has ended: see {model.log}")
                model = worlds.Model()
            print(f"{'FAILED' if found else 'passed'} {name}", flush=True)
            for line in found if options.show else found[:DIFFERENCES_SHOWN]:
                print(f"    {line}")
            passed, failed = passed + (not found), failed + bool(found)
    finally:
        model.stop()
        real.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
