/// What one deployment is at fault for, as it stands in the cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    /// Rows of incidents, and when they were over or [`NEVER`](crate::facts::NEVER).
    pub(super) incidents: Vec<(u32, i64)>,
    /// Ids of rollbacks, and when they were.
    pub(super) rollbacks: Vec<(Box<str>, i64)>,
}

impl Faults {
    pub(super) fn is_empty(&self) -> bool {
        self.incidents.is_empty() && self.rollbacks.is_empty()
    }

    /// The ends of what tells the recovery: of the incidents, else of the rollbacks.
    pub(super) fn ends(&self) -> Vec<i64> {
        if self.incidents.is_empty() {
            self.rollbacks.iter().map(|(_, at)| *at).collect()
        } else {
            self.incidents.iter().map(|(_, end)| *end).collect()
        }
    }
}
