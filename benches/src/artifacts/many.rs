use std::path::Path;

use super::ground::Ground;
use super::ours;
use super::programs::{BORG, CASYNC, GIT, OSTREE, Program, RESTIC, STORES, TAR};
use super::race::{Counts, Race};
use super::trees::{self, Made};
use crate::Failure;
use crate::measure::Settings;
use crate::report::Sink;

/// What everybody's stores of these files are called; they are kept for the measures that read them.
pub(super) const WORK: &str = "many files";
/// What the tree is called in them.
pub(super) const LABEL: &str = "one";

/// What the tar may be exceeded by.
const OVER_TAR: f64 = 1.2;
const FASTER: [(&Program, Option<f64>); 5] = [
    (&OSTREE, Some(1.0 / 6.0)),
    (&RESTIC, Some(1.0 / 4.0)),
    (&GIT, Some(1.0 / 12.0)),
    (&BORG, None),
    (&CASYNC, None),
];

pub(super) fn tree(settings: &Settings<'_>) -> Result<Made, Failure> {
    trees::many(settings.ground()?, settings.size(50_000))
}

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let made = tree(settings)?;
    let tree = &made.path;
    let mut race = Race::new("many", 5);
    race.all(
        ours::NAME,
        Box::new(|| {
            let store = ours::fresh(ground, WORK)?;
            Ok(ground.time(|| ours::ingest(&store, tree, 0))?.0)
        }),
    );
    if TAR.is_here(sink)? {
        race.all(TAR.name, Box::new(|| fresh(&TAR, ground, tree)));
    }
    for program in STORES {
        if program.is_here(sink)? {
            // The one whose limit is nearest.
            let rounds = if program.name == RESTIC.name { 3 } else { 1 };
            race.some(
                program.name,
                rounds,
                Box::new(move || fresh(program, ground, tree)),
            );
        }
    }
    let finish = race.run()?;
    finish.told(sink, Counts::Durable)?;
    finish.ratio(sink, Counts::Durable, (ours::NAME, TAR.name), Some(OVER_TAR))?;
    for (program, limit) in FASTER {
        finish.ratio(sink, Counts::Durable, (ours::NAME, program.name), limit)?;
    }
    Ok(())
}

fn fresh(program: &Program, ground: &Ground, tree: &Path) -> Result<super::ground::Timed, Failure> {
    program.init(ground, WORK)?;
    Ok(ground.time(|| program.ingest(ground, WORK, LABEL, tree))?.0)
}

/// The program with a store of these files, which may be there from the measure above; `false` when it is not
/// installed.
pub(super) fn has_store(
    program: &Program,
    settings: &Settings<'_>,
    sink: &mut dyn Sink,
) -> Result<bool, Failure> {
    let ground = settings.ground()?;
    if !program.is_here(sink)? {
        return Ok(false);
    }
    if !ground.path(&program.place(WORK)).exists() {
        let made = tree(settings)?;
        program.init(ground, WORK)?;
        program.ingest(ground, WORK, LABEL, &made.path)?;
    }
    Ok(true)
}
