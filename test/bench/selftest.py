#!/usr/bin/env python3
"""Tests of what the benchmarks calculate and write, without measuring: quantiles, summaries, tables, sections."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "kafka"))
import contenders  # noqa: E402  (found by the line above, as all that follow)
import document  # noqa: E402
import latency  # noqa: E402
import quantiles  # noqa: E402
import report  # noqa: E402

DATA = contenders.Data("bench-none-16-8", "none", 16, 8, 2000, {0: 2000}, 4000)


def run_of(contender, seconds, cpu, **more):
    """A run as measure.run() tells it, of 2,000 records."""
    return {"contender": contender, "topic": DATA.topic, "seconds": seconds, "records": 2000,
            "records_per_s": 2000 / seconds, "start_s": 1.0, "start_cpu_s": 0.5,
            "cpu_s": {"contender": cpu, "source": 0.01, "destination": 0.02, "compilers": 0.004},
            "others_cores": 0.01, "peak_mib": 10, "stored_bytes": 8000, **more}


def quantiles_are_values_that_were_seen():
    """Nearest rank: 99 of 100 values are not above the 99th."""
    hundred = list(range(1, 101))
    assert quantiles.quantile(hundred, 0.5) == 50
    assert quantiles.quantile(hundred, 0.99) == 99
    assert quantiles.quantile(hundred, 0.999) == 100
    assert quantiles.quantile(hundred, 0) == 1
    assert quantiles.quantile([7], 0.5) == 7


def quantiles_do_not_need_order():
    """summary() sorts."""
    assert quantiles.summary([5, 1, 4, 2, 3]) == {"p50": 3, "p99": 5, "p99.9": 5, "max": 5}


def quantiles_refuse_nothing():
    """No values have no quantile."""
    try:
        quantiles.quantile([], 0.5)
    except ValueError:
        return
    raise AssertionError("a quantile of nothing")


def latency_counts_from_the_right_moment():
    """Added, direct and mirrored, in milliseconds; what was not seen at both ends is counted, not averaged."""
    records = [(1_000_000, 3_000_000, 8_000_000), (2_000_000, 4_000_000, 9_000_000), (3_000_000, 5_000_000, 0)]
    found = latency.figures(records)
    assert (found["records"], found["lost"]) == (3, 1)
    assert found["added_ms"]["p50"] == 5.0 and found["direct_ms"]["max"] == 2.0 and found["mirrored_ms"]["p50"] == 7.0


def latency_is_compared_with_mm2_of_the_same_cell():
    """Other rates and lingers are other cells."""
    def cell(contender, rate, added):
        values = {"p50": added, "p99": added, "p99.9": added, "max": added}
        return {"contender": contender, "rate": rate, "linger_ms": 0, "lost": 0, "added_ms": values,
                "direct_ms": {**values, "p50": 2.0}, "mirrored_ms": {**values, "p50": 3.0}}

    cells = latency.compared([cell("mm2", 100, 10.0), cell("odraz", 100, 2.0), cell("odraz", 1000, 5.0)])
    assert [(c["contender"], c["p99_to_mm2"]) for c in cells] == [("odraz", 0.2), ("mm2", 1.0), ("odraz", None)]
    assert cells[0]["mirrored_to_direct"] == 1.5
    assert " 0.20 |" in latency.report({"environment": {}, "cells": cells})


def ratios_are_to_the_medians_of_the_same_topic():
    """Of the floor and of MM2; a failed run is told, and counts for nothing."""
    runs = [run_of("floor", 1.0, 0.002), run_of("floor", 2.0, 0.002), run_of("floor", 4.0, 0.002),
            run_of("mm2", 8.0, 0.08), run_of("odraz", 1.0, 0.004),
            {"contender": "kcat", "topic": DATA.topic, "failed": "12 of 2000 records"}]
    made = report.make(runs, [], [DATA], ["floor", "mm2", "odraz", "kcat", "mm1"], {"command": "x"})
    of = {s["contender"]: s for s in made["summaries"]}
    assert of["floor"]["records_per_s"] == 1000 and of["floor"]["spread"] == 1.5
    assert of["odraz"]["speed_to_floor"] == 2.0 and of["odraz"]["speed_to_mm2"] == 8.0
    assert of["odraz"]["contender_cpu_s_per_gb"] == of["odraz"]["compilers_cpu_s_per_gb"] == 2.0
    assert round(of["odraz"]["cpu_to_mm2"], 6) == 0.05
    assert of["odraz"]["stored_ratio"] == 2.0 and "kcat" not in of
    text = report.markdown(made)
    assert "FAILED: kcat: 12 of 2000 records" in text and "The machine was quiet" in text
    assert "no time for: mm1 with 8 partitions, none, batches of 16 KiB." in text
    assert report.svg(made).count("<rect") == 1 + 2 * 3


def a_disturbed_machine_is_told():
    """Figures that were made beside others' work say so."""
    made = report.make([run_of("odraz", 1.0, 0.1, others_cores=0.7)], [], [DATA], ["odraz"], {})
    assert "NOT quiet" in report.markdown(made) and "0.70 cores" in report.markdown(made)


def starts_are_told_run_by_run():
    """Where groups wait for members; who failed says why."""
    starts = [run_of("odraz", 1.0, 0.1, start_s=3.25), run_of("mm2", 1.0, 0.1, start_s=19),
              run_of("odraz", 1.0, 0.1, start_s=3.5), {"contender": "kcat", "topic": DATA.topic, "failed": "it did"}]
    text = report.markdown(report.make([], starts, [DATA], ["odraz", "mm2", "kcat"], {}))
    assert "by default: odraz 3.25 s, 3.50 s; mm2 19.00 s; kcat it did." in text


def tables_are_markdown_with_even_columns():
    """Names to the left, figures to the right."""
    table = document.table((("", lambda r: r[0]), ("n", lambda r: str(r[1]))), [("a", 1), ("long", 22)])
    assert table.splitlines() == ["|      |  n |", "|------|---:|", "| a    |  1 |", "| long | 22 |"]


def a_section_replaces_only_its_own():
    """What stands before, after and between the other marks stays."""
    text = "head\n<!-- a: measured -->\nold\n<!-- a: end -->\nmid\n<!-- b: measured -->\nkept\n<!-- b: end -->\ntail\n"
    done = document.replaced(text, "a", "new\n")
    assert done == text.replace("old\n", "\nnew\n\n")
    assert document.replaced(done, "a", "new") == done


def the_document_has_a_place_for_each():
    """Each benchmark finds its marks."""
    with open(os.path.join(document.DOCS, "performance.md"), encoding="utf-8") as f:
        text = f.read()
    for name in ("bench", "ceiling", "latency", "wan"):
        assert "FIGURES" in document.replaced(text, name, "FIGURES"), name


TESTS = (quantiles_are_values_that_were_seen, quantiles_do_not_need_order, quantiles_refuse_nothing,
         latency_counts_from_the_right_moment, latency_is_compared_with_mm2_of_the_same_cell,
         ratios_are_to_the_medians_of_the_same_topic, a_disturbed_machine_is_told, starts_are_told_run_by_run,
         tables_are_markdown_with_even_columns, a_section_replaces_only_its_own, the_document_has_a_place_for_each)


def main():
    """Counts."""
    failed = 0
    for test in TESTS:
        try:
            test()
        except Exception as problem:  # whatever it is, it is a failure of this test alone
            failed += 1
            print(f"FAILED {test.__name__}: {type(problem).__name__}: {problem}")
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
