use ::async_dag::{Graph, NodeIndex};

use crate::Failure;
use crate::rounds::Contender;
use crate::shapes::Shape;
use crate::threads;

/// The crate `async_dag`: one task polls all nodes, so it runs on one thread, here the main one.
pub fn contender(shape: Shape) -> Contender<'static> {
    Box::new(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (mut graph, last) = build(shape)?;
        let (time, ()) = threads::time(|| {
            runtime.block_on(graph.run());
            Ok(())
        })?;
        let depth = graph.get_value::<u32>(last);
        crate::ensure(depth == Some(shape.depth()), "async_dag ran nodes too early")?;
        Ok(time)
    })
}

fn build(shape: Shape) -> Result<(Graph<'static>, NodeIndex), Failure> {
    let mut graph = Graph::new();
    let mut nodes: Vec<NodeIndex> = Vec::with_capacity(shape.nodes() as usize);
    for node in 0..shape.nodes() {
        let parents: Vec<NodeIndex> = shape.parents(node).map(|at| nodes[at as usize]).collect();
        let index = match parents.len() {
            0 => graph.add_task(|| async { 1_u32 }),
            1 => graph.add_task(|a: u32| async move { a + 1 }),
            3 => graph.add_task(|a: u32, b: u32, c: u32| async move { a.max(b).max(c) + 1 }),
            _ => return Err("no shape has so many parents".into()),
        };
        for (place, parent) in (0..).zip(parents) {
            graph
                .update_dependency(parent, index, place)
                .map_err(|error| format!("async_dag takes no edge: {error:?}"))?;
        }
        nodes.push(index);
    }
    let last = *nodes.last().ok_or("an empty graph")?;
    Ok((graph, last))
}
