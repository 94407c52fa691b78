//! Puts a graph in order, or tells its cycles. Everything is iterative: a chain may be a million stages long.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// How many nodes and edges the search for short cycles may look at. When they are used up, one cycle through
/// the first node of each knot is reported, which takes time in proportion to the graph.
const BUDGET: usize = 1_000_000;

/// The nodes, each after its dependencies; of those that are ready, the lowest first.
///
/// # Errors
///
/// The cycles when there are some; each starts at its lowest node, and each node waits for the next.
pub(super) fn sort(dependencies: &[Vec<u32>]) -> Result<Vec<u32>, Vec<Vec<u32>>> {
    let dependents = reverse(dependencies);
    let mut waiting: Vec<usize> = dependencies.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<u32>> = (0..)
        .zip(&waiting)
        .filter(|(_, count)| **count == 0)
        .map(|(node, _)| Reverse(node))
        .collect();
    let mut order = Vec::with_capacity(dependencies.len());
    while let Some(Reverse(node)) = ready.pop() {
        order.push(node);
        for &dependent in &dependents[node as usize] {
            let count = &mut waiting[dependent as usize];
            *count -= 1;
            if *count == 0 {
                ready.push(Reverse(dependent));
            }
        }
    }
    if order.len() == dependencies.len() {
        Ok(order)
    } else {
        Err(cycles(dependencies))
    }
}

/// The edges the other way round; sorted if the nodes are looked at in order.
pub(super) fn reverse(edges: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut reversed = vec![Vec::new(); edges.len()];
    for (node, targets) in (0..).zip(edges) {
        for &target in targets {
            reversed[target as usize].push(node);
        }
    }
    reversed
}

fn cycles(dependencies: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let edges = (0_u32..)
        .zip(dependencies)
        .flat_map(|(node, targets)| targets.iter().map(move |&target| (node, target)));
    let graph: DiGraph<(), (), u32> = DiGraph::from_edges(edges);
    let mut knots: Vec<Vec<u32>> = kosaraju_scc(&graph)
        .into_iter()
        .filter(|knot| knot.len() > 1)
        .map(|knot| knot.into_iter().map(small).collect())
        .collect();
    for knot in &mut knots {
        knot.sort_unstable();
    }
    knots.sort_unstable_by_key(|knot| knot.first().copied());

    let mut budget = BUDGET;
    let mut found = Vec::new();
    for knot in knots {
        let local: BTreeMap<u32, u32> = knot.iter().copied().zip(0..).collect();
        let edges = knot
            .iter()
            .map(|&node| {
                let targets = dependencies[node as usize].iter();
                targets.filter_map(|target| local.get(target).copied()).collect()
            })
            .collect();
        for cycle in untie(edges, &mut budget) {
            found.push(cycle.into_iter().map(|node| knot[node as usize]).collect());
        }
    }
    found
}

fn small(node: NodeIndex<u32>) -> u32 {
    u32::try_from(node.index()).unwrap_or(u32::MAX)
}

/// The cycles of a knot, shortest first: a cycle is found, its edges are removed, and so on until nothing is
/// left of the knot or of the budget. At least one.
fn untie(mut edges: Vec<Vec<u32>>, budget: &mut usize) -> Vec<Vec<u32>> {
    let mut found: Vec<Vec<u32>> = Vec::new();
    while found.is_empty() || *budget > 0 {
        let mut best: Option<Vec<u32>> = None;
        for start in (0..).take(edges.len()) {
            if let Some(cycle) = shortest(start, &edges, budget)
                && best.as_ref().is_none_or(|best| cycle.len() < best.len())
            {
                best = Some(cycle);
            }
            if *budget == 0 || best.as_ref().is_some_and(|best| best.len() == 2) {
                break;
            }
        }
        let Some(cycle) = best else { break };
        for (at, &node) in cycle.iter().enumerate() {
            let next = cycle[(at + 1) % cycle.len()];
            edges[node as usize].retain(|&target| target != next);
        }
        found.push(cycle);
    }
    found
}

/// The shortest cycle through a node.
fn shortest(start: u32, edges: &[Vec<u32>], budget: &mut usize) -> Option<Vec<u32>> {
    let mut reached_from: BTreeMap<u32, u32> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        *budget = budget.saturating_sub(1 + edges[node as usize].len());
        for &target in &edges[node as usize] {
            if target == start {
                let mut cycle = vec![node];
                let mut at = node;
                while at != start {
                    let Some(&before) = reached_from.get(&at) else {
                        break;
                    };
                    cycle.push(before);
                    at = before;
                }
                cycle.reverse();
                return Some(cycle);
            }
            reached_from.entry(target).or_insert_with(|| {
                queue.push_back(target);
                node
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_ready_node_comes_first() {
        assert_eq!(sort(&[vec![2], vec![], vec![], vec![0, 1]]), Ok(vec![1, 2, 0, 3]));
    }

    #[test]
    fn cycles_that_share_a_node_are_all_told() {
        // 0 ⇄ 1 ⇄ 2, and 3 → 4 → 5 → 3; 6 waits for a cycle and is in none.
        let edges = [vec![1], vec![0, 2], vec![1], vec![4], vec![5], vec![3], vec![3]];
        assert_eq!(sort(&edges), Err(vec![vec![0, 1], vec![1, 2], vec![3, 4, 5]]));
    }

    #[test]
    fn the_shortest_form_of_a_cycle_is_told() {
        // The ring 0 → 1 → 2 → 3 → 0 with the chord 1 → 0.
        let edges = [vec![1], vec![0, 2], vec![3], vec![0]];
        assert_eq!(sort(&edges), Err(vec![vec![0, 1]]));
    }

    #[test]
    fn a_long_chain_and_a_long_ring_take_no_stack_and_little_time() {
        let count = 100_000;
        let chain: Vec<Vec<u32>> = (0..count)
            .map(|node| (node..count).skip(1).take(1).collect())
            .collect();
        let order = sort(&chain).unwrap();
        assert_eq!(order.first(), Some(&(count - 1)));
        let ring: Vec<Vec<u32>> = (0..count).map(|node| vec![(node + 1) % count]).collect();
        assert_eq!(sort(&ring), Err(vec![(0..count).collect()]));
    }

    #[test]
    fn layers_take_little_time() {
        // 200 layers of 50, each node waits for the whole layer before.
        let edges: Vec<Vec<u32>> = (0..10_000_u32)
            .map(|node| {
                let layer = node / 50;
                (0..if layer == 0 { 0 } else { 50 })
                    .map(|at| (layer - 1) * 50 + at)
                    .collect()
            })
            .collect();
        assert_eq!(sort(&edges), Ok((0..10_000).collect()));
    }
}
