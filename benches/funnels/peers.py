#!/usr/bin/env python3
"""Peers for the funnel queries F1..F8 over a folder of Parquet files: `peers.py ENGINE QUERY FOLDER` runs the query once for
each line that it reads. A time is plan + scan from page cache + compute + fetch of the (tiny) result, 2 threads everywhere.

What each query asks stands in `funnels.py`."""
import json, os, sys, time
TH = 2
os.environ["POLARS_MAX_THREADS"] = str(TH)
W30, W60 = 1_800_000, 3_600_000
S3 = ["view", "addtocart", "transaction"]
S5 = ["search", "view", "addtocart", "checkout", "transaction"]
ITEM = 291891
ENGINES = ["duckdb", "chdb", "polars", "datafusion"]
QUERIES = [f"F{i}" for i in range(1, 9)]


def inlist(steps):
    return ",".join(f"'{s}'" for s in steps)


# Plain SQL with chained window functions (DuckDB, DataFusion).
def sql_levels(steps, win, src, ms, key="user_id", extra="", where=""):
    """CTEs ending in table lv(key.., hit flags): exact 'latest start' dynamic programme."""
    p = f"PARTITION BY {key} ORDER BY t ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    s = (f"WITH e AS (SELECT user_id{extra}, {ms} AS t, event_type AS et FROM {src} "
         f"WHERE event_type IN ({inlist(steps)}){where})")
    prev = "e"
    cols = f"{key}, t, et"
    for i, st in enumerate(steps[:-1], 1):
        cond = f"et='{st}'" if i == 1 else f"et='{st}' AND t - s{i-1} <= {win}"
        val = "t" if i == 1 else f"s{i-1}"
        keep = "".join(f", s{j}" for j in range(1, i))
        s += (f", w{i} AS (SELECT {cols}{keep}, max(CASE WHEN {cond} THEN {val} END) OVER ({p}) AS s{i} FROM {prev})")
        prev = f"w{i}"
    n = len(steps)
    fl = [f"max(CASE WHEN s{i} IS NOT NULL THEN 1 ELSE 0 END) AS h{i}" for i in range(1, n)]
    fl.append(f"max(CASE WHEN et='{steps[-1]}' AND t - s{n-1} <= {win} THEN 1 ELSE 0 END) AS h{n}")
    return s + f", lv AS (SELECT {key}, {', '.join(fl)} FROM {prev} GROUP BY {key})"


def sql_query(q, src, ms, dialect):
    def sums(n):
        return ", ".join(f"sum(h{i})" for i in range(1, n + 1))
    if q == "F1":
        return f"SELECT count(DISTINCT user_id) FROM {src} WHERE event_type='transaction'"
    if q == "F2":
        return f"""WITH e AS (SELECT user_id, {ms} AS t, event_type AS et FROM {src} WHERE event_type IN ({inlist(S3)})),
 a AS (SELECT user_id, min(t) AS t1 FROM e WHERE et='{S3[0]}' GROUP BY user_id),
 b AS (SELECT e.user_id, min(e.t) AS t2 FROM e JOIN a ON e.user_id=a.user_id WHERE e.et='{S3[1]}' AND e.t>a.t1 GROUP BY e.user_id),
 c AS (SELECT count(DISTINCT e.user_id) AS n3 FROM e JOIN b ON e.user_id=b.user_id WHERE e.et='{S3[2]}' AND e.t>b.t2)
 SELECT (SELECT count(*) FROM a) AS n1, (SELECT count(*) FROM b) AS n2, (SELECT n3 FROM c) AS n3"""
    if q == "F3":
        return sql_levels(S3, W30, src, ms) + f" SELECT {sums(3)} FROM lv"
    if q == "F4":
        return sql_levels(S5, W60, src, ms) + f" SELECT {sums(5)} FROM lv"
    if q == "F5":
        return f"""SELECT count(*) FROM (SELECT user_id FROM {src} GROUP BY user_id
 HAVING sum(CASE WHEN event_type='transaction' THEN 1 ELSE 0 END) >= 2
 AND sum(CASE WHEN event_type='transaction' THEN price END) > 50
 AND max(CASE WHEN country='US' THEN 1 ELSE 0 END) = 1)"""
    if q == "F6":
        return (sql_levels(S3, W30, src, ms, key="user_id, device", extra=", device")
                + f" SELECT device, {sums(3)} FROM lv GROUP BY device ORDER BY device")
    if q == "F7":
        return (sql_levels(S3, W30, src, ms) + f""" SELECT event_type, count(*), sum(price) FROM {src}
 WHERE user_id IN (SELECT user_id FROM lv WHERE h3=1) GROUP BY event_type ORDER BY event_type""")
    if q == "F8":
        return sql_levels(S3, W30, src, ms, where=f" AND item_id={ITEM}") + f" SELECT {sums(3)} FROM lv"


