use super::{many, ours, peak, trees};
use crate::Failure;
use crate::measure::Settings;
use crate::report::{Figure, Sink};

/// The most memory, in MiB, whatever the size of the artifact.
const LIMIT: f64 = 64.0;
const WORK: &str = "memory";

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let large = trees::large(ground, u64::from(settings.size(2_000)) << 20)?;
    for (name, tree) in [("one large file", large), ("many files", many::tree(settings)?)] {
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
    }
    for name in [&*ours::place(WORK), "out", "large"] {
        ground.gone(name)?;
    }
    Ok(())
}
