use super::many::{self, LABEL, WORK};
use super::programs::{BORG, CASYNC, GIT, OSTREE, OSTREE_LINKS, Program, RESTIC, TAR};
use super::race::{Counts, Race};
use super::{ours, trees};
use crate::measure::Settings;
use crate::report::Sink;
use crate::{Failure, ensure};

const OVER_TAR: f64 = 0.75;
const OVER_LINKS: f64 = 1.0;
/// In how many rounds each takes part.
const PEERS: [(&Program, usize); 7] = [
    (&TAR, 5),
    (&OSTREE_LINKS, 5),
    (&OSTREE, 2),
    (&GIT, 1),
    (&RESTIC, 1),
    (&BORG, 1),
    (&CASYNC, 1),
];

const OUT: &str = "out";

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let made = many::tree(settings)?;
    let store = ours::fresh(ground, WORK)?;
    let (_, artifact) = ours::ingest(&store, &made.path, 0)?;
    let mut race = Race::new("materialise", 5);
    race.all(
        ours::NAME,
        Box::new(|| {
            let out = ground.gone(OUT)?;
            let (time, ()) = ground.time(|| Ok(store.artifact(&artifact)?.write_to(&out)?))?;
            ensure(trees::size(&out)? == made.bytes, "another tree came out")?;
            Ok(time)
        }),
    );
    for (program, rounds) in PEERS {
        if many::has_store(program, settings, sink)? {
            race.some(
                program.name,
                rounds,
                Box::new(move || {
                    let out = ground.empty(OUT)?;
                    Ok(ground.time(|| program.checkout(ground, WORK, LABEL, &out))?.0)
                }),
            );
        }
    }
    let finish = race.run()?;
    ground.gone(OUT)?;
    finish.told(sink, Counts::Wall)?;
    finish.ratio(sink, Counts::Wall, (ours::NAME, TAR.name), Some(OVER_TAR))?;
    finish.ratio(
        sink,
        Counts::Wall,
        (ours::NAME, OSTREE_LINKS.name),
        Some(OVER_LINKS),
    )?;
    for (program, _) in &PEERS[2..] {
        finish.ratio(sink, Counts::Wall, (ours::NAME, program.name), None)?;
    }
    finish.told(sink, Counts::Durable)?;
    finish.ratio(sink, Counts::Durable, (ours::NAME, TAR.name), None)?;
    finish.ratio(sink, Counts::Durable, (ours::NAME, OSTREE_LINKS.name), None)?;
    Ok(())
}