def run_duckdb(q, d, variant=""):
    import duckdb
    c = duckdb.connect(config={"threads": TH})
    src = f"'{d}/*.parquet'"
    ms = "epoch_ms(ts)"
    if variant == "asof" and q in ("F3", "F6", "F8"):
        k = "user_id, device" if q == "F6" else "user_id"
        on = "a.user_id=b.user_id" + (" AND a.device=b.device" if q == "F6" else "")
        wh = f" AND item_id={ITEM}" if q == "F8" else ""
        s = f"""WITH e AS MATERIALIZED (SELECT {k}, {ms} AS t, event_type AS et FROM {src} WHERE event_type IN ({inlist(S3)}){wh}),
 c AS MATERIALIZED (SELECT a.*, b.t AS s1 FROM (FROM e WHERE et='addtocart') a ASOF JOIN (FROM e WHERE et='view') b ON {on} AND a.t>b.t WHERE a.t-b.t<={W30}),
 x AS (SELECT a.* FROM (FROM e WHERE et='transaction') a ASOF JOIN c b ON {on} AND a.t>b.t WHERE a.t-b.s1<={W30}) """
        if q == "F6":
            s += """SELECT device, max(n1), max(n2), max(n3) FROM (
  SELECT device, count(DISTINCT user_id) n1, 0 n2, 0 n3 FROM e WHERE et='view' GROUP BY 1
  UNION ALL SELECT device, 0, count(DISTINCT user_id), 0 FROM c GROUP BY 1
  UNION ALL SELECT device, 0, 0, count(DISTINCT user_id) FROM x GROUP BY 1) GROUP BY 1 ORDER BY 1"""
        else:
            s += "SELECT (SELECT count(DISTINCT user_id) FROM e WHERE et='view'), (SELECT count(DISTINCT user_id) FROM c), (SELECT count(DISTINCT user_id) FROM x)"
    else:
        s = sql_query(q, src, ms, "duckdb")
    return lambda: c.execute(s).fetchall()


def run_datafusion(q, d, variant=""):
    from datafusion import SessionContext, SessionConfig
    cfg = SessionConfig().with_target_partitions(TH)
    if variant == "pushdown":
        cfg = cfg.set("datafusion.execution.parquet.pushdown_filters", "true").set("datafusion.execution.parquet.reorder_filters", "true")
    ctx = SessionContext(cfg)
    ctx.register_parquet("ev", d)
    s = sql_query(q, "ev", "CAST(ts AS BIGINT)", "datafusion")

    def f():
        rows = []
        for b in ctx.sql(s).collect():
            rows += [tuple(r.values()) for r in b.to_pylist()]
        return rows
    return f


def run_chdb(q, d, variant=""):
    import chdb
    from chdb import session
    ses = session.Session()
    src = f"file('{d}/*.parquet', Parquet)"
    t = "toUInt64(toUnixTimestamp64Milli(ts))"

    def wf(steps, win):
        return f"windowFunnel({win})({t}, " + ", ".join(f"event_type='{s}'" for s in steps) + ")"

    def cnt(n):
        return ", ".join(f"countIf(l>={i})" for i in range(1, n + 1))
    w3 = f"event_type IN ({inlist(S3)})"
    if q == "F1":
        s = f"SELECT uniqExact(user_id) FROM {src} WHERE event_type='transaction'"
    elif q == "F2":
        s = f"SELECT {cnt(3)} FROM (SELECT {wf(S3, 10**11)} l FROM {src} WHERE {w3} GROUP BY user_id)"
        if variant == "seqmatch":
            cs = ", ".join(f"event_type='{x}'" for x in S3)
            s = (f"SELECT count(), sum(m2), sum(m3) FROM (SELECT sequenceMatch('(?1).*(?2)')({t}, {cs}) m2, "
                 f"sequenceMatch('(?1).*(?2).*(?3)')({t}, {cs}) m3, countIf(event_type='view') c FROM {src} WHERE {w3} GROUP BY user_id HAVING c>0)")
    elif q == "F3":
        s = f"SELECT {cnt(3)} FROM (SELECT {wf(S3, W30)} l FROM {src} WHERE {w3} GROUP BY user_id)"
    elif q == "F4":
        s = f"SELECT {cnt(5)} FROM (SELECT {wf(S5, W60)} l FROM {src} WHERE event_type IN ({inlist(S5)}) GROUP BY user_id)"
    elif q == "F5":
        s = (f"SELECT count() FROM (SELECT user_id FROM {src} GROUP BY user_id HAVING countIf(event_type='transaction')>=2 "
             f"AND sumIf(price, event_type='transaction')>50 AND max(country='US')=1)")
    elif q == "F6":
        s = f"SELECT device, {cnt(3)} FROM (SELECT device, {wf(S3, W30)} l FROM {src} WHERE {w3} GROUP BY user_id, device) GROUP BY device ORDER BY device"
    elif q == "F7":
        s = (f"SELECT event_type, count(), sum(price) FROM {src} WHERE user_id IN (SELECT user_id FROM {src} WHERE {w3} "
             f"GROUP BY user_id HAVING {wf(S3, W30)}=3) GROUP BY event_type ORDER BY event_type")
    elif q == "F8":
        s = f"SELECT {cnt(3)} FROM (SELECT {wf(S3, W30)} l FROM {src} WHERE {w3} AND item_id={ITEM} GROUP BY user_id)"
    s += f" SETTINGS max_threads={TH}"

    def f():
        out = ses.query(s, "JSONCompactEachRow").bytes().decode()
        return [tuple(int(x) if isinstance(x, str) and x.isdigit() else x for x in json.loads(l)) for l in out.splitlines()]
    return f


