use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::ReviewOptions;
use super::markdown::{escaped, table};
use crate::report::ReportPart;
use crate::show::{number, short};
use crate::{Counted, Delivery, Explained, FactRef, FactSource, Metric, Reason, Scope, Unit};

/// How many of the worst are told.
const WORST: usize = 5;

/// What took longest, and what still waits.
pub(super) fn worst(
    text: &mut String,
    delivery: &Delivery<'_>,
    part: &ReportPart<'_>,
    options: &ReviewOptions<'_>,
) {
    text.push_str("## The worst waits\n\n");
    let explained = |metric: Metric| part.explained.iter().find(|explained| explained.metric == metric);
    let names = Names::of(delivery, &options.scope, part.explained.iter());
    let named = |fact: &FactRef<'_>| names.named(fact);
    let mut found = false;
    let mut list = |title: &str, head: &[&str], rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            found = true;
            let _ = writeln!(text, "{title}:\n\n{}", table(head, &[1], &rows));
        }
    };
    let time = |micros: i64| number(Some(micros as f64 / 1000.0), Unit::Milliseconds);
    // Each with its time, and the deployment that it is linked to.
    let slowest = |all: &[Counted<'_>]| {
        let row = |counted: &Counted<'_>| {
            let link = counted.link.as_ref();
            vec![
                named(&counted.fact),
                counted.micros.map_or_else(String::new, time),
                link.map_or_else(String::new, |link| escaped(&short(&link.id().to_string()))),
                place(&counted.fact),
            ]
        };
        longest(all, WORST).into_iter().map(row).collect()
    };
    if let Some(explained) = explained(Metric::LeadTime) {
        list(
            "Changes that took longest to reach users",
            &["change", "lead time", "deployment", "read at"],
            slowest(&explained.counted),
        );
        let mut waiting: Vec<_> = explained
            .left_out
            .iter()
            .filter(|left| left.reason == Reason::NotDelivered)
            .collect();
        waiting.sort_by_key(|left| left.fact.at());
        list(
            "Changes that have not reached users",
            &["change", "waits", "read at"],
            waiting
                .into_iter()
                .take(WORST)
                .map(|left| {
                    let waits = options.as_of.duration_since(left.fact.at()).as_millis_f64();
                    vec![
                        named(&left.fact),
                        number(Some(waits), Unit::Milliseconds),
                        place(&left.fact),
                    ]
                })
                .collect(),
        );
    }
    if let Some(explained) = explained(Metric::RecoveryTime) {
        list(
            "Failures that took longest",
            &["failure", "recovery time", "deployment", "read at"],
            slowest(&explained.counted),
        );
        let open = explained
            .left_out
            .iter()
            .filter(|left| left.reason == Reason::Open);
        list(
            "Failures that are not over",
            &["failure", "since", "read at"],
            open.map(|left| {
                let since = left.fact.at().strftime("%Y-%m-%d %H:%M").to_string();
                vec![named(&left.fact), since, place(&left.fact)]
            })
            .collect(),
        );
    }
    if !found {
        text.push_str("Nothing waited.\n\n");
    }
}

/// What took longest, of equal ones the earliest first.
pub(crate) fn longest<'c, 'f>(counted: &'c [Counted<'f>], most: usize) -> Vec<&'c Counted<'f>> {
    let mut sorted: Vec<_> = counted.iter().collect();
    sorted.sort_by_key(|counted| (std::cmp::Reverse(counted.micros), counted.fact.at()));
    sorted.truncate(most);
    sorted
}

/// Facts by their names, and by their components where the review is not of one.
struct Names {
    components: HashMap<(&'static str, String), String>,
}

impl Names {
    fn of<'e>(
        delivery: &Delivery<'_>,
        scope: &Scope<'_>,
        explained: impl Iterator<Item = &'e Explained<'e>>,
    ) -> Self {
        let mut components = HashMap::new();
        if matches!(scope, Scope::Component(_)) {
            return Self { components };
        }
        let mut wanted: HashSet<(&'static str, String)> = HashSet::new();
        for explained in explained {
            let counted = longest(&explained.counted, WORST).into_iter().map(|one| one.fact);
            let left = explained
                .left_out
                .iter()
                .filter(|left| tells(left.reason))
                .map(|left| left.fact);
            wanted.extend(
                counted
                    .chain(left)
                    .map(|fact| (fact.kind(), fact.id().to_string())),
            );
        }
        let mut add = |kind: &'static str, id: String, component: &str| {
            let key = (kind, id);
            if wanted.contains(&key) {
                components.insert(key, component.to_owned());
            }
        };
        let facts = delivery.facts();
        for change in facts.changes() {
            add("change", change.sha.to_string(), change.component);
        }
        for incident in facts.incidents() {
            add("incident", incident.id.to_owned(), incident.component);
        }
        for rollback in facts.rollbacks() {
            add("rollback", rollback.id.to_owned(), rollback.component);
        }
        Self { components }
    }

    fn named(&self, fact: &FactRef<'_>) -> String {
        let id = fact.id().to_string();
        let name = escaped(&short(&id));
        match self.components.get(&(fact.kind(), id)) {
            Some(component) => format!("{name} of {}", escaped(component)),
            None => name,
        }
    }
}

/// Whether what is left out for this reason is told here.
fn tells(reason: Reason) -> bool {
    matches!(reason, Reason::NotDelivered | Reason::Open)
}

/// Where a fact was read, without the folders.
fn place(fact: &FactRef<'_>) -> String {
    let source = fact.source().to_string();
    let name = match fact.source() {
        FactSource::Line { .. } => source.rsplit(['/', '\\']).next().unwrap_or(&source),
        FactSource::Event { .. } => &source,
    };
    escaped(name)
}
