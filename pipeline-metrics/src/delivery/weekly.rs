use std::fmt::Write as _;

use super::{Delivery, Ratio, Week};

const COLUMNS: &str = "service,week,deployments,deploy_days,failed,cfr,rework,changes,lt_median,lt_mean,skewed,incidents,\
     open_incidents,fdrt_median";

/// All [weeks](Delivery::weeks) as comma-separated values, a row for each component and week.
///
/// | column | meaning |
/// |---|---|
/// | `service`, `week` | the component; the first day, `YYYY-MM-DD` |
/// | `deployments`, `deploy_days` | deployments; days with one |
/// | `failed`, `cfr` | the numerator of the change fail rate; the rate, 0 to 1 |
/// | `rework` | the share of unplanned deployments, 0 to 1 |
/// | `changes`, `lt_median`, `lt_mean` | changes with a lead time; its median and mean in milliseconds |
/// | `skewed` | changes that were left out since their deployment ended before they were committed |
/// | `incidents`, `open_incidents` | recoveries that belong to the week, over or not; those not over yet |
/// | `fdrt_median` | the median time to recover, in milliseconds |
///
/// An empty field is not observed, which is not 0.
pub fn weekly_csv(delivery: &Delivery<'_>) -> String {
    let mut text = format!("{COLUMNS}\n");
    for week in delivery.weeks() {
        row(&mut text, &week);
    }
    text
}

fn row(text: &mut String, week: &Week<'_>) {
    let measures = &week.measures;
    let failed = measures.change_fail_rate;
    let delivered = measures.changes + measures.skewed_changes > 0;
    let incidents = measures.incidents;
    field(text, week.component);
    let _ = write!(text, ",{}", week.first_day);
    count(text, Some(measures.deployments));
    count(text, Some(measures.deployment_days));
    count(text, failed.map(|ratio| ratio.part()));
    float(text, failed.map(|ratio| ratio.value()));
    float(text, measures.rework_rate.as_ref().map(Ratio::value));
    count(text, delivered.then_some(measures.changes));
    float(text, measures.lead_time.map(|time| time.median_ms));
    float(text, measures.lead_time.map(|time| time.mean_ms));
    count(text, delivered.then_some(measures.skewed_changes));
    count(text, (incidents > 0).then_some(incidents));
    count(text, (incidents > 0).then_some(measures.open_incidents));
    float(text, measures.recovery_time.map(|time| time.median_ms));
    text.push('\n');
}

fn count(text: &mut String, number: Option<usize>) {
    text.push(',');
    if let Some(number) = number {
        let _ = write!(text, "{number}");
    }
}

/// The shortest text that reads back as the same number, always with a point.
fn float(text: &mut String, number: Option<f64>) {
    text.push(',');
    if let Some(number) = number {
        let _ = write!(text, "{number:?}");
    }
}

/// A text as RFC 4180 wants it.
fn field(text: &mut String, value: &str) {
    if value.contains([',', '"', '\n', '\r']) {
        let _ = write!(text, "\"{}\"", value.replace('"', "\"\""));
    } else {
        text.push_str(value);
    }
}
