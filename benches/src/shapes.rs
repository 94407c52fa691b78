//! The graphs that everybody runs.

use std::fmt;

/// A graph by rule: for each node those that it waits for, which have smaller numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    kind: Kind,
    nodes: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chain,
    Wide,
    Layered { width: u32 },
}

/// How many nodes of the layer before a node waits for.
const PARENTS: u32 = 3;

impl Shape {
    /// Each node waits for the one before it.
    pub const fn chain(nodes: u32) -> Self {
        Self {
            kind: Kind::Chain,
            nodes,
        }
    }

    /// No node waits.
    pub const fn wide(nodes: u32) -> Self {
        Self {
            kind: Kind::Wide,
            nodes,
        }
    }

    /// Layers of `width` nodes, more than two. Each node waits for three of the layer before, and three wait for it.
    pub const fn layered(nodes: u32, width: u32) -> Self {
        Self {
            kind: Kind::Layered { width },
            nodes,
        }
    }

    /// How many nodes it has.
    pub fn nodes(self) -> u32 {
        self.nodes
    }

    /// How many nodes lie on the longest way through it.
    pub fn depth(self) -> u32 {
        match self.kind {
            Kind::Chain => self.nodes,
            Kind::Wide => 1,
            Kind::Layered { width } => self.nodes.div_ceil(width),
        }
    }

    /// The nodes that a node waits for, each once.
    pub fn parents(self, node: u32) -> impl ExactSizeIterator<Item = u32> {
        let (count, first, width) = match self.kind {
            Kind::Chain if node > 0 => (1, node - 1, 1),
            Kind::Layered { width } if node >= width => (PARENTS, node / width * width - width, width),
            Kind::Chain | Kind::Wide | Kind::Layered { .. } => (0, 0, 1),
        };
        (0..count).map(move |number| first + (node + number) % width)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Chain => "chain",
            Kind::Wide => "wide",
            Kind::Layered { .. } => "layered",
        })?;
        write!(f, " {}", Thousands(self.nodes.into()))
    }
}

/// Shows a number with a comma before each group of three digits.
#[derive(Debug, Clone, Copy)]
pub struct Thousands(pub u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() + digits.len() / 3);
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A graph written out, as a scheduler wants it: how many nodes each node waits for, and who waits for it.
#[derive(Debug)]
pub struct Graph {
    /// For each node, how many it waits for.
    pub waits_for: Vec<u32>,
    /// Where the dependents of a node begin in `dependents`; one entry more than there are nodes.
    starts: Vec<u32>,
    dependents: Vec<u32>,
}

impl Graph {
    /// Writes out a shape.
    pub fn new(shape: Shape) -> Self {
        let nodes = shape.nodes() as usize;
        let mut starts = vec![0; nodes + 1];
        let mut waits_for = vec![0; nodes];
        for node in 0..shape.nodes() {
            for parent in shape.parents(node) {
                starts[parent as usize + 1] += 1;
                waits_for[node as usize] += 1;
            }
        }
        for at in 0..nodes {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut dependents = vec![0; starts[nodes] as usize];
        for node in 0..shape.nodes() {
            for parent in shape.parents(node) {
                let at = &mut next[parent as usize];
                dependents[*at as usize] = node;
                *at += 1;
            }
        }
        Self {
            waits_for,
            starts,
            dependents,
        }
    }

    /// The nodes that wait for a node.
    pub fn dependents(&self, node: u32) -> &[u32] {
        let at = node as usize;
        &self.dependents[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// The nodes that wait for nothing.
    pub fn roots(&self) -> impl Iterator<Item = u32> {
        let nodes = (0..).zip(&self.waits_for);
        nodes
            .filter(|(_, waits_for)| **waits_for == 0)
            .map(|(node, _)| node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u32; 0] = [];

    fn parents(shape: Shape, node: u32) -> Vec<u32> {
        shape.parents(node).collect()
    }

    #[test]
    fn shapes_have_the_edges_that_they_promise() {
        assert_eq!(parents(Shape::chain(3), 0), NONE);
        assert_eq!(parents(Shape::chain(3), 2), [1]);
        assert_eq!(parents(Shape::wide(3), 2), NONE);
        let layered = Shape::layered(12, 4);
        assert_eq!(parents(layered, 3), NONE);
        assert_eq!(parents(layered, 4), [0, 1, 2]);
        assert_eq!(parents(layered, 11), [7, 4, 5]);
        assert_eq!(
            (layered.depth(), Shape::chain(9).depth(), Shape::wide(9).depth()),
            (3, 9, 1)
        );
        assert_eq!(Shape::layered(1_234_567, 1_000).to_string(), "layered 1,234,567");
    }

    #[test]
    fn a_graph_is_its_shape_written_out() {
        for shape in [Shape::chain(10), Shape::wide(10), Shape::layered(20, 5)] {
            let graph = Graph::new(shape);
            for node in 0..shape.nodes() {
                let waits: Vec<u32> = (0..shape.nodes())
                    .filter(|&other| parents(shape, other).contains(&node))
                    .collect();
                assert_eq!(graph.dependents(node), waits, "{shape}: dependents of {node}");
                assert_eq!(graph.waits_for[node as usize] as usize, shape.parents(node).len());
            }
            let roots: Vec<u32> = (0..shape.nodes())
                .filter(|&node| shape.parents(node).len() == 0)
                .collect();
            assert_eq!(graph.roots().collect::<Vec<_>>(), roots);
        }
    }
}
