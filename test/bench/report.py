"""What was measured, as tables, as a drawing and as a part of docs/performance.md."""

import os
import statistics

import document
from measure import QUIET_CORES

COLORS = {"floor": "#9aa0a6", "odraz": "#1a73e8", "mm2": "#e8710a", "mm2-tuned": "#f9ab00", "mm1": "#9334e6",
          "kcat": "#1e8e3e"}


def _middle(runs, figure):
    return statistics.median(figure(run) for run in runs)


def _summary(runs, data):
    gigabytes = [run["records"] / 1e6 for run in runs]  # of 1,000-byte records
    speeds = [run["records_per_s"] for run in runs]
    result = {
        "contender": runs[0]["contender"], "topic": data.topic, "codec": data.codec,
        "batch_kib": data.batch_kib, "partitions": data.partitions,
        "runs": len(runs),
        "records_per_s": statistics.median(speeds),
        "spread": (max(speeds) - min(speeds)) / statistics.median(speeds),
        "peak_mib": _middle(runs, lambda run: run["peak_mib"]),
        "start_s": _middle(runs, lambda run: run["start_s"]),
        "start_cpu_s": _middle(runs, lambda run: run["start_cpu_s"]),
        "stored_ratio": _middle(runs, lambda run: run["stored_bytes"] / data.stored),
        "others_cores": max(run["others_cores"] for run in runs),
    }
    for part in ("contender", "source", "destination", "compilers"):
        result[f"{part}_cpu_s_per_gb"] = statistics.median(
            run["cpu_s"][part] / size for run, size in zip(runs, gigabytes))
    return result


def make(runs, starts, datas, names, surroundings):
    """Everything, ready to be written as JSON: medians of the repetitions, ratios, and the runs themselves.

    `names` are the contenders that were to be measured; `starts` the runs where groups wait for members.
    """
    summaries = []
    for data in datas:
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
    return {"environment": surroundings, "contenders": names, "data": [{**d._asdict(), "ends": None} for d in datas],
            "summaries": summaries, "runs": runs, "starts": starts}


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
    ("of these compiling", lambda s: f"{s['compilers_cpu_s_per_gb']:.2f}"),
    ("peak MiB", lambda s: f"{s['peak_mib']:.0f}"),
    ("first record s", lambda s: f"{s['start_s']:.2f}"),
    ("CPU-s until then", lambda s: f"{s['start_cpu_s']:.2f}"),
    ("stored", lambda s: f"{s['stored_ratio']:.2f}"),
    ("others cores", lambda s: f"{s['others_cores']:.2f}"),
)


def _quietness(made):
    worst = max((s["others_cores"] for s in made["summaries"]), default=0)
    calm = "The machine was quiet" if worst < QUIET_CORES else "The machine was NOT quiet"
    warning = "" if worst < QUIET_CORES else (" The speeds are not to be quoted; CPU-s/GB, which others change much "
                                              "less, is to be read with care.")
    return f"{calm}: what else ran on it, and its host, took at most {worst:.2f} cores during a run.{warning}"


def _left_out(made):
    """What there was no time for."""
    done = {(run["topic"], run["contender"]) for run in made["runs"]}
    missing = [f"{contender} with {_title(data)}" for data in made["data"] for contender in made["contenders"]
               if (data["topic"], contender) not in done]
    return "There was no time for: " + "; ".join(missing) + "." if missing else ""


def _per_partition(made):
    """What a record takes where there are many partitions, next to 8 of them; nothing when one of both is missing."""
    of = {s["partitions"]: s for s in made["summaries"]
          if (s["contender"], s["codec"], s["batch_kib"]) == ("odraz", "none", 16)}
    if 8 not in of or max(of) == 8:
        return ""
    times = of[8]["records_per_s"] / of[max(of)]["records_per_s"]
    return f"Cost per partition: a record takes odraz {times:.2f} times as long at {max(of):,} partitions as at 8."


def _starts(made):
    """How soon each began where groups wait for members."""
    of = {}
    for run in made["starts"]:
        of.setdefault(run["contender"], []).append(f"{run['start_s']:.2f} s" if "start_s" in run else run["failed"])
    if not of:
        return ""
    return ("Start to first record where a new group waits 3 s for members, as Kafka's brokers do by default: " +
            "; ".join(f"{name} {', '.join(seconds)}" for name, seconds in of.items()) + ".")


def markdown(made):
    """The report as text that is also Markdown."""
    parts = [document.surroundings(made["environment"]), _quietness(made), _left_out(made), _per_partition(made),
             _starts(made)]
    for data in made["data"]:
        rows = [s for s in made["summaries"] if s["topic"] == data["topic"]]
        per_record = data["stored"] / data["records"]
        parts.append(f"#### {data['partitions']:,} partition{'s' * (data['partitions'] > 1)}, "
                     f"{'uncompressed' if data['codec'] == 'none' else data['codec']}, batches of at most "
                     f"{data['batch_kib']:,} KiB: {data['records']:,} records, {per_record:,.0f} bytes each as stored")
        parts.append(document.table(COLUMNS, rows))
        parts += [f"FAILED: {r['contender']}: {r['failed']}" for r in made["runs"]
                  if r["topic"] == data["topic"] and "failed" in r]
    return "\n\n".join(part for part in parts if part) + "\n"


def _bar(x, y, width, summary, value):
    color = COLORS.get(summary["contender"], "#5f6368")
    return (f'<rect x="{x}" y="{y}" width="{max(width, 1):.1f}" height="16" fill="{color}"/>'
            f'<text x="{x + max(width, 1) + 5:.1f}" y="{y + 12}">{summary["contender"]} {value}</text>')


def _title(data):
    return (f"{data['partitions']:,} partition{'s' * (data['partitions'] > 1)}, {data['codec']}, batches of "
            f"{data['batch_kib']:,} KiB")


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
            out.append(f'<text x="{x}" y="{y + 16}">{_title(data)}</text>')
            y += 22
            for s in (s for s in made["summaries"] if s["topic"] == data["topic"]):
                out.append(_bar(x, y, figure(s) * scale, s, layout.format(figure(s))))
                y += 19
            y += 10
    out.append(f'<text x="20" y="{y + 16}">{_quietness(made)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="{y + 30}" font-family="sans-serif" '
            'font-size="12"><rect width="100%" height="100%" fill="white"/>\n' + "\n".join(out) + "\n</svg>\n")


def draw(made):
    """Replaces docs/performance.svg."""
    with open(os.path.join(document.DOCS, "performance.svg"), "w", encoding="utf-8") as f:
        f.write(svg(made))
