use std::fmt::{self, Write};

use pipeline_core::{Action, Purpose};

use crate::{ChangeRecord, EvidenceRef, PlannedWindow};

impl ChangeRecord {
    /// The record as a person reads it: what an approver has to know first, what happened last.
    pub fn render_text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{}", self.title)?;
        writeln!(out)?;
        field(out, "change", &self.id)?;
        match (&self.closure, &self.cancellation) {
            (Some(closure), _) => field(out, "state", format_args!("{}, {}", self.state, closure.code))?,
            (_, Some(reason)) => field(out, "state", format_args!("{}: {reason}", self.state))?,
            _ => field(out, "state", self.state)?,
        }
        field(out, "type", self.change_type)?;
        field(out, "component", &self.component)?;
        match self.tier {
            Some(tier) => field(
                out,
                "environment",
                format_args!("{} (tier {tier})", self.plan.environment),
            )?,
            None => field(out, "environment", &self.plan.environment)?,
        }
        field(
            out,
            "release",
            format_args!("{} ({})", self.plan.title, self.plan.release.short()),
        )?;
        field(out, "configuration", self.plan.configuration.short())?;
        field(out, "action plan", self.action_plan.short())?;
        field(
            out,
            "run",
            format_args!("{} of {}, stage {}", self.run, self.pipeline, self.stage),
        )?;
        let rework = match self.purpose {
            Purpose::Planned => "",
            Purpose::Rework => ", because of an incident",
        };
        field(
            out,
            "requested",
            format_args!("by {} at {}{rework}", self.requested_by, self.requested_at),
        )?;
        if self.window != PlannedWindow::default() {
            field(out, "planned", self.window)?;
        }
        self.write_authorisation(out)?;
        paragraph(out, "What", &self.description)?;
        paragraph(out, "Why", &self.justification)?;
        list(out, "How", actions(&self.plan.actions, "nothing would change"))?;
        list(
            out,
            "How it is undone",
            actions(&self.plan.rollback, "it cannot be undone"),
        )?;
        list(
            out,
            "How success is told",
            self.plan.success_measures.iter().cloned(),
        )?;
        list(
            out,
            "Revisions",
            self.revisions
                .iter()
                .map(|revision| format!("{} {}", revision.id, revision.summary)),
        )?;
        list(out, "Assessment", self.assessment.iter().map(evidence))?;
        if let Some(closure) = &self.closure {
            paragraph(out, "Result", &closure.notes)?;
            list(out, "Evidence", closure.evidence.iter().map(evidence))?;
        }
        list(
            out,
            "History",
            self.history
                .iter()
                .map(|step| format!("{}  {:<12}  {}", step.at, step.event, step.state)),
        )
    }

    fn write_authorisation(&self, out: &mut String) -> fmt::Result {
        if !self.change_type.needs_authorisation() {
            return field(out, "authorised", "in advance");
        }
        if self.authorised_by.is_empty() {
            let who = self.authorisers.join(", ");
            return field(
                out,
                "authorised",
                format_args!("not yet; {} of {who}", self.count),
            );
        }
        for one in &self.authorised_by {
            let comment = if one.comment.is_empty() {
                String::new()
            } else {
                format!(": {}", one.comment)
            };
            field(
                out,
                "authorised",
                format_args!("by {} at {}{comment}", one.by, one.at),
            )?;
        }
        Ok(())
    }
}

fn field(out: &mut String, name: &str, value: impl fmt::Display) -> fmt::Result {
    writeln!(out, "{name:<14} {value}")
}

fn paragraph(out: &mut String, title: &str, text: &str) -> fmt::Result {
    list(
        out,
        title,
        text.lines().filter(|_| !text.is_empty()).map(str::to_owned),
    )
}

fn list(out: &mut String, title: &str, lines: impl IntoIterator<Item = String>) -> fmt::Result {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_none() {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for line in lines {
        writeln!(out, "  {}", line.trim_end())?;
    }
    Ok(())
}

fn actions(actions: &[Action], none: &str) -> Vec<String> {
    if actions.is_empty() {
        return vec![none.to_owned()];
    }
    actions
        .iter()
        .zip(1..)
        .map(|(action, number)| format!("{number}. {action}"))
        .collect()
}

fn evidence(one: &EvidenceRef) -> String {
    let digest = one
        .digest
        .map_or(String::new(), |digest| format!(", {}", digest.short()));
    format!("{}: {} [{}{digest}]", one.subject, one.finding, one.event)
}
