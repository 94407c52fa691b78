use std::cmp::Ordering;

/// Compares two ids as people do: a row of digits is a number, so that `run#9` is before `run#10`. Equal numbers with
/// other zeros are told apart by their text, so that only equal ids are equal.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (first, second) = (digits(&mut left), digits(&mut right));
                let order = first.len().cmp(&second.len()).then_with(|| first.cmp(second));
                if order.is_ne() {
                    return order;
                }
            }
            (Some(x), Some(y)) if x == y => {
                left = &left[1..];
                right = &right[1..];
            }
            (x, y) => return x.cmp(&y).then_with(|| a.cmp(b)),
        }
    }
}

/// Takes the digits at the beginning, and gives them without leading zeros.
fn digits<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    *text = rest;
    let zeros = number.iter().take_while(|&&byte| byte == b'0').count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_numbers_and_only_equal_ids_are_equal() {
        let sorted = ["", "a", "a#1", "a#01", "a#9", "a#10", "a#10b", "a#11", "b"];
        for (at, first) in sorted.iter().enumerate() {
            for (other, second) in sorted.iter().enumerate() {
                let expected = at.cmp(&other);
                // Equal numbers: the text decides.
                if (*first, *second) == ("a#1", "a#01") || (*first, *second) == ("a#01", "a#1") {
                    assert_eq!(natural(first, second), first.cmp(second));
                } else {
                    assert_eq!(natural(first, second), expected, "{first} {second}");
                }
            }
        }
    }
}
