use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::ground::Ground;
use super::programs::{OSTREE, STORES};
use super::race::{Counts, Race};
use super::{ours, trees};
use crate::Failure;
use crate::measure::Settings;
use crate::report::Sink;

/// 0.85 times the speed of reading and hashing alone.
const OVER_HASHING: f64 = 1.0 / 0.85;
/// Four times as fast.
const OVER_OSTREE: f64 = 1.0 / 4.0;

const WORK: &str = "large file";
const HASH: &str = "read and hash alone";
const COPY: &str = "copy alone";

pub(super) fn measure(settings: &Settings<'_>, sink: &mut dyn Sink) -> Result<(), Failure> {
    let ground = settings.ground()?;
    let made = trees::large(ground, u64::from(settings.size(2_000)) << 20)?;
    let mut race = Race::new("large", 5);
    let tree = &made.path;
    race.all(
        HASH,
        Box::new(|| Ok(ground.time(|| hash(&tree.join("image")))?.0)),
    );
    race.all(COPY, Box::new(|| copy(ground, &tree.join("image"))));
    race.all(ours::NAME, Box::new(|| ours(ground, tree)));
    for program in STORES {
        if program.is_here(sink)? {
            race.some(
                program.name,
                1,
                Box::new(move || {
                    program.init(ground, WORK)?;
                    let (time, ()) = ground.time(|| program.ingest(ground, WORK, "one", tree))?;
                    ground.gone(&program.place(WORK))?;
                    Ok(time)
                }),
            );
        }
    }
    let finish = race.run()?;
    ground.gone("large")?;
    ground.flush()?;
    finish.told(sink, Counts::Durable)?;
    finish.ratio(sink, Counts::Durable, (ours::NAME, HASH), Some(OVER_HASHING))?;
    finish.ratio(sink, Counts::Durable, (ours::NAME, COPY), None)?;
    finish.ratio(
        sink,
        Counts::Durable,
        (ours::NAME, OSTREE.name),
        Some(OVER_OSTREE),
    )?;
    for program in STORES.into_iter().filter(|program| program.name != OSTREE.name) {
        finish.ratio(sink, Counts::Durable, (ours::NAME, program.name), None)?;
    }
    Ok(())
}

fn ours(ground: &Ground, tree: &Path) -> Result<super::ground::Timed, Failure> {
    let store = ours::fresh(ground, WORK)?;
    let (time, _) = ground.time(|| ours::ingest(&store, tree, 0))?;
    drop(store);
    ground.gone(&ours::place(WORK))?;
    Ok(time)
}

/// What the disk and the system take of it.
fn copy(ground: &Ground, image: &Path) -> Result<super::ground::Timed, Failure> {
    let copy = ground.empty("copy")?.join("image");
    let (time, _) = ground.time(|| Ok(fs::copy(image, copy)?))?;
    ground.gone("copy")?;
    Ok(time)
}

fn hash(path: &Path) -> Result<[u8; 32], Failure> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
