use std::collections::HashMap;

use pipeline_core::{RunId, SignedDuration, StageName, Timestamp};

/// How often progress becomes a line where there are no bars: each tenth of the whole, or, where nobody knows the whole,
/// once a second.
#[derive(Debug, Default)]
pub struct Pace(HashMap<(RunId, StageName), Told>);

#[derive(Debug)]
enum Told {
    Tenths(u64),
    At(Timestamp),
}

/// How long a stage that does not know its whole is quiet.
const QUIET: SignedDuration = SignedDuration::from_secs(1);

impl Pace {
    /// What to say of this progress, if it is time to say something.
    pub fn line(
        &mut self,
        (run, stage): (&RunId, &StageName),
        (done, total): (u64, Option<u64>),
        doing: &str,
        now: Timestamp,
    ) -> Option<String> {
        let key = (run.clone(), stage.clone());
        let Some(percent) = percent(done, total) else {
            if let Some(Told::At(last)) = self.0.get(&key)
                && now.duration_since(*last) < QUIET
            {
                return None;
            }
            self.0.insert(key, Told::At(now));
            return Some(format!("{done}: {doing}"));
        };
        let told = self.0.insert(key, Told::Tenths(percent / 10));
        let last = match told {
            Some(Told::Tenths(tenths)) => tenths,
            Some(Told::At(_)) | None => 0,
        };
        (percent / 10 > last).then(|| format!("{percent} %: {doing}"))
    }

    /// The stage begins again, or has ended.
    pub fn forget(&mut self, run: &RunId, stage: &StageName) {
        self.0.remove(&(run.clone(), stage.clone()));
    }
}

/// How much of the whole is done, if that is known; never more than all.
fn percent(done: u64, total: Option<u64>) -> Option<u64> {
    let total = total.filter(|total| *total > 0)?;
    let percent = u128::from(done) * 100 / u128::from(total);
    Some(u64::try_from(percent).unwrap_or(100).min(100))
}
