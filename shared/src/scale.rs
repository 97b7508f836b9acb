//! The one factor by which every number of a data set is multiplied.

use std::fmt;
use std::str::FromStr;

use crate::ElementType;

/// How the user wants the data scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ScaleChoice {
    /// By 1/255 if the file holds u8, as images do; otherwise not at all.
    #[default]
    Auto,
    /// Not at all.
    None,
    /// By this factor, positive and finite.
    Factor(f64),
}

impl ScaleChoice {
    /// The factor for data of this element type: 1.0 / 255.0 rounded once, 1.0, or the user's own.
    pub fn factor(self, element_type: ElementType) -> f64 {
        match (self, element_type) {
            (Self::Auto, ElementType::U8) => 1.0 / 255.0,
            (Self::Auto | Self::None, _) => 1.0,
            (Self::Factor(factor), _) => factor,
        }
    }

    /// The factor that the user names.
    pub fn own_factor(self) -> Option<f64> {
        match self {
            Self::Auto | Self::None => None,
            Self::Factor(factor) => Some(factor),
        }
    }

    /// What looks like a mistake without being one: bytes multiplied by more than 1, where a division was probably
    /// meant. A warning for the user, `None` if there is nothing to say.
    pub fn suspicious(self, element_type: ElementType) -> Option<String> {
        match (self, element_type) {
            (Self::Factor(factor), ElementType::U8) if factor > 1.0 => Some(format!(
                "every value of the data, a whole number up to 255, is multiplied by {factor}; to divide, write `1/{factor}`"
            )),
            _ => None,
        }
    }
}

impl fmt::Display for ScaleChoice {
    /// A text that reads back to the same choice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Factor(factor) => write!(f, "{factor:?}"),
        }
    }
}

/// A text that is no scale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found `{0}`, expected `auto`, `none`, or a finite factor above 0 such as `0.5` or `1/255`")]
pub struct ParseScaleError(pub String);

impl FromStr for ScaleChoice {
    type Err = ParseScaleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            _ => factor(text)
                .filter(|factor| factor.is_finite() && *factor > 0.0)
                .map(Self::Factor)
                .ok_or_else(|| ParseScaleError(text.to_owned())),
        }
    }
}

/// A number, or the quotient of two.
fn factor(text: &str) -> Option<f64> {
    match text.split_once('/') {
        None => text.parse().ok(),
        Some((numerator, denominator)) => {
            let numerator: f64 = numerator.trim().parse().ok()?;
            let denominator: f64 = denominator.trim().parse().ok()?;
            // Two negative numbers have a positive quotient, but nobody means that.
            (numerator > 0.0 && denominator > 0.0).then(|| numerator / denominator)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_divides_bytes_by_255_and_leaves_all_else_alone() {
        for element_type in ElementType::ALL {
            let expected = if element_type == ElementType::U8 {
                1.0 / 255.0
            } else {
                1.0
            };
            assert_eq!(ScaleChoice::Auto.factor(element_type), expected);
            assert_eq!(ScaleChoice::None.factor(element_type), 1.0);
            assert_eq!(ScaleChoice::Factor(0.25).factor(element_type), 0.25);
        }
    }

    #[test]
    fn a_quotient_is_rounded_once_like_the_automatic_one() {
        assert_eq!(" 1 / 255 ".trim().parse(), Ok(ScaleChoice::Factor(1.0 / 255.0)));
        assert_eq!("1/255".parse(), Ok(ScaleChoice::Factor(1.0 / 255.0)));
        assert_eq!("1e-3".parse(), Ok(ScaleChoice::Factor(1e-3)));
    }

    #[test]
    fn a_scale_reads_back_from_its_own_text() {
        for choice in [
            ScaleChoice::Auto,
            ScaleChoice::None,
            ScaleChoice::Factor(1.0 / 255.0),
            ScaleChoice::Factor(1e300),
            ScaleChoice::Factor(5e-324),
        ] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
    }

    #[test]
    fn only_a_finite_factor_above_zero_is_a_scale() {
        for text in [
            "", "0", "-1", "inf", "nan", "NaN", "1e999", "1/0", "0/1", "-1/-255", "1/2/3", "1/", "/255", "1/inf",
            "5e-324/2", "Auto", "x",
        ] {
            assert_eq!(
                text.parse::<ScaleChoice>(),
                Err(ParseScaleError(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn bytes_multiplied_by_more_than_one_are_suspicious() {
        let warning = ScaleChoice::Factor(255.0).suspicious(ElementType::U8).unwrap();
        assert!(
            warning.ends_with("multiplied by 255; to divide, write `1/255`"),
            "{warning}"
        );
        for (choice, element_type) in [
            (ScaleChoice::Factor(255.0), ElementType::F64),
            (ScaleChoice::Factor(1.0), ElementType::U8),
            (ScaleChoice::Factor(0.1), ElementType::U8),
            (ScaleChoice::Auto, ElementType::U8),
            (ScaleChoice::None, ElementType::U8),
        ] {
            assert_eq!(choice.suspicious(element_type), None);
        }
    }
}
