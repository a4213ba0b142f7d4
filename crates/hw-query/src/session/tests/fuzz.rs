//! Statements that nobody would write: valid ones, cut, spliced and sprinkled. None may panic, hang or be carried out
//! where it would write.
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures::StreamExt;

use super::*;

/// Time for all mutations of one seed.
const TIME: Duration = Duration::from_secs(4);

/// Time for one statement, in a debug build on a busy machine.
const TIME_EACH: Duration = Duration::from_secs(20);

const CORPUS: &[&str] = &[
    "SELECT * FROM events WHERE ts BETWEEN 10 AND 30 ORDER BY ts DESC LIMIT 2 OFFSET 1",
    "SELECT event, count(*) AS n, sum(\"Price\") FROM events GROUP BY event HAVING count(*) > 1 ORDER BY n",
    "WITH a AS (SELECT \"user\", max(ts) AS last FROM events GROUP BY 1) SELECT * FROM a JOIN events e USING (\"user\")",
    "SELECT row_number() OVER (PARTITION BY event ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM events",
    "SELECT CASE WHEN ts > 10 THEN 'late' ELSE event END, COALESCE(event, '-') FROM events",
    "SELECT e.*, (SELECT max(ts) FROM events x WHERE x.\"user\" = e.\"user\") FROM events e WHERE EXISTS (SELECT 1)",
    "SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3 INTERSECT SELECT 4",
    "SELECT * FROM 'events/*.parquet' WHERE event LIKE 'v%' AND NOT event IN ('a', 'b') OR event IS NULL",
    "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) AS t(x, y) CROSS JOIN generate_series(1, 3) AS g(n)",
    "SELECT CAST('2024-02-29' AS DATE) + INTERVAL '1' DAY, date_trunc('month', TIMESTAMP '2024-01-01 00:00:00')",
    "SELECT [1, 2, 3][2], {'a': 1}['a'], make_array(1, 2), named_struct('x', 1).x",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
    "SELECT event, ts, grouping(event) FROM events GROUP BY GROUPING SETS ((event), (ts), ()) ORDER BY ALL",
    "SELECT unnest([1, 2, NULL]) AS x, u.* FROM events e, UNNEST([e.ts, 1]) AS u(v)",
    "SELECT DISTINCT ON (event) event, ts FROM events ORDER BY event, ts NULLS LAST",
    "SELECT * EXCLUDE (ts) REPLACE (upper(event) AS event) FROM events QUALIFY rank() OVER (ORDER BY ts) = 1",
    "SELECT array_agg(ts ORDER BY ts), string_agg(event, ','), approx_distinct(ts), median(ts) FROM events",
    "SELECT * FROM events a LEFT JOIN LATERAL (SELECT max(ts) AS m FROM events b WHERE b.ts < a.ts) l ON true",
    "SELECT regexp_replace(event, '(.)', 'x'), substr(event, 2), split_part(event, 'e', 1), to_char(now(), '%Y') FROM events",
    "SELECT a.ts FROM events a FULL JOIN events b ON a.ts < b.ts AND a.event = b.event WHERE a.ts IS DISTINCT FROM b.ts",
    "FROM events |> WHERE ts > 1 |> SELECT event",
    "EXPLAIN SELECT count(DISTINCT event) FILTER (WHERE ts > 1) FROM events",
    "SHOW COLUMNS FROM events",
    "DESCRIBE twice",
    "SELECT * FROM information_schema.tables",
    "SELECT $1::INT, $2 || 'x', -$3",
    "SET datafusion.execution.batch_size = 100",
    "INSERT INTO events SELECT * FROM events",
    "CREATE TABLE t (a INT) AS SELECT 1",
    "COPY events TO 'out.csv' STORED AS CSV",
    "DELETE FROM events WHERE ts IN (SELECT 1)",
];

const SPRINKLES: &[&str] = &[
    "(",
    ")",
    "'",
    "\"",
    ";",
    ",",
    ".",
    "*",
    "--",
    "/*",
    "*/",
    "$1",
    "NULL",
    "AND",
    "OR",
    "NOT",
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "UNION",
    "JOIN",
    "ON true",
    "AS",
    "IN",
    "BETWEEN",
    "LIMIT",
    "LATERAL",
    "UNNEST",
    "OVER ()",
    "::",
    "||",
    "->",
    "=>",
    "0",
    "-1",
    "1e308",
    "9223372036854775808",
    "''",
    "\u{0}",
    "ä",
    "🚀",
    "\\",
    "@",
    "#",
    "$$",
    "`",
    "[",
    "]",
    "{",
    "}",
    "INTERVAL",
    "CASE",
    "END",
    "EXISTS",
    "DISTINCT",
    "ALL",
    "ROLLUP(ts)",
    "QUALIFY",
    "TABLESAMPLE (1)",
    "WITH",
    "RECURSIVE",
    "VALUES",
    "EXPLAIN",
    "DROP TABLE events",
    "events",
    "twice",
    "now()",
];

/// A small generator of numbers: what a seed gives can be given again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

fn mutated(dice: &mut Dice) -> String {
    let mut words: Vec<String> = dice.one(CORPUS).split(' ').map(str::to_owned).collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(words.len());
        match dice.below(7) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, dice.one(SPRINKLES).to_owned()),
            2 => words[at] = dice.one(SPRINKLES).to_owned(),
            3 => {
                let other = dice.below(words.len());
                words.swap(at, other);
            }
            4 => {
                let other: Vec<&str> = dice.one(CORPUS).split(' ').collect();
                let from = dice.below(other.len());
                words.truncate(at);
                words.extend(other[from..].iter().map(|word| (*word).to_owned()));
            }
            5 => {
                let chars: Vec<char> = words[at].chars().collect();
                words[at] = chars[..dice.below(chars.len() + 1)].iter().collect();
            }
            _ => words[at] = words[at].repeat(1 + dice.below(3)),
        }
        if words.is_empty() {
            words.push("SELECT".to_owned());
        }
    }
    words.join(" ")
}

/// Runs mutations for [`TIME`]; at least one.
async fn fuzz(seed: u64) {
    let world = world().await;
    let session = world.session();
    let files = || std::fs::read_dir(world.folder.path()).unwrap().count();
    let before = files();
    let mut dice = Dice(seed | 1);
    let started = tokio::time::Instant::now();
    let mut count = 0;
    while started.elapsed() < TIME || count == 0 {
        count += 1;
        let sql = mutated(&mut dice);
        let told = |what: &str| format!("seed {seed}, statement {count}: {what}\n{sql:?}");
        let first = async {
            let mut rows = session.run(&sql, &[]).await?;
            rows.stream.next().await.transpose()
        };
        let outcome = tokio::time::timeout(TIME_EACH, first).await;
        if let Err(error) = outcome.unwrap_or_else(|_| panic!("{}", told("no answer in time"))) {
            let words = error.to_string();
            assert!(!words.contains("unexpectedly"), "{}", told(&words));
            for finding in error.findings() {
                let offset = finding.offset.unwrap_or(0) as usize;
                assert!(sql.is_char_boundary(offset), "{}", told("a place within a character"));
                drop(crate::caret(&sql, &finding));
            }
        }
    }
    assert_eq!(files(), before, "seed {seed}: something was written");
    drop(crate::split_statements(&mutated(&mut dice)));
}

#[tokio::test]
async fn known_seeds_find_nothing() {
    fuzz(0x5eed).await;
}

#[tokio::test]
async fn fresh_seeds_find_nothing() {
    fuzz(RandomState::new().hash_one("fresh")).await;
}
