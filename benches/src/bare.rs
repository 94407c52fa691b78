//! The floor: in-degree counters and one spawned task a node. Nothing less runs a graph in parallel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

use crate::Failure;
use crate::rounds::Contender;
use crate::shapes::{Graph, Shape};
use crate::threads::Threads;

struct Run {
    graph: Arc<Graph>,
    /// For each node, how many it still waits for.
    waits_for: Vec<AtomicU32>,
    /// How many nodes have not ended.
    left: AtomicU32,
    done: Notify,
}

impl Run {
    fn new(graph: &Arc<Graph>) -> Arc<Self> {
        Arc::new(Self {
            waits_for: graph.waits_for.iter().copied().map(AtomicU32::new).collect(),
            left: AtomicU32::new(graph.waits_for.len() as u32),
            done: Notify::new(),
            graph: Arc::clone(graph),
        })
    }

    fn spawn(self: Arc<Self>, node: u32) {
        tokio::spawn(async move {
            // Here a node would do its work.
            for &next in self.graph.dependents(node) {
                if self.waits_for[next as usize].fetch_sub(1, Ordering::AcqRel) == 1 {
                    Arc::clone(&self).spawn(next);
                }
            }
            if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.done.notify_one();
            }
        });
    }
}

/// Runs all nodes of a graph, each after those that it waits for.
async fn run(run: Arc<Run>) -> Result<Arc<Run>, Failure> {
    for root in run.graph.roots() {
        Arc::clone(&run).spawn(root);
    }
    run.done.notified().await;
    Ok(run)
}

/// Times the floor on a shape.
pub fn contender(threads: &Threads, shape: Shape) -> Contender<'_> {
    let graph = Arc::new(Graph::new(shape));
    Box::new(move || {
        let (time, run) = threads.time(run(Run::new(&graph)))?;
        let left = run.left.load(Ordering::Acquire);
        crate::ensure(left == 0, "nodes are left")?;
        Ok(time)
    })
}
