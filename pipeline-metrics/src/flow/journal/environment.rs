use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use pipeline_core::{Digest, Timestamp};

use super::run::RunHead;
use crate::{ChangeKind, FlowFact, Hold, Origin};

/// What an event of an environment says here.
#[derive(Debug, Clone)]
pub(super) enum EnvironmentMark {
    Locked {
        run: Arc<str>,
        token: u64,
    },
    Released {
        token: u64,
    },
    Deployed {
        run: Arc<str>,
        component: Arc<str>,
        release: Digest,
    },
}

/// Adds what the events of one environment say together.
pub(super) fn facts(
    name: &Arc<str>,
    marks: &BTreeMap<u64, (Timestamp, EnvironmentMark)>,
    runs: &BTreeMap<&str, &RunHead>,
    facts: &mut Vec<FlowFact>,
) {
    let mut live: HashMap<&str, &Digest> = HashMap::new();
    for (&position, (at, mark)) in marks {
        let origin = Origin::Event {
            stream: format!("environment/{name}").into(),
            position,
        };
        let hold = |token| Hold::new(format!("{name}!{token}"), Arc::clone(name), origin.clone());
        match mark {
            EnvironmentMark::Locked { run, token } => facts.push(FlowFact::Hold(Hold {
                by: runs.get(&**run).map(|head| Arc::clone(&head.pipeline)),
                from: Some(*at),
                ..hold(token)
            })),
            EnvironmentMark::Released { token } => facts.push(FlowFact::Hold(Hold {
                until: Some(*at),
                ..hold(token)
            })),
            EnvironmentMark::Deployed {
                run,
                component,
                release,
            } => {
                let known = live.insert(component, release) == Some(release);
                let environment = runs.get(&**run).and_then(|head| head.environments.get(name));
                let kind = if known {
                    Some(Arc::from("configuration"))
                } else {
                    environment.map(Arc::clone)
                };
                facts.extend(kind.map(|kind| {
                    FlowFact::ChangeKind(ChangeKind {
                        deployment: origin.to_string().into(),
                        kind,
                        origin,
                    })
                }));
            }
        }
    }
}
