use super::delivered::Delivered;
use super::{
    batch_size, downtime, environment_use, flow_efficiency, production_lag, queue_time, toil, versions,
    waiting,
};
use crate::{Delivery, Figure, FigureOptions, Flow, ObservedStream};

/// All further numbers of a window, in this order: `production-lag`, `downtime`, `value-stream`,
/// `flow-efficiency`, `waiting`, `queue-time`, `toil`, `versions`, `environment-use`, `batch-size`.
///
/// One that nothing is known for is there too, [empty](Figure::is_empty): its values are `None`.
pub fn figures(delivery: &Delivery<'_>, flow: &Flow, options: &FigureOptions) -> Vec<Figure> {
    let delivered = Delivered::of(delivery);
    vec![
        production_lag::production_lag(&delivered, flow, options),
        downtime::downtime(&delivered, flow, options),
        ObservedStream::of(flow, options).figure,
        flow_efficiency::flow_efficiency(flow, options),
        waiting::waiting(flow, options),
        queue_time::queue_time(flow, options),
        toil::toil(flow, options),
        versions::versions(&delivered, flow, options),
        environment_use::environment_use(flow, options),
        batch_size::batch_size(&delivered, options),
    ]
}
