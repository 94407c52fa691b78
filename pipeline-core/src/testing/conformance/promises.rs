/// Promises as constants, and all of them in the order of a report.
macro_rules! promises {
    ($($constant:ident = $name:literal: $says:literal;)*) => {
        $(pub(super) const $constant: $crate::testing::conformance::Promise =
            $crate::testing::conformance::Promise::new($name, $says);)*

        /// Every promise, in the order of a report.
        pub(super) const ALL: &[$crate::testing::conformance::Promise] = &[$($constant),*];
    };
}

pub(super) use promises;
