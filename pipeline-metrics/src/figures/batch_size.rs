use std::collections::{BTreeMap, HashSet};

use super::delivered::Delivered;
use crate::spread::Spread;
use crate::{Cell, Figure, FigureOptions, Unit};

const DEFINITION: &str =
    "How many source changes a deployment to production brings there for the first time, by component.";

const SIZES: [(&str, usize); 5] = [
    ("1", 1),
    ("2 to 5", 5),
    ("6 to 10", 10),
    ("11 to 20", 20),
    ("more than 20", usize::MAX),
];

/// Changes per deployment.
pub(super) fn batch_size(delivered: &Delivered, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new("batch-size", "Batch size", DEFINITION);
    let mut seen: HashSet<(&str, &str)> = HashSet::new();
    let mut components: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut sizes = [0; SIZES.len()];
    let shown = |component: &str| options.shows(Some(component));
    for arrival in delivered
        .arrivals
        .iter()
        .filter(|one| one.production && shown(&one.component))
    {
        let mut new = 0;
        for sha in &arrival.changes {
            new += usize::from(seen.insert((&arrival.component, sha)));
        }
        if !options.window.contains(arrival.at) {
            continue;
        }
        if arrival.changes.is_empty() {
            figure.leave_out(arrival.item(), "lists no changes");
        } else if new == 0 {
            figure.leave_out(arrival.item(), "brings nothing new");
        } else {
            figure.count(arrival.item());
            components.entry(&arrival.component).or_default().push(new as f64);
            let size = SIZES.iter().position(|(_, most)| new <= *most);
            sizes[size.unwrap_or(SIZES.len() - 1)] += 1;
        }
    }
    let all: Vec<f64> = components.values().flatten().copied().collect();
    let spread = Spread::of(all);
    figure.add_value("median", Unit::Count, spread.median);
    figure.add_value("mean", Unit::Count, spread.mean);
    figure.add_value("90th percentile", Unit::Count, spread.p90);
    figure.add_value("largest", Unit::Count, spread.longest);
    let rows = components.into_iter().map(|(component, sizes)| {
        let count = sizes.len();
        let changes = sizes.iter().sum();
        let spread = Spread::of(sizes);
        vec![
            Cell::text(component),
            Cell::count(count),
            Cell::Number(Some(changes)),
            Cell::Number(spread.median),
            Cell::Number(spread.longest),
        ]
    });
    let count = Some(Unit::Count);
    let columns = [
        ("component", None),
        ("deployments", count),
        ("changes", count),
        ("median", count),
        ("largest", count),
    ];
    let rows = rows.collect();
    figure.add_table("By component", &columns, rows);
    if !figure.counted.is_empty() {
        let rows = SIZES.iter().zip(sizes);
        let rows = rows.map(|((name, _), count)| vec![Cell::text(name), Cell::count(count)]);
        let rows = rows.collect();
        figure.add_table("By size", &[("changes", None), ("deployments", count)], rows);
    }
    figure
}
