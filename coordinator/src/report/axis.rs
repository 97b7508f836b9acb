//! An axis: which range it shows, where a value stands on it, and its ticks at round numbers.

use super::numbers::grouped;

/// No axis reaches farther, so that no sum or product overflows; a value beyond is drawn at the edge.
const LARGEST: f64 = 1e300;

/// Ranges and values below this are drawn as zero, so that no step underflows.
const SMALLEST: f64 = 1e-280;

/// One axis. Its range is counted in steps, so a tick is an integer and its label exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    step: Step,
    low: f64,
    high: f64,
}

/// The distance between two ticks: `mantissa` · 10^`exponent`, mantissa 1, 2 or 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    mantissa: i64,
    exponent: i32,
}

/// A tick of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Where it stands, from 0 (low end) to 1 (high end).
    pub(super) position: f64,
    /// Its number.
    pub(super) label: String,
}

impl Axis {
    /// An axis for costs from `low` to `high`, both finite, that reaches from tick to tick in at most 5 + 2 steps.
    pub(super) fn of_costs(low: f64, high: f64) -> Self {
        let (low, high) = spread(low, high);
        let step = Step::at_least((high - low) / 5.0);
        // A bound that only rounding keeps off a tick needs no further step.
        Self {
            step,
            low: (low / step.size() + 1e-6).floor(),
            high: (high / step.size() - 1e-6).ceil(),
        }
    }

    /// An axis for iterations from `first` to `last`, in at most 6 steps of whole iterations.
    pub(super) fn of_iterations(first: u64, last: u64) -> Self {
        let (low, high) = spread(first as f64, last as f64);
        // A little room lets a run of 2,500 iterations, numbered from 0 to 2,499, reach the tick at 2,500.
        let high = high + (high - low) / 100.0;
        let step = Step::at_least(((high - low) / 6.0).max(1.0));
        Self {
            step,
            low: low / step.size(),
            high: high / step.size(),
        }
    }

