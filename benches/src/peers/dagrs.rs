use std::sync::Arc;

use ::dagrs::{
    Action, Content, DefaultNode, EnvVar, Graph, InChannels, Node, NodeTable, OutChannels, Output,
};
use async_trait::async_trait;

use crate::Failure;
use crate::rounds::Contender;
use crate::shapes::Shape;
use crate::threads::Threads;

/// Nodes wait for each other in no other way than by what they receive.
struct Hand;

#[async_trait]
impl Action for Hand {
    async fn run(&self, from: &mut InChannels, to: &mut OutChannels, _: Arc<EnvVar>) -> Output {
        let depths = from.map(|content| content.ok()?.into_inner::<u32>()).await;
        let depth = depths
            .into_iter()
            .flatten()
            .map(|depth| *depth)
            .max()
            .unwrap_or(0)
            + 1;
        to.broadcast(Content::new(depth)).await;
        Output::new(depth)
    }
}

/// The crate `dagrs`: all nodes are spawned at once, and wait for each other on channels.
pub fn contender(threads: &Threads, shape: Shape) -> Contender<'_> {
    Box::new(move || {
        let (mut graph, last) = build(shape)?;
        let (time, graph) = threads.time(async move {
            let report = graph.async_start().await?;
            crate::ensure(
                report.node_succeeded == report.node_total,
                "nodes of dagrs failed",
            )?;
            Ok(graph)
        })?;
        let outputs = graph.get_outputs();
        let depth = outputs
            .get(&last)
            .and_then(|output| output.get_out()?.into_inner::<u32>());
        crate::ensure(
            depth.as_deref() == Some(&shape.depth()),
            "dagrs ran nodes too early",
        )?;
        Ok(time)
    })
}

fn build(shape: Shape) -> Result<(Graph, ::dagrs::NodeId), Failure> {
    let mut table = NodeTable::new();
    let mut graph = Graph::new();
    let mut ids = Vec::with_capacity(shape.nodes() as usize);
    for node in 0..shape.nodes() {
        let node = DefaultNode::with_action(format!("s{node}"), Hand, &mut table);
        ids.push(node.id());
        graph.add_node(node)?;
    }
    for node in 0..shape.nodes() {
        for parent in shape.parents(node) {
            graph.add_edge(ids[parent as usize], [ids[node as usize]])?;
        }
    }
    graph.set_env(EnvVar::new(table));
    let last = *ids.last().ok_or("an empty graph")?;
    Ok((graph, last))
}
