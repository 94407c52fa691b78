use jiff::Timestamp;

/// A moment in microseconds since 1970; finer digits are cut, towards the past.
pub(crate) fn micros(at: Timestamp) -> i64 {
    // A `Timestamp` spans 20,000 years, which are less than 2^60 microseconds.
    at.as_nanosecond().div_euclid(1000) as i64
}

/// The moment of so many microseconds since 1970; where none is, the nearest.
pub(crate) fn timestamp(micros: i64) -> Timestamp {
    let nearest = if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_microsecond(micros).unwrap_or(nearest)
}
