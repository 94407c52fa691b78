//! The numbers of delivery: for a terminal, for programs, for monitoring, for a spreadsheet.

use pipeline_metrics::{
    Report, prometheus_text, render_explanation, render_figures, render_text, weekly_csv,
};
use serde_json::json;

use crate::answer::{Answer, Exit, Problem};
use crate::host::Host;
use crate::measuring::{FactsArgs, Measured, PartArgs};

/// What `release metrics` was asked for.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct MetricsArgs {
    #[command(flatten)]
    pub facts: FactsArgs,
    #[command(flatten)]
    pub part: PartArgs,
    /// The columns of a spreadsheet, one line for each service and week.
    #[arg(long, conflicts_with_all = ["prometheus", "explain"])]
    pub weekly_csv: bool,
    /// The text that Prometheus reads.
    #[arg(long, conflicts_with = "explain")]
    pub prometheus: bool,
    /// The further numbers, too: lag, downtime, value stream, waiting, toil, versions, batch size and more.
    #[arg(long, conflicts_with_all = ["weekly_csv", "prometheus"])]
    pub further: bool,
    /// Every fact behind each number, and those that were left out, with the reason.
    #[arg(long)]
    pub explain: bool,
}

/// `release metrics [SOURCE]…`
pub async fn metrics(host: Option<&Host>, args: &MetricsArgs) -> Result<Answer, Problem> {
    let measured = Measured::read(&args.facts, host).await?;
    let delivery = measured.delivery()?;
    let answer = |data, text: String| Ok(Answer::new(Exit::Succeeded, measured.told(data), text));
    if args.weekly_csv || args.prometheus {
        // What a program reads has no place for it.
        eprint!("{}", measured.read.problems());
    }
    if args.weekly_csv {
        let csv = weekly_csv(&delivery);
        return answer(json!({ "weekly_csv": csv }), csv);
    }
    let Some(window) = args.part.window(&delivery)? else {
        let text = format!("{}\n{}", measured.nothing_live(), measured.read.problems());
        return answer(json!({ "report": null }), text);
    };
    let mut options = args.part.report(&delivery, window, measured.as_of)?;
    if args.explain {
        options = options.with_facts();
    }
    let report = Report::of(&delivery, &options);
    if args.prometheus {
        let text = prometheus_text(&report);
        return answer(json!({ "prometheus": text }), text);
    }
    let mut text = render_text(&report);
    if args.explain {
        text.push('\n');
        text.push_str(&render_explanation(&report));
    }
    if !args.further {
        return answer(json!({ "report": report }), text);
    }
    let figures = measured.figures(&delivery, window, &args.part.service);
    text.push('\n');
    text.push_str(&render_figures(&figures, args.explain));
    answer(json!({ "report": report, "figures": figures }), text)
}
