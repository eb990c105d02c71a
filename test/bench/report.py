"""What was measured, as tables, as a drawing and as a part of docs/performance.md."""

import os
import platform
import re
import statistics
import subprocess

import mirror
from measure import QUIET_CORES

ROOT = mirror.ROOT
MEASURED = "<!-- what follows is written by test/bench/bench.py -->\n"
COLORS = {"floor": "#9aa0a6", "odraz": "#1a73e8", "mm2": "#e8710a", "mm2-tuned": "#f9ab00"}


def _first_line(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return done.stdout.splitlines()[0] if done.stdout else ""


def _found(path, pattern):
    with open(path, encoding="utf-8") as f:
        return re.search(pattern, f.read()).group(1)


def environment(command, congestion, arguments):
    """What the figures depend on, besides the programs themselves."""
    memory_gib = int(_found("/proc/meminfo", r"MemTotal:\s+(\d+) kB")) / 2**20
    return {
        "command": command,
        "machine": f"{os.cpu_count()} cores of {_found('/proc/cpuinfo', 'model name.*: (.*)')}, {memory_gib:.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "odraz": _first_line(mirror.PROGRAM, "version"),
        "java": _first_line("java", "-version"),
        "kafka": f"4.3.1 (brokers and MirrorMaker 2), source 1 broker, destination {arguments.brokers}",
        "network": f"loopback, {congestion}",
    }


def _middle(runs, figure):
    return statistics.median(figure(run) for run in runs)


def _summary(runs, data):
    gigabytes = [run["records"] / 1e6 for run in runs]  # of 1,000-byte records
    speeds = [run["records_per_s"] for run in runs]
    result = {
        "contender": runs[0]["contender"], "topic": data.topic, "codec": data.codec, "partitions": data.partitions,
        "runs": len(runs),
        "records_per_s": statistics.median(speeds),
        "spread": (max(speeds) - min(speeds)) / statistics.median(speeds),
        "peak_mib": _middle(runs, lambda run: run["peak_mib"]),
        "start_s": _middle(runs, lambda run: run["start_s"]),
        "start_cpu_s": _middle(runs, lambda run: run["start_cpu_s"]),
        "stored_ratio": _middle(runs, lambda run: run["stored_bytes"] / data.stored),
        "others_cores": max(run["others_cores"] for run in runs),
    }
    for part in ("contender", "source", "destination"):
        result[f"{part}_cpu_s_per_gb"] = statistics.median(
            run["cpu_s"][part] / size for run, size in zip(runs, gigabytes))
    return result


def make(runs, datas, surroundings):
    """Everything, ready to be written as JSON: medians of the repetitions, ratios, and the runs themselves."""
    summaries = []
    for data in datas:
        names = dict.fromkeys(run["contender"] for run in runs)
        good = {name: [r for r in runs if (r["contender"], r["topic"]) == (name, data.topic) and "failed" not in r]
                for name in names}
        of_topic = {name: _summary(rs, data) for name, rs in good.items() if rs}
        for other, figure in (("floor", "floor"), ("mm2", "mm2")):
            for summary in of_topic.values():
                if other in of_topic:
                    summary[f"speed_to_{figure}"] = summary["records_per_s"] / of_topic[other]["records_per_s"]
                    summary[f"cpu_to_{figure}"] = (summary["contender_cpu_s_per_gb"] /
                                                   max(of_topic[other]["contender_cpu_s_per_gb"], 1e-9))
        summaries += of_topic.values()
    return {"environment": surroundings, "data": [{**d._asdict(), "ends": None} for d in datas],
            "summaries": summaries, "runs": runs}


COLUMNS = (
    ("", lambda s: s["contender"]),
    ("records/s", lambda s: f"{s['records_per_s']:,.0f}"),
    ("MB/s", lambda s: f"{s['records_per_s'] / 1000:.1f}"),
    ("runs", lambda s: str(s["runs"])),
    ("spread", lambda s: f"{s['spread']:.0%}" if s["runs"] > 1 else ""),
    ("of floor", lambda s: f"{s['speed_to_floor']:.2f}" if "speed_to_floor" in s else ""),
    ("of MM2", lambda s: f"{s['speed_to_mm2']:.1f}" if "speed_to_mm2" in s else ""),
    ("CPU-s/GB", lambda s: f"{s['contender_cpu_s_per_gb']:.2f}"),
    ("of floor", lambda s: f"{s['cpu_to_floor']:.2f}" if "cpu_to_floor" in s else ""),
    ("of MM2", lambda s: f"{s['cpu_to_mm2']:.3f}" if "cpu_to_mm2" in s else ""),
    ("source CPU-s/GB", lambda s: f"{s['source_cpu_s_per_gb']:.2f}"),
    ("destination CPU-s/GB", lambda s: f"{s['destination_cpu_s_per_gb']:.2f}"),
    ("peak MiB", lambda s: f"{s['peak_mib']:.0f}"),
    ("first record s", lambda s: f"{s['start_s']:.2f}"),
    ("CPU-s until then", lambda s: f"{s['start_cpu_s']:.2f}"),
    ("stored", lambda s: f"{s['stored_ratio']:.2f}"),
    ("others cores", lambda s: f"{s['others_cores']:.2f}"),
)


def _table(rows):
    texts = [[head for head, _ in COLUMNS]] + [[show(row) for _, show in COLUMNS] for row in rows]
    widths = [max(len(text[i]) for text in texts) for i in range(len(COLUMNS))]
    lines = ["| " + " | ".join(cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(text, widths))) +
             " |" for text in texts]
    lines.insert(1, "|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|")
    return "\n".join(lines)


