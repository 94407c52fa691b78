//! Other ways to run a graph of tasks, on the same graphs: tokio's own, and the crates that people would take.
//!
//! Each builds its graph outside the time that counts and runs it within. A node hands on how deep it lies, so that a
//! peer that runs nodes too early is found out.

mod async_dag;
mod dagrs;
mod dagx;
mod join_set;

pub use self::async_dag::contender as async_dag;
pub use self::dagrs::contender as dagrs;
pub use self::dagx::contender as dagx;
pub use join_set::contender as join_set;

#[cfg(test)]
mod tests {
    use crate::rounds::Contender;
    use crate::shapes::Shape;
    use crate::threads::Threads;
    use crate::{bare, ours};

    /// Each looks at the end whether it ran all nodes, and in order.
    #[test]
    fn everybody_runs_every_shape() {
        let threads = Threads::start().unwrap();
        for shape in [Shape::chain(30), Shape::wide(30), Shape::layered(30, 5)] {
            let pipeline = ours::pipeline(shape).unwrap();
            let contenders: [(&str, Contender<'_>); 7] = [
                ("bare", bare::contender(&threads, shape)),
                ("drive", ours::contender(&threads, &pipeline)),
                ("create", ours::creation(&threads, &pipeline)),
                ("join_set", super::join_set(&threads, shape)),
                ("dagx", super::dagx(&threads, shape)),
                ("dagrs", super::dagrs(&threads, shape)),
                ("async_dag", super::async_dag(shape)),
            ];
            for (name, mut contender) in contenders {
                for _ in 0..2 {
                    let time = contender().unwrap_or_else(|failure| panic!("{name}, {shape}: {failure}"));
                    assert!(!time.is_zero(), "{name}, {shape}");
                }
            }
        }
    }
}
