use super::many::{self, WORK};
use super::ours;
use super::programs::STORES;
use super::race::{Counts, Race};
use crate::measure::Settings;
use crate::report::Sink;
use crate::{Failure, ensure};

/// Five times as fast as every peer.
const OVER_PEER: f64 = 1.0 / 5.0;

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let made = many::tree(settings)?;
    let store = ours::fresh(ground, WORK)?;
    ours::ingest(&store, &made.path, 0)?;
    let mut race = Race::new("verify", 5);
    race.all(
        ours::NAME,
        Box::new(|| {
            let (time, report) = ground.time(|| Ok(store.verify()?))?;
            ensure(report.is_good() && report.bytes > made.bytes, &report.to_string())?;
            Ok(time)
        }),
    );
    for program in STORES {
        if program.can_verify() && many::has_store(program, settings, sink)? {
            race.some(
                program.name,
                2,
                Box::new(move || Ok(ground.time(|| program.verify(ground, WORK))?.0)),
            );
        }
    }
    let finish = race.run()?;
    finish.told(sink, Counts::Wall)?;
    for program in STORES.into_iter().filter(|program| program.can_verify()) {
        finish.ratio(sink, Counts::Wall, (ours::NAME, program.name), Some(OVER_PEER))?;
    }
    Ok(())
}
