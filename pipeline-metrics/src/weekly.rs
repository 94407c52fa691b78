use crate::{Delivery, Explained, Ratio, Reason, Week};

const COLUMNS: &str = "service,week,deployments,deploy_days,failed,cfr,rework,changes,lt_median,lt_mean,skewed,incidents,\
     open_incidents,fdrt_median";

/// All [weeks](Delivery::weeks) as comma-separated values, a row for each component and week.
///
/// | column | meaning |
/// |---|---|
/// | `service`, `week` | the component; the Monday, `YYYY-MM-DD`, UTC |
/// | `deployments`, `deploy_days` | deployments; UTC days with one |
/// | `failed`, `cfr` | failed deployments; their share, 0 to 1 |
/// | `rework` | the share of unplanned deployments, 0 to 1 |
/// | `changes`, `lt_median`, `lt_mean` | changes with a lead time; its median and mean in milliseconds |
/// | `skewed` | changes that were left out since their deployment ended before they were committed |
/// | `incidents`, `open_incidents` | incidents and rollbacks of the week's deployments; those not over yet |
/// | `fdrt_median` | the median time to recover, in milliseconds |
///
/// An empty field is not observed, which is not 0.
pub fn weekly_csv(delivery: &Delivery<'_>) -> String {
    let mut text = format!("{COLUMNS}\n");
    for week in delivery.weeks() {
        for field in row(&week) {
            text.push_str(&field);
            text.push(',');
        }
        text.pop();
        text.push('\n');
    }
    text
}

fn row(week: &Week<'_>) -> [String; 14] {
    let measures = &week.measures;
    let frequency = measures.deployment_frequency.value;
    let failed = measures.change_fail_rate.value;
    let lead_time = &measures.lead_time;
    let changes = lead_time.counted.len();
    let skewed = lead_time.left_out_for(&Reason::Skewed);
    let delivered = changes + skewed > 0;
    let recovery = &measures.recovery_time;
    let open = recovery.left_out_for(&Reason::Open);
    let incidents = recovery.counted.len() + open + recovery.left_out_for(&Reason::Skewed);
    let share = |explained: &Explained<'_, Ratio>| float(explained.value.map(|ratio| ratio.value()));
    [
        field(week.component),
        week.window.start().strftime("%Y-%m-%d").to_string(),
        count(frequency.map(|frequency| frequency.deployments)),
        count(frequency.map(|frequency| frequency.days)),
        count(failed.map(|ratio| ratio.part())),
        share(&measures.change_fail_rate),
        share(&measures.rework_rate),
        count(delivered.then_some(changes)),
        float(lead_time.value.map(|time| time.median_ms)),
        float(lead_time.value.map(|time| time.mean_ms)),
        count(delivered.then_some(skewed)),
        count((incidents > 0).then_some(incidents)),
        count((incidents > 0).then_some(open)),
        float(recovery.value.map(|time| time.median_ms)),
    ]
}

fn count(number: Option<usize>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// The shortest text that reads back as the same number, always with a point.
fn float(number: Option<f64>) -> String {
    number.map(|number| format!("{number:?}")).unwrap_or_default()
}

/// A text as RFC 4180 wants it.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
