use super::ground::Ground;
use super::trees::{self, Made};
use super::{many, ours, peak};
use crate::Failure;
use crate::measure::Settings;
use crate::report::{Figure, Sink};

/// The most memory, in MiB, whatever the size of the artifact.
const LIMIT: f64 = 64.0;
const WORK: &str = "memory";

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let large = trees::large(ground, u64::from(settings.size(2_000)) << 20)?;
    of("one large file", &large, ground, sink)?;
    ground.gone("large")?;
    of("many files", &many::tree(settings)?, ground, sink)?;
    let names = trees::names(ground, settings.size(500_000))?;
    of(&format!("{} files", names.files), &names, ground, sink)?;
    for name in ["names", "contents"] {
        ground.gone(name)?;
    }
    Ok(())
}

/// The most memory that a process ever had which does one thing and nothing else: on Linux its `VmHWM`, so with the program
/// and its libraries.
fn of(name: &str, tree: &Made, ground: &Ground, sink: &mut dyn Sink) -> Result<(), Failure> {
    let store = ground.gone(&ours::place(WORK))?;
    let out = ground.gone("out")?;
    for what in ["pack", "verify", "materialise"] {
        let name = format!("memory, {name}: {what}");
        let peak = peak::of(what, &store, &tree.path, &out)?;
        sink.figure(match peak {
            Some(peak) => Figure::at_most(LIMIT, name, peak as f64 / f64::from(1 << 20), "MiB"),
            None => Figure::none(LIMIT, name, "MiB"),
        })?;
    }
    for name in [&*ours::place(WORK), "out"] {
        ground.gone(name)?;
    }
    Ok(())
}
