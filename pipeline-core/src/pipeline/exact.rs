use serde_json::{Number, Value};

use crate::registry::SettingPath;

/// Canonical JSON has only doubles; whole numbers up to here are exact (RFC 8785, section 3.2.2.3).
const LARGEST: u64 = 1 << 53;

/// From here on a double is written with an exponent, and read back as the same double.
const EXPONENT: f64 = 1e21;

/// Gives every number the form that it has when it is read back from canonical JSON: `2.0` becomes `2`.
pub(super) fn canonical(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(double) = number.as_f64()
                && number.is_f64()
                && double.fract() == 0.0
                && double.abs() <= LARGEST as f64
            {
                *number = (double as i64).into();
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(canonical),
        Value::Object(table) => table.values_mut().for_each(canonical),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The first number that canonical JSON would change.
pub(super) fn first_inexact(value: &Value) -> Option<(SettingPath, Number)> {
    match value {
        Value::Number(number) => inexact(number).then(|| (SettingPath::root(), number.clone())),
        Value::Array(elements) => elements.iter().enumerate().find_map(|(at, element)| {
            let (path, number) = first_inexact(element)?;
            Some((SettingPath::root().index(at).join(&path), number))
        }),
        Value::Object(table) => table.iter().find_map(|(key, value)| {
            let (path, number) = first_inexact(value)?;
            Some((SettingPath::root().key(key.as_str()).join(&path), number))
        }),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

fn inexact(number: &Number) -> bool {
    if let Some(whole) = number.as_i64() {
        return whole.unsigned_abs() > LARGEST;
    }
    let double = number.as_f64().unwrap_or(f64::INFINITY);
    double.fract() == 0.0 && double.abs() > LARGEST as f64 && double.abs() < EXPONENT
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_get_the_form_they_have_when_read_back() {
        let mut value = json!({"a": [2.0, -0.0, 0.5, 1e300, 3], "b": "x", "c": 9_007_199_254_740_992_u64});
        assert_eq!(first_inexact(&value), None);
        canonical(&mut value);
        let bytes = crate::canonical_json(&value).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
        assert_eq!(value["a"][0], json!(2));
    }

    #[test]
    fn numbers_that_would_change_are_named() {
        for number in [
            json!(9_007_199_254_740_993_u64),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1e20),
        ] {
            let (path, found) = first_inexact(&json!({"a": [number]})).unwrap();
            assert_eq!(path.to_string(), "a[0]");
            assert_eq!(Value::Number(found), number);
        }
    }
}
