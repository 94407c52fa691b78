use std::collections::HashMap;
use std::sync::Arc;

use super::delivered::{Arrival, Delivered, Outage, Return};
use crate::{Delivery, DeploymentResult, FactId, FactSource, FigureItem, Origin};

fn origin(source: &FactSource) -> Origin {
    match source {
        FactSource::Event(event) => Origin::Event {
            stream: event.stream.as_str().into(),
            position: event.position,
        },
        FactSource::Line { file, line } => Origin::Line {
            file: Arc::clone(file),
            line: *line,
        },
    }
}

impl Delivered {
    /// What deliveries tell.
    pub(crate) fn of(delivery: &Delivery<'_>) -> Self {
        let facts = delivery.facts();
        let live = facts
            .deployments()
            .filter(|one| one.result == DeploymentResult::Success);
        let mut arrivals: Vec<_> = live
            .map(|one| Arrival {
                at: one.finished,
                id: one.id.to_string().into(),
                component: Arc::clone(&one.component),
                environment: Arc::clone(&one.environment),
                production: one.production,
                release: one.release.clone(),
                digest: one.release.clone(),
                changes: one.revisions.clone(),
                origin: origin(&one.source),
            })
            .collect();
        arrivals.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        let mut returns: Vec<_> = facts
            .rollbacks()
            .map(|one| Return {
                at: one.at,
                component: Arc::clone(&one.component),
                environment: Arc::clone(&one.environment),
                from: Arc::clone(&one.release),
            })
            .collect();
        returns.sort_by(|one, other| {
            let key = |one: &Return| (one.at, Arc::clone(&one.component), Arc::clone(&one.environment));
            key(one).cmp(&key(other))
        });
        let ends: HashMap<&FactId, _> = facts.recoveries().map(|one| (&one.incident, one.at)).collect();
        let mut outages: Vec<_> = facts
            .incidents()
            .map(|one| Outage {
                from: one.opened,
                until: ends.get(&one.id).copied(),
                component: Arc::clone(&one.component),
                environment: one.environment.clone(),
                deployment: one.deployment.as_ref().map(|id| id.to_string().into()),
                item: FigureItem::new("incident", &one.id, &origin(&one.source)),
            })
            .collect();
        outages.sort_by(|one, other| (one.from, &one.item).cmp(&(other.from, &other.item)));
        Self {
            arrivals,
            returns,
            outages,
        }
    }
}
