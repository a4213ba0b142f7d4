//! Times the parsers of script options on the texts whose costs are known of the reference.
//!
//! `cargo run --profile quick -p hw-bench --bin options` prints a line per text: the least time of many runs for the second parser alone, the
//! handler of the second and that of the first, and the ratio of the reference's cost to the slower of ours. The reference's
//! costs were measured on another machine: the ratios tell an order of magnitude.
#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use hw_options::{NoScripts, Settings, Version, parse, resolve};

const MEGABYTE: usize = 1_000_000;
/// How long each figure is sought.
const PATIENCE: Duration = Duration::from_millis(700);

/// A text, and what it costs the reference in microseconds: second parser alone, with handler, handler of the first.
struct Case {
    name: &'static str,
    text: String,
    reference: [f64; 3],
    target: f64,
}

fn main() {
    println!("text | bytes | v2 parser | v2 handler | v1 handler | reference's best | ratio of v2, of v1 | target");
    for case in cases() {
        let text = case.text.as_bytes();
        let times = [
            least(|| parse(black_box(text)).map_or(0, |options| options.list.len())),
            least(|| handled(Version::V2, black_box(text))),
            least(|| handled(Version::V1, black_box(text))),
        ];
        let best = case.reference[1].min(case.reference[2]);
        let [parser, v2, v1] = times.map(|time| time.as_secs_f64() * 1e6);
        println!(
            "{} | {} | {} | {} | {} | {best} us | {:.1}, {:.1} | {}",
            case.name,
            text.len(),
            told(parser, text.len()),
            told(v2, text.len()),
            told(v1, text.len()),
            best / v2,
            best / v1,
            case.target,
        );
    }
}

fn handled(version: Version, text: &[u8]) -> usize {
    let resolved = resolve(text, Settings::new(version), &mut NoScripts);
    resolved.map_or(0, |resolved| resolved.code.len() + resolved.jars.len())
}

fn told(micros: f64, bytes: usize) -> String {
    format!("{micros:.2} us, {:.2} GB/s", bytes as f64 / micros / 1e3)
}

/// The least time of a run, where short ones are repeated to fill a tick of the clock.
fn least(mut run: impl FnMut() -> usize) -> Duration {
    let mut repeats = 1;
    let mut best = Duration::MAX;
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let start = Instant::now();
        for _ in 0..repeats {
            black_box(run());
        }
        let time = start.elapsed();
        if time < Duration::from_micros(50) {
            repeats *= 2;
        } else {
            best = best.min(time / repeats);
        }
    }
    best
}

fn cases() -> [Case; 5] {
    [
        Case {
            name: "2 KB, 5 options",
            text: typical(),
            reference: [7.1, 9.7, 1.8],
            target: 3.0,
        },
        Case {
            name: "1 MB without `%`",
            text: lines(|text, number| writeln!(text, "    int value{number} = compute(left, right) + {number};")),
            reference: [1200.0, 1300.0, 220.0],
            target: 8.0,
        },
        Case {
            name: "1 MB, `%` in every line",
            text: lines(|text, number| writeln!(text, "    int value{number} = left % {number} + right;")),
            reference: [16_800.0, 16_800.0, 580.0],
            target: 5.0,
        },
        Case {
            name: "1 MB, 10,000 `%jar` lines",
            text: jars(),
            reference: [10_000.0, 36_000.0, 81_000.0],
            target: 20.0,
        },
        Case {
            name: "1 MB in one line",
            text: lines(|text, number| write!(text, " value{number} = left % {number};")),
            reference: [10_600.0, 10_800.0, 1400.0],
            target: 10.0,
        },
    ]
}

fn typical() -> String {
    let mut text = String::from(
        "%scriptclass com.acme.udf.Main;\n%jar /buckets/bfsdefault/default/jars/acme-udf-1.4.2.jar;\n\
         %jar /buckets/bfsdefault/default/jars/commons-lang3-3.14.0.jar;\n%jvmoption -Xmx512m -Dacme.mode=fast;\n\
         %jvmoption -Dacme.level=3;\n",
    );
    let mut number = 0;
    while text.len() < 2000 {
        let _ = writeln!(
            text,
            "    static long step{number}(long value) {{ return value * {number} + 1; }}"
        );
        number += 1;
    }
    text
}

fn lines(line: impl Fn(&mut String, usize) -> std::fmt::Result) -> String {
    let mut text = String::with_capacity(MEGABYTE + 200);
    let mut number = 0;
    while text.len() < MEGABYTE {
        let _ = line(&mut text, number);
        number += 1;
    }
    text
}

fn jars() -> String {
    let mut text = String::new();
    for number in 0..10_000 {
        let _ = writeln!(
            text,
            "%jar /buckets/bfsdefault/default/libraries/lib{:05}.jar;{:42}",
            number * 7919 % 10_000,
            ""
        );
    }
    text
}
