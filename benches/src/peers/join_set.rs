use std::sync::Arc;

use tokio::task::JoinSet;

use crate::Failure;
use crate::rounds::Contender;
use crate::shapes::{Graph, Shape};
use crate::threads::Threads;

/// Tokio's `JoinSet`: a loop in one place spawns what is ready, and takes in what ended.
pub fn contender(threads: &Threads, shape: Shape) -> Contender<'_> {
    let graph = Arc::new(Graph::new(shape));
    Box::new(move || {
        let waits_for = graph.waits_for.clone();
        let (time, ended) = threads.time(run(Arc::clone(&graph), waits_for))?;
        crate::ensure(ended == shape.nodes(), "nodes did not run")?;
        Ok(time)
    })
}

async fn run(graph: Arc<Graph>, mut waits_for: Vec<u32>) -> Result<u32, Failure> {
    let mut tasks = JoinSet::new();
    for root in graph.roots() {
        tasks.spawn(async move { root });
    }
    let mut ended = 0;
    while let Some(node) = tasks.join_next().await {
        ended += 1;
        for &next in graph.dependents(node?) {
            let left = &mut waits_for[next as usize];
            *left -= 1;
            if *left == 0 {
                tasks.spawn(async move { next });
            }
        }
    }
    Ok(ended)
}
