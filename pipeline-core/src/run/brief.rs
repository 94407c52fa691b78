use std::fmt;

use super::event::{RunEvent, StageFinished, StageStarted};
use super::result_form::plain;
use crate::{Outcome, StageName};

/// What most events of a run say: that an attempt of a stage began, bound to nothing, or that it succeeded, with nothing
/// more to say. It is so little that an event holds it itself, where others hold a pointer to what they say; a journal
/// in memory keeps it as it is. Who reads the event meets a [`RunEvent`] like any other.
#[derive(Clone)]
pub(crate) enum Brief {
    Began {
        stage: StageName,
        attempt: u32,
        generation: u32,
        epoch: u64,
    },
    Succeeded {
        stage: StageName,
        attempt: u32,
        epoch: u64,
    },
}

impl Brief {
    /// The end of an attempt, if it is success and nothing more.
    #[inline]
    pub(super) fn end(stage: &StageName, (attempt, epoch): (u32, u64), outcome: &Outcome) -> Option<Self> {
        outcome.is_plain().then(|| Self::Succeeded {
            stage: stage.clone(),
            attempt,
            epoch,
        })
    }

    /// The event that says it.
    pub(crate) fn event(&self) -> RunEvent {
        match self {
            Self::Began {
                stage,
                attempt,
                generation,
                epoch,
            } => RunEvent::StageStarted(StageStarted {
                stage: stage.clone(),
                attempt: *attempt,
                generation: *generation,
                epoch: *epoch,
                details: None,
            }),
            Self::Succeeded {
                stage,
                attempt,
                epoch,
            } => RunEvent::StageFinished(StageFinished::completed(stage, (*attempt, *epoch), plain())),
        }
    }
}

impl fmt::Debug for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.event(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::estate::EnvironmentEvent;
    use crate::{EventPayload, NewEvent, Timestamp};

    /// Nobody who reads it can tell it from the event in full.
    #[test]
    fn in_brief_it_says_what_the_event_says() {
        let stage = StageName::new("build").unwrap();
        let began = Brief::Began {
            stage: stage.clone(),
            attempt: 3,
            generation: 2,
            epoch: 7,
        };
        let succeeded = Brief::end(&stage, (3, 7), &Outcome::succeeded()).unwrap();
        for (brief, kind, json) in [
            (
                began,
                "run.stage-started",
                r#"{"stage":"build","attempt":3,"generation":2,"epoch":7}"#,
            ),
            (
                succeeded,
                "run.stage-finished",
                r#"{"stage":"build","attempt":3,"epoch":7,"result":{"kind":"completed","outcome":{"status":"succeeded"}}}"#,
            ),
        ] {
            let full = NewEvent::engine(brief.event());
            let brief = NewEvent::brief(brief);
            assert_eq!((brief.kind(), brief.version()), (kind, 1));
            assert_eq!(brief.payload().to_json().unwrap(), json);
            assert_eq!(format!("{brief:?}"), format!("{full:?}"));
            let [brief, full] = [brief, full]
                .map(|event| event.placed(&"run/a".parse().unwrap(), 2, 5, Timestamp::UNIX_EPOCH));
            assert_eq!(format!("{brief:?}"), format!("{full:?}"));
            let read = brief.read::<RunEvent>().unwrap().unwrap();
            assert_eq!(read.encode().unwrap(), json);
            assert!(
                brief.read::<EnvironmentEvent>().unwrap().is_none(),
                "another family"
            );
        }
        let more = Outcome::succeeded().because("it was asked to");
        assert!(
            Brief::end(&stage, (1, 1), &more).is_none(),
            "a reason would be lost"
        );
    }
}
