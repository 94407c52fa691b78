use crate::{
    Aggregate, Blend, Bound, Bucket, Deliveries, FailShare, FailedOf, FailedRuns, Metric, Named, Options,
    Pace, RateBlend, Reach, RecoveredBy, RecoveryFrom, Rounding, Several, Skew, Span, Start,
};

/// What a number is, in words.
pub(crate) fn definition(metric: Metric, options: &Options) -> String {
    match metric {
        Metric::DeploymentFrequency => frequency(options),
        Metric::LeadTime => lead_time(options),
        Metric::ChangeFailRate => change_fail_rate(options),
        Metric::RecoveryTime => recovery_time(options),
        Metric::ReworkRate => format!(
            "deployments that were not planned, of the {}",
            deployments(options)
        ),
    }
}

fn deployments(options: &Options) -> String {
    let options = &options.deployments;
    let mut text = "successful deployments to production that finished in the window".to_owned();
    for (choice, what) in [
        (options.rollbacks, "rollbacks"),
        (options.repeated_versions, "repeated releases"),
        (options.first, "the first one of an environment"),
        (options.without_changes, "those without a known change"),
    ] {
        if !choice.counts() {
            text.push_str(", without ");
            text.push_str(what);
        }
    }
    text
}

fn frequency(options: &Options) -> String {
    let form = match options.frequency.pace {
        Pace::PerDay => "per 24 hours, the",
        Pace::Total => "the number of",
        Pace::PerStartedDay => "per begun day, the",
        Pace::MeanInterval => "the mean time from the one before, of the",
        Pace::PerBucket { bucket, floor: false } => {
            return format!("per {}, the {}", name(bucket), deployments(options));
        }
        Pace::PerBucket { bucket, floor: true } => {
            return format!(
                "per {}, cut to a whole number, the {}",
                name(bucket),
                deployments(options)
            );
        }
        Pace::MedianDays { bucket, lower } => {
            let median = if lower { "lower median" } else { "median" };
            return format!(
                "the {median} of days in a {} with at least one of the {}",
                name(bucket),
                deployments(options)
            );
        }
    };
    format!("{form} {}", deployments(options))
}

fn name(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Day => "day",
        Bucket::Week => "week",
        Bucket::Month => "month",
    }
}

fn aggregate(aggregate: Aggregate) -> String {
    match aggregate {
        Aggregate::Median => "median".to_owned(),
        Aggregate::LowerMedian => "lower median".to_owned(),
        Aggregate::Mean => "mean".to_owned(),
        Aggregate::Percentile(percent) => format!("{percent}th percentile"),
    }
}

fn blended(of: Aggregate, blend: Blend) -> String {
    let text = aggregate(of);
    match blend {
        Blend::Values => text,
        Blend::Days => format!("{text} of the {text}s of each day of each component"),
        Blend::ComponentMeans => format!("mean of each component's {text}"),
    }
}

fn rules(round: Rounding, skew: Skew) -> String {
    let round = match round {
        Rounding::Exact => String::new(),
        Rounding::Floor(unit) => format!(", each cut to whole {unit:#}"),
        Rounding::Ceil(unit) => format!(", each raised to whole {unit:#}"),
    };
    let skew = match skew {
        Skew::LeftOut => "",
        Skew::NotPositive => ", without what took no time",
        Skew::Kept => ", negative times included",
    };
    format!("{round}{skew}")
}

fn lead_time(options: &Options) -> String {
    let lead_time = &options.lead_time;
    let start = match lead_time.start {
        Start::Commit => "a change's commit",
        Start::FirstCommit => "the first commit of a change",
        Start::Opened => "the opening of a change for review",
        Start::Reviewed => "the first review of a change",
        Start::Merged => "the merge of a change",
    };
    let start = match lead_time.span {
        Span::Whole => format!("from {start}"),
        Span::Phases => format!("of the phases from {start}"),
        Span::Steps => format!("of coding, pickup, review and deploying from {start}"),
    };
    let which = match lead_time.deliveries {
        Deliveries::First => "the first successful production deployment of its component that lists it",
        Deliveries::Every => "each successful production deployment of its component that lists it",
        Deliveries::EachRelease => {
            "the first successful production deployment of each release of its component that lists it"
        }
    };
    let mut text = format!(
        "{} time {start} to the end of {which}, of the changes whose deployment finished in the window",
        blended(lead_time.aggregate, lead_time.blend)
    );
    if lead_time.failed_runs_roll_forward {
        text.push_str(", what a failed deployment listed being delivered by the next one");
    }
    if !lead_time.first_deployment.counts() {
        text.push_str(", without the first deployment of an environment");
    }
    text + &rules(lead_time.round, lead_time.skew)
}

