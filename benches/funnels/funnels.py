#!/usr/bin/env python3
"""Times funnel queries of a running `headwater up` against other engines over the same files, in turn.

    python benches/funnels/funnels.py PROGRAM FOLDER [--queries F1,F3] [--peers polars,chdb] [--reps 5] [--split]

FOLDER holds what `events.py --out FOLDER` made. The peers come from PyPI: polars duckdb chdb datafusion pyarrow.
For each query: a warm-up of everybody, then `reps` rounds in which each runs once. Times are medians. The processor time is that of
the whole process, all its threads: for Headwater also what HTTP, job, store and merge take. `ratio` is the processor time of the
leanest peer over Headwater's. All answers are compared; a difference ends the benchmark.

W30, W60 = 30 and 60 minutes. F1 groups with a transaction; F2 view > addtocart > transaction; F3 the same within W30; F4 search >
view > addtocart > checkout > transaction within W60; F5 at least 2 transactions, of more than 50 in sum, and an event in the US;
F6 F3 by device; F7 rows and price by type of event over the groups that F3 leaves; F8 F3 over the events of one item.
"""
import argparse, http.client, json, os, shutil, signal, subprocess, sys, tempfile, time

W30, W60 = 1_800_000, 3_600_000
S3 = ["view", "addtocart", "transaction"]
S5 = ["search", "view", "addtocart", "checkout", "transaction"]
ITEM = 291891
PEERS = ["polars", "polars:inmem", "duckdb", "duckdb:asof", "chdb", "datafusion"]
HERE = os.path.dirname(os.path.abspath(__file__))


def steps(names):
    return [{"filter": ["event_type", "==", name]} for name in names]


def funnel(names, **more):
    return {"funnel": {"sequence": steps(names), **more}}


def of_item(name):
    both = [("event_type", name), ("item_id", ITEM)]
    return {"filters": [{"column": column, "op": "==", "value": value} for column, value in both]}


BOUGHT = ["event_type", "==", "transaction"]
QUERIES = {
    "F1": {"query": {"conditions": [{"filter": BOUGHT}]}},
    "F2": funnel(S3),
    "F3": funnel(S3, maxDuration=W30),
    "F4": funnel(S5, maxDuration=W60),
    "F5": {"query": {"conditions": [{"filter": BOUGHT, "target": ["count", ">=", 2]},
                                    {"filter": BOUGHT, "target": ["sum", "price", ">", 50]},
                                    {"filter": ["country", "==", "US"]}]}},
    "F6": funnel(S3, maxDuration=W30, breakdown={"column": "device", "by": "pair", "top": 100}),
    "F7": {"query": {"conditions": [{"sequence": steps(S3), "maxDuration": W30}],
                     "aggregations": [{"column": "event_type", "type": "countPerValue", "top": 100},
                                      {"column": "event_type", "type": "sumPerValue", "otherColumn": "price", "top": 100}]}},
    "F8": {"funnel": {"sequence": [of_item(name) for name in S3], "maxDuration": W30}},
}


def rows_of(query, answer):
    """Headwater's answer in the form of the peers'."""
    if query in ("F1", "F5"):
        return [[answer["query"]["matchingGroups"]]]
    if query == "F6":
        rows = [[part["value"]] + [step["matchingGroups"] for step in part["sequence"]] for part in answer["funnel"]["breakdown"]]
        return sorted(rows)
    if query == "F7":
        counts, sums = (aggregation["value"] for aggregation in answer["query"]["aggregations"])
        return sorted([value, count, sums.get(value, 0)] for value, count in counts.items())
    return [[step["matchingGroups"] for step in answer["funnel"]["sequence"]]]


def close(left, right):
    """Sums of floats differ in their last digits by the order of their rows."""
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(close, left, right))
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return abs(left - right) <= 0.11 + 1e-9 * abs(left)
    return left == right