    /// Where `value` stands, from 0 (low end) to 1 (high end).
    pub(super) fn position(&self, value: f64) -> f64 {
        ((value / self.step.size() - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// All ticks from low to high.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let (first, last) = (self.low.ceil() as i64, self.high.floor() as i64);
        let widest = first.unsigned_abs().max(last.unsigned_abs());
        (first..=last)
            .map(|steps| Tick {
                position: (steps as f64 - self.low) / (self.high - self.low),
                label: self.step.label(steps, widest),
            })
            .collect()
    }
}

/// `low` and `high`, moved apart where the numbers between them could not be told apart.
fn spread(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (low.clamp(-LARGEST, LARGEST), high.clamp(-LARGEST, LARGEST));
    let magnitude = low.abs().max(high.abs());
    if magnitude < SMALLEST {
        (0.0, 1.0)
    } else if high - low < 1e-9 * magnitude {
        (low - magnitude / 10.0, high + magnitude / 10.0)
    } else {
        (low, high)
    }
}

impl Step {
    /// The smallest step that is not smaller than `size`, which is positive.
    fn at_least(size: f64) -> Self {
        let exponent = size.log10().floor() as i32;
        let leading = size / 10_f64.powi(exponent);
        match leading {
            ..=1.0 => Self { mantissa: 1, exponent },
            ..=2.0 => Self { mantissa: 2, exponent },
            ..=5.0 => Self { mantissa: 5, exponent },
            _ => Self {
                mantissa: 1,
                exponent: exponent + 1,
            },
        }
    }

    fn size(self) -> f64 {
        self.mantissa as f64 * 10_f64.powi(self.exponent)
    }

    /// The number `steps` · step, exactly; in scientific notation if the axis' number farthest from 0, `widest` · step,
    /// is below 0.0001 or has more than seven digits before the point.
    fn label(self, steps: i64, widest: u64) -> String {
        let number = (steps * self.mantissa).unsigned_abs();
        let sign = if steps < 0 { "−" } else { "" };
        let digits = (widest * self.mantissa.unsigned_abs()).to_string().len() as i32;
        let text = if (-3..=7).contains(&(digits + self.exponent)) {
            fixed(number, self.exponent)
        } else {
            scientific(number, self.exponent)
        };
        format!("{sign}{text}")
    }
}

/// `number` · 10^`exponent` with all its digits.
fn fixed(number: u64, exponent: i32) -> String {
    let decimals = usize::try_from(-exponent).unwrap_or(0);
    if decimals == 0 {
        return grouped(number * 10_u64.pow(exponent.unsigned_abs()));
    }
    let digits = format!("{number:0width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    format!("{whole}.{fraction}")
}

/// `number` · 10^`exponent` as `d.ddde±dd`, without zeros at the end.
fn scientific(number: u64, exponent: i32) -> String {
    if number == 0 {
        return "0".to_owned();
    }
    let digits = number.to_string();
    let power = exponent + digits.len() as i32 - 1;
    let (leading, rest) = digits.split_at(1);
    match rest.trim_end_matches('0') {
        "" => format!("{leading}e{power}"),
        rest => format!("{leading}.{rest}e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_stand_at_round_numbers() {
        assert_eq!(
            labels(Axis::of_costs(0.088, 0.772)),
            ["0.0", "0.2", "0.4", "0.6", "0.8"]
        );
        assert_eq!(
            labels(Axis::of_iterations(0, 2499)),
            ["0", "500", "1,000", "1,500", "2,000", "2,500"]
        );
        assert_eq!(labels(Axis::of_iterations(0, 2)), ["0", "1", "2"]);
        assert_eq!(
            labels(Axis::of_iterations(1000, 1004)),
            ["1,000", "1,001", "1,002", "1,003", "1,004"]
        );
    }

    #[test]
    fn small_and_large_costs_are_labelled_in_scientific_notation() {
        assert_eq!(
            labels(Axis::of_costs(1e-9, 9e-9)),
            ["0", "2e-9", "4e-9", "6e-9", "8e-9", "1e-8"]
        );
        assert_eq!(labels(Axis::of_costs(0.0, 3e12)), ["0", "1e12", "2e12", "3e12"]);
        assert_eq!(labels(Axis::of_costs(0.0, 6e6))[1], "2,000,000");
        assert_eq!(labels(Axis::of_costs(-0.05, 0.05))[0], "−0.06");
    }

    #[test]
    fn costs_close_together_get_as_many_digits_as_tell_them_apart() {
        assert_eq!(
            labels(Axis::of_costs(0.412_345_1, 0.412_345_5)),
            ["0.4123451", "0.4123452", "0.4123453", "0.4123454", "0.4123455"]
        );
    }

    #[test]
    fn every_range_has_ticks_that_differ_and_values_that_stay_inside() {
        let sizes = [
            0.0,
            5e-324,
            1e-300,
            1e-9,
            0.5,
            0.5 + 1e-16,
            1.0,
            3.0,
            1e7,
            1e300,
            f64::MAX,
        ];
        for low in sizes {
            for high in sizes.into_iter().filter(|&high| high >= low) {
                let axis = Axis::of_costs(low, high);
                let labels = labels(axis);
                assert!((2..=9).contains(&labels.len()), "{low} to {high}: {labels:?}");
                assert!(
                    labels.windows(2).all(|pair| pair[0] != pair[1]),
                    "{low} to {high}: {labels:?}"
                );
                let (bottom, top) = (axis.position(low), axis.position(high));
                assert!(
                    (0.0..=1.0).contains(&bottom) && bottom <= top && top <= 1.0,
                    "{low} to {high}"
                );
            }
        }
    }

    #[test]
    fn every_run_has_an_axis_however_short_or_long() {
        for (first, last) in [(0, 0), (7, 7), (0, 1), (0, u64::MAX), (u64::MAX, u64::MAX)] {
            let axis = Axis::of_iterations(first, last);
            assert!(
                (1..=9).contains(&axis.ticks().len()),
                "{first} to {last}: {:?}",
                axis.ticks()
            );
            assert!(axis.position(first as f64) <= axis.position(last as f64));
        }
    }
}