def run_polars(q, d, variant=""):
    import polars as pl
    eng = "in-memory" if variant == "inmem" else "streaming"
    C = pl.col

    def scan():
        return pl.scan_parquet(f"{d}/*.parquet")

    def levels(lf, steps, win, key=None):
        lf = lf.filter(C("event_type").is_in(steps)).select(
            (key if key is not None else C("user_id")).alias("k"), C("ts").dt.epoch("ms").alias("t"), C("event_type").alias("et"),
            *([C("device")] if key is not None else [])).sort("k", "t")
        ok = C("et") == steps[0]
        lf = lf.with_columns(ok.alias("h1"), C("t").alias("c1"))
        for i, st in enumerate(steps[1:], 2):
            lf = lf.with_columns(
                pl.when(C(f"h{i-1}")).then(C(f"c{i-1}")).forward_fill().alias(f"s{i-1}"),
                pl.when(C(f"h{i-1}")).then(C("k")).forward_fill().alias(f"u{i-1}"))
            lf = lf.with_columns(((C("et") == st) & (C(f"u{i-1}") == C("k")) & (C("t") - C(f"s{i-1}") <= win)).fill_null(False).alias(f"h{i}"),
                                 C(f"s{i-1}").alias(f"c{i}"))
        return lf

    def hits(lf, n):
        return lf.select(*[C("k").filter(C(f"h{i}")).n_unique().alias(f"n{i}") for i in range(1, n + 1)])

    def f():
        lf = scan()
        if q == "F1":
            r = lf.filter(C("event_type") == "transaction").select(C("user_id").n_unique())
        elif q == "F2":
            r = hits(levels(lf, S3, 10**14), 3)
        elif q == "F3":
            r = hits(levels(lf, S3, W30), 3)
        elif q == "F4":
            r = hits(levels(lf, S5, W60), 5)
        elif q == "F5":
            tr = C("event_type") == "transaction"
            r = (lf.group_by("user_id").agg(tr.sum().alias("n"), C("price").filter(tr).sum().alias("s"), (C("country") == "US").any().alias("us"))
                 .filter((C("n") >= 2) & (C("s") > 50) & C("us")).select(pl.len()))
        elif q == "F6":
            lv = levels(lf, S3, W30, key=C("user_id") * 8 + C("device").replace_strict(
                {"android": 0, "desktop": 1, "ios": 2, "tablet": 3, "tv": 4}, return_dtype=pl.Int64))
            r = lv.group_by("device").agg(*[C("k").filter(C(f"h{i}")).n_unique().alias(f"n{i}") for i in (1, 2, 3)]).with_columns(C("device").cast(pl.String)).sort("device")
        elif q == "F7":
            ids = levels(lf, S3, W30).filter(C("h3")).select(C("k").alias("user_id")).unique()
            r = scan().select("user_id", "event_type", "price").join(ids, on="user_id", how="semi").group_by("event_type").agg(pl.len(), C("price").sum()).with_columns(C("event_type").cast(pl.String)).sort("event_type")
        elif q == "F8":
            r = hits(levels(lf.filter(C("item_id") == ITEM), S3, W30), 3)
        return r.collect(engine=eng).rows()
    return f


def canon(rows):
    return [[round(float(x), 1) if isinstance(x, float) else (int(x) if isinstance(x, int) else (0 if x is None else str(x))) for x in r] for r in rows]


def zero(rows):                        # sums over no rows: NULL and 0.0 count as equal
    return [[0 if x in (None, 0.0) else x for x in r] for r in rows]


def serve(eng, q, d):
    """A run for each line on stdin, a line of JSON on stdout for each."""
    name, _, variant = eng.partition(":")
    f = globals()["run_" + name](q, d, variant)
    for _ in sys.stdin:
        t = time.perf_counter(); c = time.process_time()
        res = f()
        cpu = time.process_time() - c; wall = time.perf_counter() - t
        hwm = [int(l.split()[1]) / 1024 for l in open("/proc/self/status") if l.startswith("VmHWM")][0]
        print(json.dumps({"wall": wall, "cpu": cpu, "peak": hwm, "result": zero(canon(res))}), flush=True)


if __name__ == "__main__":
    serve(*sys.argv[1:4])
