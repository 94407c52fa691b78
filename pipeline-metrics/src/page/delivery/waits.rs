use super::DeliveryPage;
use super::delivery_page::scope;
use crate::page::{BarRow, Bars, Chart, Section, Table};
use crate::review::longest;
use crate::show::short;
use crate::{Counted, Metric, Reason, Scope, Unit, show};

/// How many are shown.
const WORST: usize = 10;

/// What took longest.
pub(super) fn section(input: &DeliveryPage<'_, '_>) -> Section {
    let scopes = match input.whole() {
        Some(part) => vec![scope(part)],
        None => vec![Scope::Overall],
    };
    let mut section = Section::new("The worst waits");
    for scope in &scopes {
        let selection = input.delivery.select(scope, input.report.window);
        let lead = selection.explain(Metric::LeadTime);
        if !lead.counted.is_empty() {
            let title = "Changes that took longest to reach users";
            section = section.part(Section::new(title).chart(bars("change", &lead.counted)));
        }
        let recovery = selection.explain(Metric::RecoveryTime);
        if !recovery.counted.is_empty() {
            let title = "Failures that took longest to recover";
            section = section.part(Section::new(title).chart(bars("failure", &recovery.counted)));
        }
        let mut waiting: Vec<_> = lead
            .left_out
            .iter()
            .filter(|left| left.reason == Reason::NotDelivered)
            .map(|left| left.fact)
            .collect();
        waiting.sort_by_key(|fact| fact.at());
        let open = recovery
            .left_out
            .iter()
            .filter(|left| left.reason == Reason::Open);
        let open: Vec<_> = open.map(|left| left.fact).collect();
        for (title, facts) in [
            ("Changes that have not reached users", waiting),
            ("Failures that are not over", open),
        ] {
            if facts.is_empty() {
                continue;
            }
            let mut table = Table::new(match facts.len() {
                0..=WORST => title.to_owned(),
                all => format!("The oldest {WORST} of {}", show::grouped(all as u64)),
            })
            .column("what")
            .column("since")
            .column("read at");
            for fact in facts.iter().take(WORST) {
                let at = fact.at().strftime("%Y-%m-%d %H:%M").to_string();
                table.push([
                    format!("{} {}", fact.kind(), short(&fact.id().to_string())),
                    at,
                    fact.source().to_string(),
                ]);
            }
            section = section.part(Section::new(title).table(table));
        }
    }
    section
}

fn bars(thing: &str, counted: &[Counted<'_>]) -> Chart {
    let rows = longest(counted, WORST).into_iter().map(|counted| {
        let milliseconds = counted.micros.unwrap_or_default() as f64 / 1000.0;
        BarRow {
            label: short(&counted.fact.id().to_string()),
            value: milliseconds.max(0.0),
            text: show::number(Some(milliseconds), Unit::Milliseconds),
            signal: false,
        }
    });
    Chart::Bars(Bars {
        thing: thing.to_owned(),
        measure: "time".to_owned(),
        rows: rows.collect(),
    })
}
