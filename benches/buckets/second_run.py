#!/usr/bin/env python3
"""First and second run of a funnel over parts in a bucket, with simulated latency for each request.

    second_run.py HEADWATER [--parts 64] [--rows 20000] [--latency 20] [--workers 4] [--repeat 5]

Needs moto's server: pip install 'moto[s3]==5.2.5' flask flask-cors. It is started here, in this process; every request waits for
the latency before it is answered, requests side by side wait side by side. A server with one slot and further worker processes of
one slot share a data folder; each repetition begins without a cache and without processes, and asks twice. The memory
tier is off (cache.memory=0B), so that the second run reads the disk. The second run over the same parts as local files tells what
the cache could not save.
"""
import argparse, http.client, json, os, shutil, statistics, subprocess, sys, tempfile, threading, time, urllib.request

os.environ.setdefault("AWS_ACCESS_KEY_ID", "x")
os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "x")

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server, WSGIRequestHandler

SIGNED = "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
QUERY = {"query": {"conditions": [{"filter": ["event", "==", "buy"], "target": ["sum", "price", ">=", 100]}]},
         "funnel": {"sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}]}}


class Quiet(WSGIRequestHandler):
    def log_request(self, *args):
        pass


class Store:
    """The server, its requests counted and delayed."""

    def __init__(self):
        self.latency, self.counts, self.lock = 0.0, {}, threading.Lock()
        self.app = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self.answer, threaded=True, request_handler=Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, environ, start):
        listing = "list-type" in environ.get("QUERY_STRING", "")
        kind = "list" if listing else environ["REQUEST_METHOD"].lower()
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1
        time.sleep(self.latency)
        return self.app(environ, start)

    def take(self):
        with self.lock:
            taken, self.counts = self.counts, {}
        return taken

    def put(self, path, body=b""):
        link = http.client.HTTPConnection("127.0.0.1", self.server.server_port)
        link.request("PUT", path, body, {"Authorization": SIGNED})
        answer = link.getresponse()
        text = answer.read()
        assert answer.status == 200, (path, answer.status, text)


class Deployment:
    def __init__(self, program, folder, workers):
        self.program, self.folder, self.workers, self.running = program, folder, workers, []

    def run(self, *args):
        done = subprocess.run([self.program, *args], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, (args, done.stderr)
        return done.stdout

    def start(self):
        log = open(os.path.join(self.folder, "log"), "a")
        commands = [["up", "--listen", "127.0.0.1:0"]] + [["worker", "--slots", "1"]] * (self.workers - 1)
        self.running = [subprocess.Popen([self.program, *c], cwd=self.folder, stdout=log, stderr=log) for c in commands]
        document = os.path.join(self.folder, ".headwater/server.json")
        while True:
            try:
                server = json.load(open(document))
                if server["pid"] == self.running[0].pid:
                    self.http = server["http"]
                    break
            except (OSError, ValueError):
                pass
            time.sleep(0.02)
        while len(json.loads(urllib.request.urlopen(self.http + "/api/v1/workers").read())["items"]) < self.workers:
            time.sleep(0.05)

    def stop(self):
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait()

    def ask(self, table="events"):
        body = json.dumps({"table": table, "query": QUERY, "cache": False}).encode()
        request = urllib.request.Request(self.http + "/api/v1/funnels/run?wait=60s", body, {"content-type": "application/json"})
        began = time.monotonic()
        answer = json.loads(urllib.request.urlopen(request).read())
        return time.monotonic() - began, answer["result"]


def make_parts(deployment, store, parts, rows):
    view = (f"select value / 20 as user_id, value % 20 * 1000 as ts, case value % 5 when 0 then 'view' when 1 then 'cart' when 2 "
            f"then 'buy' else 'other' end as event, (value * 7919) % 100000 / 100.0 as price, md5(cast(value as varchar)) as session, "
            f"md5(cast(value + 1 as varchar)) as page from generate_series(0, {parts * rows - 1})")
    deployment.run("sql", f"create view made as {view}")
    out = os.path.join(deployment.folder, "parts")
    deployment.run("table", "export", "made", out + "/", "--as", "parquet", "--rows-per-file", str(rows))
    names = sorted(name for name in os.listdir(out) if name.endswith(".parquet"))
    store.put("/shop")
    for name in names:
        store.put(f"/shop/data/{name}", open(os.path.join(out, name), "rb").read())
    size = sum(os.path.getsize(os.path.join(out, name)) for name in names)
    print(f"{len(names)} parts, {size / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("headwater", type=os.path.abspath)
    for name, default in [("parts", 64), ("rows", 20_000), ("latency", 20), ("workers", 4), ("repeat", 5)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="second-run-")
    store, deployment = Store(), Deployment(args.headwater, folder, args.workers)
    with open(os.path.join(folder, "headwater.toml"), "w") as file:
        file.write(f'[s3]\nendpoint = "http://127.0.0.1:{store.server.server_port}"\nregion = "us-east-1"\naccess_key_id = "x"\n'
                   'secret_access_key = "x"\n[worker]\nslots = 1\n[cache]\nmemory = "0B"\n')
    try:
        make_parts(deployment, store, args.parts, args.rows)
        deployment.run("table", "register", "events", "s3://shop/data/", "--group", "user_id", "--time", "ts", "--skip-uniques")
        deployment.run("table", "register", "local", os.path.join(folder, "parts"), "--group", "user_id", "--time", "ts", "--skip-uniques")
        store.latency = args.latency / 1000
        firsts, seconds, locals_ = [], [], []
        for _ in range(args.repeat):
            shutil.rmtree(os.path.join(folder, ".headwater/cache"), ignore_errors=True)
            deployment.start()
            store.take()
            (first, one), asked_first = deployment.ask(), store.take()
            (second, two), asked_second = deployment.ask(), store.take()
            deployment.ask("local")
            local, _ = deployment.ask("local")
            deployment.stop()
            assert one["query"] == two["query"] and one["funnel"] == two["funnel"]
            ratio = two["stats"]["worker"]["cacheHitRatio"]
            assert set(asked_second) <= {"list", "head"}, asked_second
            print(f"first {first * 1000:6.0f} ms {asked_first}   second {second * 1000:6.0f} ms {asked_second}   hits {ratio:.0%}   "
                  f"local files {local * 1000:.0f} ms")
            firsts.append(first)
            seconds.append(second)
            locals_.append(local)
        first, second = statistics.median(firsts), statistics.median(seconds)
        print(f"median: first {first * 1000:.0f} ms, second {second * 1000:.0f} ms, {first / second:.1f} times faster; "
              f"the same parts as local files {statistics.median(locals_) * 1000:.0f} ms")
    finally:
        deployment.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
