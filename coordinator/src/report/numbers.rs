//! Numbers and durations as a reader wants them; the exact ones stand beside them on the page.

use std::fmt::Display;
use std::time::Duration;

/// U+202F, a narrow space at which no line is broken, between a number and its unit.
const NARROW: char = '\u{202f}';

/// `number`, an integer without a sign, with a comma between groups of three digits.
pub(super) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `value` in four significant digits.
pub(super) fn four_digits(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() {
        value.to_string()
    } else if (1e-4..1e6).contains(&magnitude) {
        let decimals = (3 - magnitude.log10().floor() as i32).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.3e}")
    }
}

/// `share` of 1 in percent, cut after the second decimal so that only all is called 100.
pub(super) fn percent(share: f64) -> String {
    // A share such as 0.29 must not become 28.99 because of its last bit.
    let hundredths = (share * 1e4 + 1e-6).floor();
    format!("{:.2}{NARROW}%", hundredths / 100.0)
}

/// `duration` in the units in which a person would say it.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let tenths = duration.subsec_millis() / 100;
    match seconds {
        0 => milliseconds(duration.as_secs_f64() * 1e3),
        1..60 => format!("{seconds}.{tenths}{NARROW}s"),
        60..3600 => format!("{}{NARROW}min {}{NARROW}s", seconds / 60, seconds % 60),
        _ => format!("{}{NARROW}h {}{NARROW}min", grouped(seconds / 3600), seconds / 60 % 60),
    }
}

/// `milliseconds` in at most four significant digits.
pub(super) fn milliseconds(milliseconds: f64) -> String {
    format!("{}{NARROW}ms", four_digits(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three_from_the_right() {
        let cases = [0_u64, 999, 1000, 12_345, 1_000_000, u64::MAX].map(grouped);
        assert_eq!(
            cases,
            ["0", "999", "1,000", "12,345", "1,000,000", "18,446,744,073,709,551,615"]
        );
    }

    #[test]
    fn a_headline_has_four_digits_whatever_its_size() {
        let cases = [
            0.088439943441702,
            0.7717493284237686,
            12.3456,
            99_999.0,
            0.0,
            1.5e-9,
            2e300,
        ]
        .map(four_digits);
        assert_eq!(
            cases,
            ["0.08844", "0.7717", "12.35", "99999", "0", "1.500e-9", "2.000e300"]
        );
        assert_eq!([f64::NAN, f64::INFINITY].map(four_digits), ["NaN", "inf"]);
    }

    #[test]
    fn only_a_perfect_accuracy_is_called_a_hundred_percent() {
        let cases = [0.8, 206.0 / 209.0, 0.29, 0.99999, 1.0, 0.0].map(percent);
        let expected = ["80.00", "98.56", "29.00", "99.99", "100.00", "0.00"];
        assert_eq!(cases, expected.map(|number| format!("{number}\u{202f}%")));
    }

    #[test]
    fn durations_are_given_in_the_unit_that_fits() {
        let cases = [0, 45_500, 9_870_000, 133_400_000, 3_725_000_000]
            .map(|microseconds| duration(Duration::from_micros(microseconds)).replace('\u{202f}', " "));
        assert_eq!(cases, ["0 ms", "45.50 ms", "9.8 s", "2 min 13 s", "1 h 2 min"]);
    }
}
