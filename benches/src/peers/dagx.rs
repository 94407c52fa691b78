// `task` makes an impl of `Task` out of a method `run`.
use ::dagx::{DagRunner, Task, TaskHandle, task};

use crate::rounds::Contender;
use crate::shapes::Shape;
use crate::threads::Threads;

struct Root;

#[task]
impl Root {
    async fn run() -> u32 {
        1
    }
}

struct AfterOne;

#[task]
impl AfterOne {
    async fn run(a: &u32) -> u32 {
        a + 1
    }
}

struct AfterThree;

#[task]
impl AfterThree {
    async fn run(a: &u32, b: &u32, c: &u32) -> u32 {
        a.max(b).max(c) + 1
    }
}

/// The crate `dagx`: it runs the graph layer by layer, and hands values on through channels.
pub fn contender(threads: &Threads, shape: Shape) -> Contender<'_> {
    Box::new(move || {
        let (dag, last) = build(shape)?;
        let (time, dag) = threads.time(async move {
            dag.run(|node| {
                tokio::spawn(node);
            })
            .await?;
            Ok(dag)
        })?;
        crate::ensure(dag.get(last)? == shape.depth(), "dagx ran nodes too early")?;
        Ok(time)
    })
}

fn build(shape: Shape) -> Result<(DagRunner, TaskHandle<u32>), crate::Failure> {
    let dag = DagRunner::new();
    let mut handles: Vec<TaskHandle<u32>> = Vec::with_capacity(shape.nodes() as usize);
    for node in 0..shape.nodes() {
        let parents: Vec<TaskHandle<u32>> = shape.parents(node).map(|at| handles[at as usize]).collect();
        handles.push(match &*parents {
            [] => dag.add_task(Root).into(),
            [a] => dag.add_task(AfterOne).depends_on(a),
            [a, b, c] => dag.add_task(AfterThree).depends_on((a, b, c)),
            _ => return Err("no shape has so many parents".into()),
        });
    }
    let last = *handles.last().ok_or("an empty graph")?;
    Ok((dag, last))
}
