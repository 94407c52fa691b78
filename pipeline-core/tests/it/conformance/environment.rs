use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pipeline_core::testing::MemoryArtifacts;
use pipeline_core::testing::conformance::{self, EnvironmentWorld, Report};
use pipeline_core::{
    Configuration, DeployRequest, Digest, Environment, EnvironmentDescriptor, EnvironmentError, Fence,
    Fenced, LiveRelease, Observation, Release, Tier,
};
use serde_json::json;

use super::{assert_all_kept, assert_only, block_on, names, pause};

/// What a place does wrong; each name is that of the promise which it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceFlaw {
    None,
    SameDescriptor,
    ObservesOnly,
    StartsEmpty,
    Deploys,
    DeploysAgain,
    Replaces,
    KeepsWhatWasLive,
    KeepsForRollback,
    Retires,
    DropsWhole,
    SeesDrift,
    SurvivesACrowd,
    TakesFences,
    KeepsFences,
    RefusesLateDeployments,
    RefusesLateRetirements,
    CountsEveryCall,
    FencesACrowd,
}

#[derive(Debug, Default)]
struct State {
    live: Option<LiveRelease>,
    kept: Vec<Digest>,
    highest: Option<Fence>,
    observed: u32,
    building: bool,
}

/// An environment in memory that checks fences. Clones are the same environment.
#[derive(Debug, Clone)]
pub(super) struct Place {
    flaw: PlaceFlaw,
    descriptor: EnvironmentDescriptor,
    other: EnvironmentDescriptor,
    state: Arc<Mutex<State>>,
}

impl Place {
    pub(super) fn new(flaw: PlaceFlaw) -> Self {
        let descriptor = |tier| EnvironmentDescriptor {
            name: "place".try_into().unwrap(),
            tier,
            type_name: "place".try_into().unwrap(),
            settings: serde_json::Value::Null,
            configuration: None,
        };
        let place = Self {
            flaw,
            descriptor: descriptor(Tier::Staging),
            other: descriptor(Tier::Production),
            state: Arc::default(),
        };
        if flaw == PlaceFlaw::StartsEmpty {
            place.state.lock().unwrap().live = Some(live(b"old"));
        }
        place
    }

    fn has(&self, flaw: PlaceFlaw) -> bool {
        self.flaw == flaw
    }

