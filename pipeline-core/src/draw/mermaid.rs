use std::collections::BTreeSet;
use std::fmt::{self, Write};

use super::drawing::Drawing;
use super::look::Form;
use super::text::visible;

impl Drawing {
    /// The drawing as a [Mermaid flowchart](https://mermaid.js.org/syntax/flowchart.html), laid out from left to
    /// right: what Markdown on many sites shows in a block marked `mermaid`. Nodes are `s0`, `s1` and so on, in the
    /// order of the plan. It needs Mermaid 10 or newer.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = self.write_mermaid(&mut text);
        text
    }

    fn write_mermaid(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "---\ntitle: \"{}\"\n---\nflowchart LR", self.title)?;
        for (at, _) in self.nodes.iter().enumerate().filter(|(_, node)| !node.grouped) {
            self.write_mermaid_node(out, "  ", at)?;
        }
        for (number, group) in self.groups.iter().enumerate() {
            writeln!(out, "  subgraph e{number}[\"{}\"]", escaped(&group.label))?;
            for &member in &group.members {
                self.write_mermaid_node(out, "    ", member)?;
            }
            writeln!(out, "  end")?;
        }
        for edge in &self.edges {
            let label = lines(edge.artifacts.iter());
            match label.is_empty() {
                true => writeln!(out, "  s{} --> s{}", edge.from, edge.to)?,
                false => writeln!(out, "  s{} -->|\"{label}\"| s{}", edge.from, edge.to)?,
            }
        }
        let forms: BTreeSet<Form> = self
            .nodes
            .iter()
            .filter_map(|node| Some(node.look?.form))
            .collect();
        for form in forms {
            let (fill, border) = form.colours();
            let dashed = if form.dashed() {
                ",stroke-dasharray:4 4"
            } else {
                ""
            };
            writeln!(
                out,
                "  classDef {} fill:{fill},stroke:{border},color:#000000{dashed}",
                form.name()
            )?;
        }
        Ok(())
    }

    fn write_mermaid_node(&self, out: &mut String, indent: &str, at: usize) -> fmt::Result {
        let node = &self.nodes[at];
        let label = lines(std::iter::once(&node.name).chain(&node.lines));
        let (open, close) = node.look.map_or(("[", "]"), |look| shape(look.form));
        write!(out, "{indent}s{at}{open}\"{label}\"{close}")?;
        match node.look {
            Some(look) => writeln!(out, ":::{}", look.form.name()),
            None => writeln!(out),
        }
    }
}

/// What is around the label of a form.
fn shape(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Ahead | Form::Dormant => ("[", "]"),
        Form::Waiting => ("{{", "}}"),
        Form::Running => ("[[", "]]"),
        Form::Unknown => ("[/", "\\]"),
        Form::Good => ("([", "])"),
        Form::Bad => (">", "]"),
        Form::Left => ("[/", "/]"),
    }
}

/// Lines below each other, without the empty ones.
fn lines<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    let lines = lines.filter(|line| !line.is_empty());
    lines.map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>")
}

/// Mermaid takes labels through several readers (its own, Markdown, HTML), so all that any of them could see more in
/// than a character becomes its number.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    for character in line.chars().map(visible) {
        let plain = character.is_ascii_alphanumeric()
            || matches!(
                character,
                ' ' | '-' | '.' | ',' | ':' | '@' | '/' | '(' | ')' | '_'
            )
            || !character.is_ascii();
        if plain {
            text.push(character);
        } else {
            let _ = write!(text, "#{};", u32::from(character));
        }
    }
    text
}
