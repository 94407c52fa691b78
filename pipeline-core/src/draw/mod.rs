//! Pipelines and runs as drawings, for Graphviz and for Mermaid.
//!
//! [`Drawing`] is the drawing; it is text in a language that other programs lay out. The same pipeline, and the same
//! state of a run, always give the same text.
//!
//! # What is drawn
//!
//! A box for each stage: its name, its type and version, its gates. Environments are frames around the stages that
//! target them. An arrow goes from a stage to one that waits for it; where that is because of artifacts, the arrow
//! names them. A run shows more: what each gate said, and where each stage stands, told three times over: a word, a
//! symbol, and a shape; colour comes on top and nothing depends on it.
//!
//! | symbol | words | DOT shape | Mermaid shape |
//! |---|---|---|---|
//! | `○` `◎` | pending, ready | box; dashed while pending | box |
//! | `◆` | waiting | hexagon | hexagon |
//! | `▶` | running | box with two borders | box with two borders |
//! | `?` | unknown | trapezium | trapezoid |
//! | `✔` `=` `∅` `↺` `☑` | succeeded, unchanged, nothing to do, reused, accepted | ellipse | stadium |
//! | `✘` `!` `⊘` | failed, errored, denied | octagon | flag |
//! | `–` `■` | skipped, cancelled | parallelogram | parallelogram |
//!
//! # Size
//!
//! Writing a drawing takes time and memory in proportion to stages and arrows: 10,000 stages with 30,000 arrows are less
//! than a tenth of a second and a megabyte of text. Looking at it is another matter. With more than some hundred stages
//! nobody sees anything in the picture, and Mermaid refuses more than 500 arrows or 50,000 characters unless the page
//! raises `maxEdges` and `maxTextSize`. Draw large pipelines for programs, not for people.

mod dot;
mod drawing;
mod look;
mod mermaid;
mod text;

pub use drawing::Drawing;