    fn fence(&self, offered: Option<Fence>, keep: bool) -> Result<(), EnvironmentError> {
        let mut state = self.state.lock().unwrap();
        match (state.highest, offered) {
            (Some(highest), Some(offered)) if offered < highest => Err(EnvironmentError::Fenced {
                environment: self.descriptor.name.clone(),
                highest,
                offered,
            }),
            (Some(highest), Some(offered)) if offered == highest && self.has(PlaceFlaw::TakesFences) => {
                Err(EnvironmentError::Fenced {
                    environment: self.descriptor.name.clone(),
                    highest,
                    offered,
                })
            }
            (_, Some(offered)) if keep => {
                state.highest = Some(offered);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn refused(&self, reason: &str) -> EnvironmentError {
        EnvironmentError::Refused {
            environment: self.descriptor.name.clone(),
            reason: reason.to_owned(),
        }
    }
}

fn live(release: &[u8]) -> LiveRelease {
    LiveRelease {
        release: Digest::of(release),
        configuration: Digest::ZERO,
        drift: Vec::new(),
    }
}

#[async_trait]
impl Environment for Place {
    fn descriptor(&self) -> &EnvironmentDescriptor {
        let deployed = self.state.lock().unwrap().live.is_some();
        match self.has(PlaceFlaw::SameDescriptor) && deployed {
            true => &self.other,
            false => &self.descriptor,
        }
    }

    async fn observe(&self) -> Result<Observation, EnvironmentError> {
        let mut state = self.state.lock().unwrap();
        let mut observation = Observation {
            live: state.live.clone(),
            ..Observation::default()
        };
        state.observed += 1;
        // The suite looks twice in a row while nothing happens.
        if self.has(PlaceFlaw::ObservesOnly) && state.observed == 4 {
            observation
                .facts
                .insert("looks".try_into().unwrap(), json!(state.observed));
        }
        if let (PlaceFlaw::SeesDrift, Some(live)) = (self.flaw, &mut observation.live) {
            live.drift.clear();
        }
        Ok(observation)
    }

    async fn deploy(&self, request: &DeployRequest) -> Result<(), EnvironmentError> {
        let wanted = LiveRelease {
            release: request.release.digest().unwrap(),
            configuration: request.configuration.digest().unwrap(),
            drift: Vec::new(),
        };
        let lenient =
            self.has(PlaceFlaw::RefusesLateDeployments) && request.fence.is_some_and(|fence| fence.token > 3);
        let is_live = self.state.lock().unwrap().live.as_ref() == Some(&wanted);
        match self.flaw {
            _ if lenient => {
                let _ = self.fence(request.fence, true);
            }
            PlaceFlaw::CountsEveryCall => self.fence(request.fence, !is_live)?,
            PlaceFlaw::FencesACrowd => {
                self.fence(request.fence, true)?;
                pause().await;
            }
            _ => self.fence(request.fence, true)?,
        }
        if is_live {
            return match self.flaw {
                PlaceFlaw::DeploysAgain if request.fence.is_none() => Err(self.refused("it is live already")),
                _ => Ok(()),
            };
        }
        if self.has(PlaceFlaw::DropsWhole) && request.fence.is_none() && self.state.lock().unwrap().building {
            return Err(self.refused("somebody is building"));
        }
        let before = {
            let mut state = self.state.lock().unwrap();
            state.building = true;
            state.live.clone()
        };
        if self.has(PlaceFlaw::KeepsWhatWasLive) {
            self.state.lock().unwrap().live = None;
        }
        let there = self.state.lock().unwrap().kept.contains(&wanted.release);
        if !there || self.has(PlaceFlaw::KeepsForRollback) {
            for artifact in request.release.artifacts.values() {
                if let Err(error) = request.artifacts.open(artifact).await {
                    self.state.lock().unwrap().building = false;
                    return Err(self.refused(&error.to_string()));
                }
            }
        }
        pause().await;
        // Somebody with a higher fence may have come meanwhile: check and change are one.
        if !lenient && !self.has(PlaceFlaw::FencesACrowd) {
            let late = self.state.lock().unwrap().highest > request.fence && request.fence.is_some();
            if late {
                self.state.lock().unwrap().building = false;
                self.fence(request.fence, false)?;
            }
        }
        let mut state = self.state.lock().unwrap();
        state.building = false;
        if self.has(PlaceFlaw::SurvivesACrowd) && state.live != before {
            state.live = Some(live(b"neither"));
            return Ok(());
        }
        state.kept.push(wanted.release);
        state.live = match self.flaw {
            PlaceFlaw::Deploys => None,
            PlaceFlaw::Replaces
                if before
                    .as_ref()
                    .is_some_and(|before| before.release == wanted.release && before.drift.is_empty()) =>
            {
                state.live.clone()
            }
            _ => Some(wanted),
        };
        Ok(())
    }

    async fn retire(&self, release: &Digest, fence: Option<Fence>) -> Result<(), EnvironmentError> {
        if !self.has(PlaceFlaw::RefusesLateRetirements) {
            self.fence(fence, true)?;
        } else {
            let _ = self.fence(fence, true);
        }
        let mut state = self.state.lock().unwrap();
        if state.live.as_ref().is_some_and(|live| live.release == *release) && !self.has(PlaceFlaw::Retires) {
            return Err(self.refused("it is live"));
        }
        state.kept.retain(|kept| kept != release);
        Ok(())
    }

    fn fenced(&self) -> Option<&dyn Fenced> {
        Some(self)
    }
}

#[async_trait]
impl Fenced for Place {
    async fn highest_fence(&self) -> Result<Option<Fence>, EnvironmentError> {
        Ok(self.state.lock().unwrap().highest)
    }
}

fn world(flaw: PlaceFlaw) -> EnvironmentWorld {
    let store = MemoryArtifacts::new();
    let release = |version: &str, bytes: &[u8]| {
        let app = store.add("app", version, &[("a", bytes, false)]);
        Release {
            component: "app".try_into().unwrap(),
            version: app.version.clone(),
            artifacts: [(app.name.clone(), app)].into(),
        }
    };
    let configuration = |number: u32| {
        let mut configuration = Configuration::empty("place".try_into().unwrap());
        configuration.values.insert("n".to_owned(), json!(number));
        configuration
    };
    let first = (release("1.0.0", b"one"), configuration(1));
    let second = (release("2.0.0", b"two"), configuration(2));
    let place = Place::new(flaw);
    let (meddled, other) = (place.clone(), place.clone());
    EnvironmentWorld::new(Arc::new(place), store, first, second)
        .meddle(move || {
            let mut state = meddled.state.lock().unwrap();
            state
                .live
                .as_mut()
                .unwrap()
                .drift
                .push("`a` was changed".to_owned());
            async {}
        })
        .reopen(move || match flaw {
            PlaceFlaw::KeepsFences => Arc::new(Place::new(PlaceFlaw::None)),
            _ => Arc::new(other.clone()),
        })
}

fn check(flaw: PlaceFlaw) -> Report {
    block_on(conformance::environment(|| async { world(flaw) }))
}

#[test]
fn an_honest_environment_keeps_everything() {
    let report = check(PlaceFlaw::None);
    assert_all_kept(&report);
    assert_eq!(report.not_promised_names(), [""; 0]);
}

#[test]
fn each_flaw_is_found_under_its_name_and_no_other() {
    let flaws = [
        (PlaceFlaw::SameDescriptor, "same-descriptor"),
        (PlaceFlaw::ObservesOnly, "observes-only"),
        (PlaceFlaw::StartsEmpty, "starts-empty"),
        (PlaceFlaw::Deploys, "deploys"),
        (PlaceFlaw::DeploysAgain, "deploys-again"),
        (PlaceFlaw::Replaces, "replaces"),
        (PlaceFlaw::KeepsWhatWasLive, "keeps-what-was-live"),
        (PlaceFlaw::KeepsForRollback, "keeps-for-rollback"),
        (PlaceFlaw::Retires, "retires"),
        (PlaceFlaw::DropsWhole, "drops-whole"),
        (PlaceFlaw::SeesDrift, "sees-drift"),
        (PlaceFlaw::SurvivesACrowd, "survives-a-crowd"),
        (PlaceFlaw::TakesFences, "takes-fences"),
        (PlaceFlaw::KeepsFences, "keeps-fences"),
        (PlaceFlaw::RefusesLateDeployments, "refuses-late-deployments"),
        (PlaceFlaw::RefusesLateRetirements, "refuses-late-retirements"),
        (PlaceFlaw::CountsEveryCall, "counts-every-call"),
        (PlaceFlaw::FencesACrowd, "fences-a-crowd"),
    ];
    for (flaw, name) in flaws {
        assert_only(&check(flaw), name);
    }
    for name in names(&check(PlaceFlaw::None)) {
        assert!(
            flaws.iter().any(|flaw| flaw.1 == name),
            "nothing shows that `{name}` is looked at"
        );
    }
}
