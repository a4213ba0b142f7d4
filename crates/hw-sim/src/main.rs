//! `hw-sim [--seeds N] [--from S] [--steps K] [--verbose SEED]`: runs seeds until one breaks a promise.

use std::process::ExitCode;
use std::time::Instant;

use hw_sim::{Broken, Simulation};

const USAGE: &str = "usage: hw-sim [--seeds N] [--from S] [--steps K] [--verbose SEED]";

/// What is asked for.
struct Wanted {
    seeds: u64,
    from: u64,
    steps: u64,
    verbose: Option<u64>,
}

fn main() -> ExitCode {
    match wanted(std::env::args().skip(1)) {
        Ok(wanted) => simulate(&wanted),
        Err(fault) => {
            eprintln!("{fault}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted {
        seeds: 1_000,
        from: 0,
        steps: 120,
        verbose: None,
    };
    while let Some(option) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
        let value = value.ok_or_else(|| format!("`{option}` needs a number"));
        match option.as_str() {
            "--seeds" => wanted.seeds = value?,
            "--from" => wanted.from = value?,
            "--steps" => wanted.steps = value?,
            "--verbose" => wanted.verbose = Some(value?),
            _ => return Err(format!("unknown option `{option}`")),
        }
    }
    Ok(wanted)
}

fn simulate(wanted: &Wanted) -> ExitCode {
    let simulation = Simulation::in_memory(usize::try_from(wanted.steps).unwrap_or(usize::MAX));
    match wanted.verbose {
        Some(seed) => tell(&simulation, seed),
        None => run(&simulation, wanted),
    }
}

fn tell(simulation: &Simulation, seed: u64) -> ExitCode {
    let (trace, violation) = simulation.tell(seed);
    trace.iter().for_each(|line| println!("{line}"));
    match violation {
        None => ExitCode::SUCCESS,
        Some(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tells people how fast it went; nothing is decided by it"
)]
fn run(simulation: &Simulation, wanted: &Wanted) -> ExitCode {
    // A panic is a violation like any other, met again at each replay; `--verbose` shows where it comes from.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    for seed in (wanted.from..).take(usize::try_from(wanted.seeds).unwrap_or(usize::MAX)) {
        if let Err(broken) = simulation.run(seed) {
            report(&broken);
            return ExitCode::FAILURE;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let speed = wanted.seeds as f64 / seconds.max(0.001);
    println!("{} seeds clean, {speed:.0} schedules per second", wanted.seeds);
    ExitCode::SUCCESS
}

fn report(broken: &Broken) {
    println!("seed {} breaks a promise", broken.seed);
    println!("{}", broken.violation);
    println!("the shortest script found, {} actions:", broken.script.len());
    broken.script.iter().for_each(|action| println!("  {action}"));
    println!("what happens in it:");
    broken.trace.iter().for_each(|line| println!("  {line}"));
}