fn change_fail_rate(options: &Options) -> String {
    let of = match options.failures.of {
        FailedOf::Deployments => deployments(options),
        FailedOf::WithChanges => format!("{}, with a known change", deployments(options)),
        FailedOf::AtLeastOne => format!("{}, or of 1", deployments(options)),
    };
    let of = match options.deployments.failed_runs {
        FailedRuns::LeftOut => of,
        FailedRuns::Failures => format!("{of}, and of the failed ones"),
    };
    let share = match options.failures.share {
        FailShare::Deployments => {
            let cause = if options.failures.rollbacks.counts() {
                "an incident or a rollback"
            } else {
                "an incident"
            };
            format!(
                "deployments that {cause} is attributed to ({}), each once, of the {of}",
                attribution(options)
            )
        }
        FailShare::Opened => format!("incidents that were opened in the window, over the {of}"),
        FailShare::Runs => format!("failed deployments, of the {of}"),
        FailShare::Changes => format!("revisions that an incident names as its cause, over the {of}"),
        FailShare::Fixes => format!("unplanned deployments{}, of the {of}", one_row(options)),
    };
    match options.failures.blend {
        RateBlend::Together => share,
        RateBlend::ComponentMeans => format!("mean of each component's rate: {share}"),
    }
}

fn one_row(options: &Options) -> &'static str {
    match options.deployments.several {
        Several::Apart => "",
        Several::OneRow => " (of several components, those that overlap are one)",
    }
}

fn attribution(options: &Options) -> String {
    let attribution = &options.failures.attribution;
    let last = match attribution.reach {
        Reach::Nowhere => return "the one that it names".to_owned(),
        Reach::Component => "of its component",
        Reach::Project => "of all components",
    };
    let named = match attribution.named {
        Named::First => "the one that it names, else ",
        Named::Ignored => "",
    };
    let bound = match attribution.bound {
        Bound::Inclusive => "at or before",
        Bound::Strict => "before",
    };
    let within = match attribution.within {
        None => String::new(),
        Some(within) => format!(", at most {within:#} before"),
    };
    format!("{named}the last one {last} that finished {bound} its opening{within}")
}

fn recovery_time(options: &Options) -> String {
    let recovery = &options.recovery;
    let from = match recovery.from {
        RecoveryFrom::Deployment => {
            "from the end of a failed deployment to the end of the incident, or to the rollback where there is no incident"
        }
        RecoveryFrom::Opened => "from the opening of an incident to its end",
        RecoveryFrom::CauseOrOpened => {
            "from the opening of an incident, or the deployment of its cause if that is earlier, to its end"
        }
        RecoveryFrom::FailedRun => "from the first failed deployment of a row to the next successful one",
        RecoveryFrom::LastGood => {
            "from the last deployment before a row of unplanned ones to the last of them"
        }
    };
    let overlapping = match recovery.from {
        RecoveryFrom::LastGood => one_row(options),
        _ => "",
    };
    let by = match (recovery.by, recovery.from) {
        (RecoveredBy::Start, RecoveryFrom::Deployment) => "of the deployments that finished in the window",
        (RecoveredBy::Start, _) => "of what began in the window",
        (RecoveredBy::End, _) => "of what was over in the window",
        (RecoveredBy::Opened, _) => "of what was opened in the window",
    };
    let rules = rules(recovery.round, recovery.skew);
    format!(
        "{} time {from}{overlapping}, {by}{rules}",
        blended(recovery.aggregate, recovery.blend)
    )
}