def _quietness(made):
    worst = max((s["others_cores"] for s in made["summaries"]), default=0)
    calm = "The machine was quiet" if worst < QUIET_CORES else "The machine was NOT quiet"
    warning = "" if worst < QUIET_CORES else (" The speeds are not to be quoted; CPU-s/GB, which others change much "
                                              "less, is to be read with care.")
    return f"{calm}: what else ran on it, and its host, took at most {worst:.2f} cores during a run.{warning}"


def markdown(made):
    """The report as text that is also Markdown."""
    around = made["environment"]
    parts = ["\n".join(f"- {key}: {f'`{value}`' if key == 'command' else value}" for key, value in around.items()),
             _quietness(made)]
    for data in made["data"]:
        rows = [s for s in made["summaries"] if s["topic"] == data["topic"]]
        per_record = data["stored"] / data["records"]
        parts.append(f"### {data['partitions']} partition{'s' * (data['partitions'] > 1)}, "
                     f"{'uncompressed' if data['codec'] == 'none' else data['codec']}: {data['records']:,} records, "
                     f"{per_record:,.0f} bytes each as stored")
        parts.append(_table(rows))
        parts += [f"FAILED: {r['contender']}: {r['failed']}" for r in made["runs"]
                  if r["topic"] == data["topic"] and "failed" in r]
    return "\n\n".join(parts) + "\n"


def _bar(x, y, width, summary, value):
    color = COLORS.get(summary["contender"], "#5f6368")
    return (f'<rect x="{x}" y="{y}" width="{max(width, 1):.1f}" height="16" fill="{color}"/>'
            f'<text x="{x + max(width, 1) + 5:.1f}" y="{y + 12}">{summary["contender"]} {value}</text>')


def svg(made):
    """Two columns of bars: speed, and CPU for each gigabyte."""
    panels = (("thousand records a second", lambda s: s["records_per_s"] / 1000, "{:.0f}"),
              ("CPU-seconds of the contender for 1 GB", lambda s: s["contender_cpu_s_per_gb"], "{:.2f}"))
    out, y = [], 0
    for column, (title, figure, layout) in enumerate(panels):
        x, y = 20 + 460 * column, 30
        out.append(f'<text x="{x}" y="20" font-weight="bold">{title}</text>')
        scale = 300 / max((figure(s) for s in made["summaries"]), default=1)
        for data in made["data"]:
            out.append(f'<text x="{x}" y="{y + 16}">{data["topic"].removeprefix("bench-")} partitions</text>')
            y += 22
            for s in (s for s in made["summaries"] if s["topic"] == data["topic"]):
                out.append(_bar(x, y, figure(s) * scale, s, layout.format(figure(s))))
                y += 19
            y += 10
    out.append(f'<text x="20" y="{y + 16}">{_quietness(made)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="{y + 30}" font-family="sans-serif" '
            'font-size="12"><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(out) + "\n</svg>\n")


def document(made):
    """Replaces the measured part of docs/performance.md, and its drawing."""
    path = os.path.join(ROOT, "docs", "performance.md")
    with open(path, encoding="utf-8") as f:
        kept = f.read().split(MEASURED)[0]
    with open(path, "w", encoding="utf-8") as f:
        f.write(kept + MEASURED + "\n" + markdown(made))
    with open(os.path.join(ROOT, "docs", "performance.svg"), "w", encoding="utf-8") as f:
        f.write(svg(made))
