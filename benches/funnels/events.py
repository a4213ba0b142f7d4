#!/usr/bin/env python3
"""Deterministic synthetic e-commerce event data, hash-partitioned by user into P Parquet files.

    events.py --rows 5000000 --parts 16 --out DIR [--order ts|user_ts|shuffle]
                  [--user-id int|string] [--seed 1] [--zstd 3] [--row-group 250000]

Same arguments -> same rows (the generator avoids any unstable sort).  Parts are independent,
so memory stays near rows/parts * 120 bytes.

Columns: user_id int64 (or string), ts timestamp[ms], event_type dict<string>, item_id int64,
price float64 nullable, country dict<string>, device dict<string>, session string.

Guarantees: all events of a user are in one part, part = splitmix64(user_id) % P;
(user_id, ts) is unique, so no tie-breaking rule can change a funnel answer;
price is never null for a transaction, null for non-item events.
"""
import argparse, os, time
import numpy as np, pyarrow as pa, pyarrow.parquet as pq

TYPES = ["view", "search", "home", "filter", "addtocart", "viewcart", "checkout", "payment",
         "transaction", "login", "promo", "account", "wishlist", "review", "compare", "share",
         "logout", "support", "error", "email_open"]
PRICED = np.array([t in ("view", "addtocart", "transaction") for t in TYPES])
STICKY = np.array([{"addtocart": .92, "viewcart": .95, "checkout": .97, "payment": .97,
                    "transaction": .98, "view": .25, "review": .7}.get(t, .5) for t in TYPES])
COUNTRIES = ["US", "DE", "FR", "GB", "IN", "BR", "JP", "ES", "IT", "CA", "NL", "PL", "SE", "MX", "AU",
             "KR", "TR", "PT", "BE", "AT", "CH", "DK", "NO", "FI", "IE", "CZ", "RO", "GR", "HU", "NZ"]
DEVICES = ["android", "desktop", "ios", "tablet", "tv"]
N_ITEMS = 200_003                      # prime
T0 = np.datetime64("2025-01-01T00:00:00", "ms").astype(np.int64)
DAYS = 90
U64 = np.uint64


def splitmix64(x):
    x = x.astype(U64)
    with np.errstate(over="ignore"):
        x = x + U64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> U64(27))) * U64(0x94D049BB133111EB)
    return x ^ (x >> U64(31))


def user_ids(n):                       # bijective scramble into 48 bits
    with np.errstate(over="ignore"):
        return ((np.arange(1, n + 1, dtype=U64) * U64(0x9E3779B97F4B)) & U64((1 << 48) - 1)).astype(np.int64)


def transition():
    base = np.array([.42, .17, .10, .07, .045, .02, .006, .003, .002] + [0.0] * 11)
    tail = 1.0 / np.arange(1, 12)
    base[9:] = (1 - base.sum()) * tail / tail.sum()
    m = np.tile(base, (20, 1))
    ix = {t: i for i, t in enumerate(TYPES)}

    def boost(frm, **to):
        left = 1 - sum(to.values())
        m[ix[frm]] = base * left
        for t, p in to.items():
            m[ix[frm], ix[t]] += p
    boost("search", view=.35)
    boost("view", addtocart=.06)
    boost("addtocart", viewcart=.30, checkout=.08)
    boost("viewcart", checkout=.32)
    boost("checkout", payment=.55)
    boost("payment", transaction=.70)
    return np.cumsum(m / m.sum(1, keepdims=True), axis=1)


def item_rank_to_id(r):
    return 100_000 + (r.astype(np.int64) * 7919) % N_ITEMS


def pick_zipf(rng, n, k, s=1.0):
    w = 1.0 / np.arange(1, k + 1) ** s
    return np.searchsorted(np.cumsum(w / w.sum()), rng.random(n)).clip(0, k - 1)


def hexstr(x, width):                  # uint64 -> fixed-width hex strings, as an arrow array
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    sh = np.arange(width - 1, -1, -1, dtype=U64) * U64(4)
    out = digits[((x[:, None] >> sh) & U64(15)).astype(np.uint8)]
    n = len(x)
    off = (np.arange(n + 1, dtype=np.int64) * width).astype(np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(off), pa.py_buffer(np.ascontiguousarray(out)))


