//! Measures what the crates cost, and says which figures are not within their limits.
//!
//! Exits with 0 when all are, 1 when one falls short, 2 when something could not be measured.

use std::cell::OnceCell;
use std::io::stdout;
use std::process::ExitCode;

use pipeline_benches::Failure;
use pipeline_benches::areas;
use pipeline_benches::artifacts;
use pipeline_benches::measure::Settings;
use pipeline_benches::metrics;
use pipeline_benches::report::Report;
use pipeline_benches::scheduler::million;
use pipeline_benches::threads::Threads;

const HELP: &str = "\
Usage: figures [--json] [--quick] [--dir DIR] [AREA | AREA/MEASURE]...

Prints a line for each figure: name, value, unit, limit, and whether it is within the limit. Without an area: all.

  --json   a JSON object a line
  --quick  a tenth of the size, to work on the measures: such figures tell nothing
  --dir    where artifacts are written, instead of a file system of our own (which needs root)
";

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{}", pipeline_core::ChainDisplay(&*failure));
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<ExitCode, Failure> {
    let (mut json, mut quick, mut dir, mut words) = (false, false, None, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--json" => json = true,
            "--quick" => quick = true,
            "--dir" => dir = Some(args.next().ok_or("`--dir` needs a directory")?.into()),
            "--help" | "-h" => {
                print!("{HELP}");
                return Ok(ExitCode::SUCCESS);
            }
            million::CHILD => {
                million::child(args.next().unwrap_or_default().parse()?)?;
                return Ok(ExitCode::SUCCESS);
            }
            metrics::CHILD => {
                let (log, threads) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
                metrics::child(&log, &threads)?;
                return Ok(ExitCode::SUCCESS);
            }
            artifacts::CHILD => {
                artifacts::child(&args.collect::<Vec<_>>())?;
                return Ok(ExitCode::SUCCESS);
            }
            option if option.starts_with('-') => {
                return Err(format!("there is no option `{option}`\n\n{HELP}").into());
            }
            _ => words.push(arg),
        }
    }
    let chosen = areas::choose(&words)?;
    if cfg!(debug_assertions) {
        return Err("a debug build measures nothing: run it with --release".into());
    }
    if let Some(load) = load().filter(|load| *load > 1.0) {
        eprintln!("the machine is busy (load {load}): figures are worth little, those on disk nothing");
    }
    let threads = Threads::start()?;
    let settings = Settings {
        threads: &threads,
        quick,
        dir,
        ground: OnceCell::new(),
    };
    let mut report = Report::new(stdout().lock(), json);
    for measure in chosen {
        (measure.run)(&settings, &mut report)?;
    }
    Ok(ExitCode::from(u8::from(report.short() > 0)))
}

/// How many processes wanted to run during the last minute, where the system says so (Linux).
fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
