//! Further numbers for a terminal and for programs.

use pipeline_metrics::{
    Delivery, FigureOptions, FlowFact, Hold, ManualWork, Options, Window, figure_json_schema, figures,
    render_figures,
};
use serde_json::Value;

use crate::figures::{origin, releases, time};
use crate::value_stream::two_items;
use crate::year::{check, tidy};

/// Everything that there are numbers of.
fn all() -> Vec<pipeline_metrics::Figure> {
    let facts = releases();
    let mut options = Options::default();
    options.deployments.production = ["eu", "us", "asia"].map(str::to_owned).into();
    let delivery = Delivery::of(&facts, &options).unwrap();
    let mut flow = two_items();
    flow.add(FlowFact::Hold(Hold {
        by: Some("team \u{1b}[31ma".into()),
        from: Some(time(1)),
        until: Some(time(5)),
        ..Hold::new("h1".to_owned(), "eu", origin(7))
    }));
    flow.add(FlowFact::ManualWork(ManualWork {
        id: "m1".into(),
        at: time(3),
        component: Some("shop".into()),
        task: "copy logs".into(),
        by: None,
        spent: None,
        automatable: Some(true),
        origin: origin(8),
    }));
    let window = Window::new(time(0), time(100)).unwrap();
    figures(&delivery, &flow, &FigureOptions::new(window))
}

#[test]
fn figures_as_text() {
    let figures = all();
    insta::assert_snapshot!("figures_as_text", tidy(&render_figures(&figures, false)));
    let facts = render_figures(&figures, true);
    assert!(!facts.contains('\u{1b}'), "no name moves the cursor");
    for (figure, item) in figures
        .iter()
        .flat_map(|figure| figure.counted.iter().map(move |item| (figure, item)))
    {
        let line = format!("    {} ({})", item.what, item.source).replace('\u{1b}', "\u{fffd}");
        assert!(facts.contains(&line), "{}: {line}", figure.id);
    }
    for left in figures.iter().flat_map(|figure| &figure.left_out) {
        let line = format!(
            "    left out: {} ({}): {}",
            left.item.what, left.item.source, left.reason
        );
        assert!(facts.contains(&line), "{line}");
    }
    assert_eq!(render_figures(&[], true), "");
}

/// Every value of a figure is described, and what is described as always there is.
#[test]
fn the_json_form_is_as_its_schema_says() {
    let schema: Value = serde_json::from_str(figure_json_schema()).unwrap();
    let known = schema["properties"]["id"]["enum"].as_array().unwrap();
    let figures = all();
    assert_eq!(figures.len(), known.len());
    let mut seen = 0;
    for figure in &figures {
        let document = serde_json::to_value(figure).unwrap();
        check(&schema, &schema, &document, figure.id);
        seen += usize::from(!figure.is_empty());
        let mut wrong = document;
        wrong["values"][0]["value"] = Value::from("many");
        assert!(std::panic::catch_unwind(|| check(&schema, &schema, &wrong, "$")).is_err());
    }
    assert!(seen >= 8, "only {seen} of them have anything in them");
}
