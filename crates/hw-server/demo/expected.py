"""Answers for the demo's flights, computed from the Parquet files by plain loops: what an engine has to agree with.

    pip install pyarrow
    python expected.py flights/ > expected.json
"""

import json
import sys
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq

STEPS = ["on_time", "late", "very_late"]
HALF_A_DAY = timedelta(hours=12)


def load(folder):
    return [row for path in sorted(Path(folder).glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def depth_from(start, flights, longest):
    """How many steps the earliest chain that begins with `start` makes, each strictly later than the one before."""
    depth, reached = 1, start
    for step in STEPS[1:]:
        later = [when for when, event in flights if event == step and when > reached]
        if not later or (longest is not None and min(later) - start > longest):
            break
        depth, reached = depth + 1, min(later)
    return depth


def deepest_step(flights, longest):
    """Tries every possible start, which is slow and needs no cleverness to be right."""
    starts = [when for when, event in flights if event == STEPS[0]]
    return max((depth_from(start, flights, longest) for start in starts), default=0)


def funnel(by_aircraft, longest):
    deepest = {aircraft: deepest_step(flights, longest) for aircraft, flights in by_aircraft.items()}
    sequence = []
    for step in range(1, len(STEPS) + 1):
        passed = [aircraft for aircraft, depth in deepest.items() if depth >= step]
        sequence.append({"matchingGroups": len(passed), "matchingGroupRows": sum(len(by_aircraft[a]) for a in passed)})
    return sequence


def counts(rows, column, top=None):
    return dict(sorted(Counter(row[column] for row in rows).items(), key=lambda item: (-item[1], item[0]))[:top])


def main():
    rows = load(sys.argv[1])
    by_aircraft = defaultdict(list)
    for row in rows:
        by_aircraft[row["aircraft"]].append((row["departure"], row["event"]))
    answers = {
        "rows": len(rows),
        "aircraft": len(by_aircraft),
        "departure_min": min(row["departure"] for row in rows).isoformat(),
        "departure_max": max(row["departure"] for row in rows).isoformat(),
        "rows_per_event": counts(rows, "event"),
        "rows_per_origin": counts(rows, "origin"),
        "rows_per_carrier_top_5": counts(rows, "carrier", 5),
        "rows_per_destination_top_5": counts(rows, "destination", 5),
        "nulls": {name: sum(row[name] is None for row in rows) for name in ("dep_delay", "arr_delay", "air_time")},
        "sums": {name: sum(row[name] or 0 for row in rows) for name in ("dep_delay", "arr_delay", "air_time", "distance")},
        "rows_that_share_aircraft_and_departure": len(rows) - len({(row["aircraft"], row["departure"]) for row in rows}),
        "funnel": {"steps": STEPS, "sequence": funnel(by_aircraft, None)},
        "funnel_within_12_hours": {"steps": STEPS, "sequence": funnel(by_aircraft, HALF_A_DAY)},
    }
    print(json.dumps(answers, indent=2))


main()