class Headwater:
    def __init__(self, program, folder, settings, register):
        self.home = tempfile.mkdtemp(prefix="headwater-bench-")
        self.environment = {**os.environ, "HEADWATER_DATA_DIR": os.path.join(self.home, "data")}
        self.program = os.path.abspath(program)
        self.call("table", "register", "events", os.path.abspath(folder), "--group", "user_id", "--time", "ts", *register)
        command = [self.program, "up", "--listen", "127.0.0.1:0", *settings]
        self.server = subprocess.Popen(command, env=self.environment, cwd=self.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        record = os.path.join(self.home, "data", "server.json")
        while not os.path.exists(record):
            if self.server.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.02)
        self.address = json.load(open(record))["http"].removeprefix("http://")
        # The processor time of a whole other process, as clock_getcpuclockid(3) tells it.
        self.clock = (~self.server.pid << 3) | 2

    def call(self, *arguments):
        done = subprocess.run([self.program, *arguments], env=self.environment, cwd=self.home, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)

    def run(self, query):
        body = json.dumps({"table": "events", "query": QUERIES[query], "cache": False})
        connection = http.client.HTTPConnection(self.address, timeout=600)
        wall, cpu = time.perf_counter(), time.clock_gettime(self.clock)
        connection.request("POST", "/api/v1/funnels/run?wait=60s", body, {"Content-Type": "application/json", "Accept": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        cpu, wall = time.clock_gettime(self.clock) - cpu, time.perf_counter() - wall
        if answer.status != 200:
            raise SystemExit(f"{query}: {answer.status} {text.decode()}")
        connection.close()
        return {"wall": wall, "cpu": cpu, "peak": self.peak(), "result": rows_of(query, json.loads(text)["result"])}

    def peak(self):
        lines = open(f"/proc/{self.server.pid}/status").read().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

    def forget_peak(self):
        with open(f"/proc/{self.server.pid}/clear_refs", "w") as file:
            file.write("5")

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(30)
        shutil.rmtree(self.home)


class Peer:
    def __init__(self, engine, query, folder):
        command = [sys.executable, os.path.join(HERE, "peers.py"), engine, query, folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def run(self):
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def median(runs, member):
    values = sorted(run[member] for run in runs)
    return values[len(values) // 2]


def compare(headwater, query, folder, engines, reps, warm_ups):
    peers = {engine: Peer(engine, query, folder) for engine in engines}
    headwater.forget_peak()
    runs = {"headwater": []}
    first = headwater.run(query)
    for _ in range(warm_ups - 1):
        # Parts that are used again are taken into memory meanwhile.
        headwater.run(query)
        time.sleep(0.5)
    for engine, peer in list(peers.items()):
        run = peer.run()
        if run is None:
            print(f"  {engine} cannot answer {query}", file=sys.stderr)
            peers.pop(engine).stop()
            continue
        if not close(sorted(map(list, run["result"])), sorted(first["result"])):
            raise SystemExit(f"{query}: {engine} says {run['result']}, headwater {first['result']}")
        runs[engine] = []
    for _ in range(reps):
        runs["headwater"].append(headwater.run(query))
        for engine, peer in peers.items():
            runs[engine].append(peer.run())
    for peer in peers.values():
        peer.stop()
    figures = {name: [median(all_runs, member) for member in ("wall", "cpu", "peak")] for name, all_runs in runs.items()}
    ours = figures.pop("headwater")
    line = f"| {query} | {ours[0] * 1e3:.1f} / {ours[1] * 1e3:.1f} / {ours[2]:.0f} |"
    if figures:
        best = min(figures, key=lambda name: figures[name][1])
        lean = min(figure[2] for figure in figures.values())
        wall, cpu, _ = figures[best]
        line += f" {best} {wall * 1e3:.1f} / {cpu * 1e3:.1f} | {wall / ours[0]:.2f} | **{cpu / ours[1]:.2f}** | {lean:.0f} |"
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--queries", default=",".join(QUERIES))
    parser.add_argument("--peers", default=",".join(PEERS), help="'' for none")
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--warm-ups", type=int, default=1, help="calls of headwater before those that are timed; 4 to find all parts in memory")
    parser.add_argument("--split", action="store_true", help="register with --groups split: nothing is known of where groups are")
    parser.add_argument("--set", action="append", default=[], help="a setting of the server")
    options = parser.parse_args()
    settings = [word for setting in options.set for word in ("--set", setting)]
    register = ["--groups", "split"] if options.split else ["--validation", "all"]
    headwater = Headwater(options.program, options.folder, settings, register)
    try:
        print(f"load {os.getloadavg()[0]:.1f}; wall ms / cpu ms / peak MiB")
        print("| query | headwater | leanest peer | wall ratio | cpu ratio | least peak of peers |\n|---|---|---|---|---|---|")
        peers = [name for name in options.peers.split(",") if name]
        for query in options.queries.split(","):
            compare(headwater, query, options.folder, peers, options.reps, options.warm_ups)
    finally:
        headwater.stop()


if __name__ == "__main__":
    main()
