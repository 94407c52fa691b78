use std::fmt::{self, Write};

use super::drawing::{Drawing, Node};
use super::look::Form;
use super::text::visible;

impl Drawing {
    /// The drawing in the language of [Graphviz](https://graphviz.org/doc/info/lang.html): one `digraph`, UTF-8, laid
    /// out from left to right. Stages are nodes under their own names, so that other programs find them; what a reason
    /// has no room for in its box is the node's tooltip.
    pub fn to_dot(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = self.write_dot(&mut text);
        text
    }

    fn write_dot(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "digraph {{")?;
        writeln!(
            out,
            "  graph [rankdir=LR, label={}, labelloc=t, fontname=\"sans-serif\"];",
            quoted(&self.title)
        )?;
        writeln!(
            out,
            "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", fontname=\"sans-serif\"];"
        )?;
        writeln!(out, "  edge [fontname=\"sans-serif\", fontsize=10];")?;
        for node in self.nodes.iter().filter(|node| !node.grouped) {
            write_node(out, "  ", node)?;
        }
        for group in &self.groups {
            writeln!(
                out,
                "  subgraph {} {{",
                quoted(&format!("cluster_{}", group.name))
            )?;
            writeln!(out, "    label={};", quoted(&group.label))?;
            writeln!(out, "    style=\"rounded\";")?;
            for &member in &group.members {
                write_node(out, "    ", &self.nodes[member])?;
            }
            writeln!(out, "  }}")?;
        }
        for edge in &self.edges {
            let [from, to] = [edge.from, edge.to].map(|at| quoted(&self.nodes[at].name));
            write!(out, "  {from} -> {to}")?;
            if !edge.artifacts.is_empty() {
                write!(out, " [label={}]", lines(edge.artifacts.iter()))?;
            }
            writeln!(out, ";")?;
        }
        writeln!(out, "}}")
    }
}

fn write_node(out: &mut String, indent: &str, node: &Node) -> fmt::Result {
    let label = lines(std::iter::once(&node.name).chain(&node.lines));
    write!(out, "{indent}{} [label={label}", quoted(&node.name))?;
    if let Some(look) = node.look {
        let (fill, border) = look.form.colours();
        let (shape, more) = shape(look.form);
        write!(
            out,
            ", shape={shape}{more}, fillcolor=\"{fill}\", color=\"{border}\""
        )?;
    }
    if !node.note.is_empty() {
        write!(out, ", tooltip={}", quoted(&node.note))?;
    }
    writeln!(out, "];")
}

/// The shape, and what else makes a form.
fn shape(form: Form) -> (&'static str, &'static str) {
    match form {
        Form::Ahead => ("box", ""),
        Form::Dormant => ("box", ", style=\"rounded,filled,dashed\""),
        Form::Waiting => ("hexagon", ", style=filled"),
        Form::Running => ("box", ", peripheries=2, style=filled"),
        Form::Unknown => ("trapezium", ", style=filled"),
        Form::Good => ("ellipse", ", style=filled"),
        Form::Bad => ("octagon", ", style=filled"),
        Form::Left => ("parallelogram", ", style=filled"),
    }
}

/// Lines below each other, without the empty ones.
fn lines<'a>(lines: impl Iterator<Item = &'a String>) -> String {
    let mut text = String::from("\"");
    for line in lines.filter(|line| !line.is_empty()) {
        if text.len() > 1 {
            text.push_str("\\n");
        }
        escape(line, &mut text);
    }
    text.push('"');
    text
}

fn quoted(line: &str) -> String {
    let mut text = String::from("\"");
    escape(line, &mut text);
    text.push('"');
    text
}

/// Graphviz reads `\` and quotes in a quoted string, and entities such as `&lt;` in a label.
fn escape(line: &str, text: &mut String) {
    for character in line.chars().map(visible) {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '&' => text.push_str("&amp;"),
            other => text.push(other),
        }
    }
}
