use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::delivered::{Arrival, Delivered, Outage, Return};
use crate::{Delivery, DeploymentResult, FigureItem, Origin};

impl Delivered {
    /// What deliveries tell. Which environments have users and whose fault an incident is, the delivery's options
    /// say.
    pub(crate) fn of(delivery: &Delivery<'_>) -> Self {
        let (facts, options) = (delivery.facts(), &delivery.options().deployments);
        let live = facts
            .deployments()
            .filter(|one| one.result == DeploymentResult::Success);
        let mut arrivals: Vec<_> = live
            .map(|one| Arrival {
                at: one.finished,
                id: one.id.into(),
                component: one.component.into(),
                environment: one.environment.into(),
                production: one.is_production(options),
                release: one.version.or(one.release).map(Into::into),
                digest: one.release.map(Into::into),
                changes: one.changes.iter().map(|sha| sha.to_string().into()).collect(),
                origin: one.source.into(),
            })
            .collect();
        arrivals.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));

        let ends: HashMap<&str, Timestamp> = facts.recoveries().map(|one| (one.incident, one.at)).collect();
        let mut blamed: HashSet<String> = HashSet::new();
        let mut outages = Vec::new();
        for (incident, deployment) in delivery.blames() {
            let deployment = deployment.ok();
            blamed.extend(deployment.iter().map(|one| one.id.to_owned()));
            outages.push(Outage {
                from: incident.opened,
                until: ends.get(incident.id).copied(),
                component: incident.component.into(),
                environment: incident.environment.map(Into::into),
                deployment: deployment.map(|one| one.id.into()),
                item: FigureItem::new("incident", &incident.id, &incident.source.into()),
            });
        }
        let mut returns = Vec::new();
        for one in facts.rollbacks() {
            let origin: Origin = one.source.into();
            let returned = Return {
                at: one.at,
                component: one.component.into(),
                environment: one.environment.into(),
                from: one.release.into(),
            };
            // Where it has an incident too, that tells how long users were without.
            let bad = arrivals.iter().rev().find(|arrival| returned.undoes(arrival));
            if let Some(bad) = bad.filter(|bad| bad.production && !blamed.contains(&*bad.id)) {
                outages.push(Outage {
                    from: bad.at,
                    until: Some(one.at),
                    component: one.component.into(),
                    environment: Some(one.environment.into()),
                    deployment: Some(Arc::clone(&bad.id)),
                    item: FigureItem::new("rollback", &one.id, &origin),
                });
            }
            returns.push(returned);
        }
        returns.sort_by(|one, other| one.place().cmp(&other.place()));
        outages.sort_by(|one, other| (one.from, &one.item).cmp(&(other.from, &other.item)));
        Self {
            arrivals,
            returns,
            outages,
        }
    }
}

impl Return {
    fn place(&self) -> (Timestamp, &str, &str, &str) {
        (self.at, &self.component, &self.environment, &self.from)
    }

    fn undoes(&self, arrival: &Arrival) -> bool {
        arrival.digest.as_ref() == Some(&self.from)
            && arrival.at <= self.at
            && arrival.component == self.component
            && arrival.environment == self.environment
    }
}
