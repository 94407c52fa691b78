use super::ours;
use super::race::{Counts, Race};
use super::trees;
use crate::Failure;
use crate::measure::Settings;
use crate::report::Sink;

/// Ten times the files, eleven times the time.
const LIMIT: f64 = 11.0;
const WORK: &str = "scale";

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let (few, many) = (
        trees::many(ground, settings.size(5_000))?,
        trees::many(ground, settings.size(50_000))?,
    );
    let names = [&few, &many].map(|made| format!("{} files", made.files));
    let mut race = Race::new("scale", 5);
    for (made, name) in [&few, &many].into_iter().zip(&names) {
        race.all(
            name,
            Box::new(move || {
                let store = ours::fresh(ground, WORK)?;
                Ok(ground.time(|| ours::ingest(&store, &made.path, 0))?.0)
            }),
        );
    }
    let finish = race.run()?;
    ground.gone(&ours::place(WORK))?;
    finish.told(sink, Counts::Durable)?;
    finish.ratio(sink, Counts::Durable, (&names[1], &names[0]), Some(LIMIT))
}