def make_part(a, p, uids, weights, wsum):
    rng = np.random.default_rng([a.seed, a.rows, a.parts, p])
    quota = a.rows // a.parts + (1 if p < a.rows % a.parts else 0)
    mine = np.flatnonzero(splitmix64(uids) % U64(a.parts) == U64(p))
    mean_len = 7.0
    x = weights[mine] / weights[mine].sum() * (quota / mean_len * 1.08)
    ns = (np.floor(x) + (rng.random(len(x)) < x % 1)).astype(np.int64)
    home = pick_zipf(rng, len(mine), len(COUNTRIES), 0.9).astype(np.int8)
    main_dev = pick_zipf(rng, len(mine), len(DEVICES), 0.7).astype(np.int8)
    su = np.repeat(np.arange(len(mine)), ns)
    rng.shuffle(su)                    # truncation below then trims all users alike
    slen = np.minimum(rng.geometric(1 / mean_len, len(su)), 80)
    cut = int(np.searchsorted(np.cumsum(slen), quota)) + 1
    su, slen = su[:cut], slen[:cut]
    S = len(su)
    day = rng.integers(0, DAYS, S)
    hour = np.clip(rng.normal(15, 4.5, S), 0, 23.999)
    start = (day * 86_400_000 + hour * 3_600_000).astype(np.int64) + rng.integers(0, 60_000, S)
    ctry = np.where(rng.random(S) < .97, home[su], pick_zipf(rng, S, len(COUNTRIES), .9)).astype(np.int32)
    dev = np.where(rng.random(S) < .80, main_dev[su], pick_zipf(rng, S, len(DEVICES), .7)).astype(np.int32)
    sess_hash = splitmix64(np.arange(S, dtype=U64) + U64(p) * U64(1 << 40) + U64(a.seed) * U64(1 << 56))

    cum = transition()
    offs = np.concatenate([[0], np.cumsum(slen)])
    n = int(offs[-1])
    et = np.empty(n, np.int32); item = np.empty(n, np.int32); ts = np.empty(n, np.int64)
    act = np.argsort(-slen, kind="stable")          # longest first: active set is a prefix
    act_len = slen[act]
    prev = rng.choice(4, S, p=[.25, .25, .42, .08]).astype(np.int32)     # entry event
    prev_item = np.exp(rng.random(S) * np.log(N_ITEMS)).astype(np.int32)
    t = start[act].copy()
    k = 0
    while True:
        m = int(np.searchsorted(-act_len, -k, side="left"))              # sessions with len > k
        if m == 0:
            break
        if k:
            r = rng.random(m)
            cur = np.zeros(m, np.int32)
            pv = prev[:m]
            for j in range(20):
                cur += (r >= cum[pv, j]).astype(np.int32)
            cur = np.minimum(cur, 19)
            fresh = np.exp(rng.random(m) * np.log(N_ITEMS)).astype(np.int32)
            prev_item[:m] = np.where(rng.random(m) < STICKY[cur], prev_item[:m], fresh)
            prev[:m] = cur
            t[:m] += np.minimum(rng.lognormal(np.log(20_000), 1.3, m), 1_500_000).astype(np.int64)
        pos = offs[act[:m]] + k
        et[pos] = prev[:m]; item[pos] = prev_item[:m]; ts[pos] = t[:m]
        k += 1
    sidx = np.repeat(np.arange(S, dtype=np.int32), slen)
    et, item, ts, sidx = et[:quota], item[:quota], ts[:quota], sidx[:quota]
    n = len(et)
    assert n == quota, (n, quota)
    u = su[sidx]
    o = np.argsort(u * (1 << 34) + ts, kind="stable")
    et, item, ts, sidx, u = et[o], item[o], ts[o], sidx[o], u[o]
    big = 1 << 35                                   # make ts strictly increasing per user
    i = np.arange(n)
    ts = np.maximum.accumulate((ts - i + (1 << 33)) + u * big) - u * big + i - (1 << 33)
    if a.order == "ts":
        o = np.argsort(ts * (1 << 22) + u, kind="stable")
    elif a.order == "shuffle":
        o = rng.permutation(n)
    else:
        o = None
    if o is not None:
        et, item, ts, sidx, u = et[o], item[o], ts[o], sidx[o], u[o]
    iid = item_rank_to_id(item)
    h = (splitmix64(iid) >> U64(11)).astype(np.float64) / (1 << 53)
    price = np.round(np.exp(0.5 + 5.0 * h ** 1.7), 2)
    null = ~PRICED[et] | ((et != 8) & (rng.random(n) < .04))
    uid = uids[mine][u]

    def dic(codes, vals):
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(vals))
    return pa.table({
        "user_id": pa.array(uid) if a.user_id == "int" else hexstr(uid.astype(U64), 12),
        "ts": pa.array(ts + T0).cast(pa.timestamp("ms")),
        "event_type": dic(et, TYPES), "item_id": pa.array(iid),
        "price": pa.array(price, mask=null), "country": dic(ctry[sidx], COUNTRIES),
        "device": dic(dev[sidx], DEVICES), "session": hexstr(sess_hash[sidx], 12)})


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--rows", type=int, required=True)
    ap.add_argument("--parts", type=int, default=16)
    ap.add_argument("--out", required=True)
    ap.add_argument("--order", choices=["ts", "user_ts", "shuffle"], default="ts")
    ap.add_argument("--user-id", choices=["int", "string"], default="int")
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--events-per-user", type=int, default=25)
    ap.add_argument("--zstd", type=int, default=3)
    ap.add_argument("--row-group", type=int, default=250_000)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    U = max(a.rows // a.events_per_user, a.parts)
    uids = user_ids(U)
    w = (np.arange(U) + 20.0) ** -0.75
    t0 = time.time(); size = 0
    for p in range(a.parts):
        t = make_part(a, p, uids, w, w.sum())
        f = os.path.join(a.out, f"part-{p:04d}.parquet")
        pq.write_table(t, f, compression="zstd", compression_level=a.zstd, row_group_size=a.row_group,
                       use_dictionary=["event_type", "country", "device", "item_id", "price", "session", "user_id"])
        size += os.path.getsize(f)
    print(f"{a.rows} rows, {a.parts} parts, {size/1e6:.1f} MB, {time.time()-t0:.1f} s; "
          f"item of rank 100 = {item_rank_to_id(np.array([100]))[0]}")


if __name__ == "__main__":
    main()
