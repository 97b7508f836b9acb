//! The sizes of a network's layers, valid by construction, and the dimension rules that follow from them.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::tree::{MAX_LEAVES, PANEL_FEATURES};

/// The most parameters a network may have: 2^40, 8 TiB in f64. A larger number is a mistake, and keeps every product
/// of sizes far from overflow.
pub const MAX_PARAMETERS: usize = 1 << 40;

/// The most layers, the input included: far more than anyone trains. It bounds what each of them costs besides its
/// parameters.
pub const MAX_SIZES: usize = 4096;

/// The most features, or units of a layer: 2^31. Sums over them are cut into at most [`MAX_LEAVES`] panels.
pub const MAX_UNITS: usize = MAX_LEAVES * (PANEL_FEATURES / 2);

/// n_0, …, n_L: at least two sizes, none of them zero, the last one 1.
///
/// From them follow the shapes of all that a layer `l` in 1..=L owns: `w_l` and `dw_l` are n_l × n_{l-1}, `b_l` and
/// `db_l` n_l × 1. The flat order of a network's parameters is W_1 row by row, b_1, W_2 row by row, b_2, …, W_L, b_L;
/// [`LayerSizes::weights`] and [`LayerSizes::biases`] give each one's place in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerSizes(Arc<[usize]>);

/// What is wrong with a list of layer sizes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerSizesError {
    /// Fewer than two sizes.
    #[error("found {found} layer sizes, expected at least 2 (input and output)")]
    TooFew {
        /// How many there are.
        found: usize,
    },
    /// More than [`MAX_SIZES`].
    #[error("found {found} layer sizes, expected at most {MAX_SIZES}")]
    TooDeep {
        /// How many there are.
        found: usize,
    },
    /// A layer without units.
    #[error("layer {layer} has 0 units, expected at least 1")]
    Zero {
        /// Which layer; 0 is the input.
        layer: usize,
    },
    /// More than [`MAX_UNITS`].
    #[error("layer {layer} has {found} units, expected at most {MAX_UNITS}")]
    TooWide {
        /// Which layer; 0 is the input.
        layer: usize,
        /// Its size.
        found: usize,
    },
    /// An output layer of more than one unit.
    #[error("the last layer has {found} units, expected 1 (two classes, one sigmoid)")]
    Output {
        /// Its size.
        found: usize,
    },
    /// More than [`MAX_PARAMETERS`].
    #[error("the network would have more than {MAX_PARAMETERS} parameters")]
    TooMany,
}

impl LayerSizes {
    /// Checks `sizes`, n_0 to n_L.
    ///
    /// # Errors
    ///
    /// [`LayerSizesError`] if there are fewer than two or more than [`MAX_SIZES`], one is zero or above [`MAX_UNITS`],
    /// the last is not 1, or the network would have more than [`MAX_PARAMETERS`] parameters.
    pub fn new(sizes: Vec<usize>) -> Result<Self, LayerSizesError> {
        if sizes.len() < 2 {
            return Err(LayerSizesError::TooFew { found: sizes.len() });
        }
        if sizes.len() > MAX_SIZES {
            return Err(LayerSizesError::TooDeep { found: sizes.len() });
        }
        if let Some(layer) = sizes.iter().position(|&n| n == 0) {
            return Err(LayerSizesError::Zero { layer });
        }
        if let Some((layer, &found)) = sizes.iter().enumerate().find(|&(_, &n)| n > MAX_UNITS) {
            return Err(LayerSizesError::TooWide { layer, found });
        }
        if let Some(&found) = sizes.last().filter(|&&n| n != 1) {
            return Err(LayerSizesError::Output { found });
        }
        sizes
            .windows(2)
            .try_fold(0_usize, |sum, pair| {
                sum.checked_add(pair[1].checked_mul(pair[0].checked_add(1)?)?)
            })
            .filter(|&sum| sum <= MAX_PARAMETERS)
            .ok_or(LayerSizesError::TooMany)?;
        Ok(Self(sizes.into()))
    }

    /// n_0 = `features`, then the hidden layers, then one output unit.
    ///
    /// # Errors
    ///
    /// As [`LayerSizes::new`].
    pub fn binary_classifier(features: usize, hidden: &[usize]) -> Result<Self, LayerSizesError> {
        Self::new([&[features], hidden, &[1]].concat())
    }

    /// L, the number of layers that have parameters.
    pub fn layers(&self) -> usize {
        self.0.len() - 1
    }

    /// n_l; `n(0)` is the number of features.
    pub fn n(&self, l: usize) -> usize {
        self.0[l]
    }

    /// n_0, the number of features.
    pub fn features(&self) -> usize {
        self.0[0]
    }

    /// n_0, …, n_L.
    pub fn as_slice(&self) -> &[usize] {
        &self.0
    }

    /// The number of all weights and biases: Σ_l n_l (n_{l-1} + 1).
    pub fn parameters(&self) -> usize {
        self.0.windows(2).map(|pair| pair[1] * (pair[0] + 1)).sum()
    }

    /// Where W_l stands in the flat order: n_l · n_{l-1} numbers, row by row.
    pub fn weights(&self, l: usize) -> Range<usize> {
        let start: usize = self.0[..l].windows(2).map(|pair| pair[1] * (pair[0] + 1)).sum();
        start..start + self.n(l) * self.n(l - 1)
    }

    /// Where b_l stands in the flat order: n_l numbers, right behind W_l.
    pub fn biases(&self, l: usize) -> Range<usize> {
        let start = self.weights(l).end;
        start..start + self.n(l)
    }
}

impl fmt::Display for LayerSizes {
    /// `12288-20-7-5-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (l, n) in self.0.iter().enumerate() {
            if l > 0 {
                f.write_str("-")?;
            }
            write!(f, "{n}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;

    #[test]
    fn the_flat_order_is_w1_b1_w2_b2_without_gaps() {
        let sizes = LayerSizes::new(vec![3, 2, 1]).unwrap();
        assert_eq!(sizes.weights(1), 0..6);
        assert_eq!(sizes.biases(1), 6..8);
        assert_eq!(sizes.weights(2), 8..10);
        assert_eq!(sizes.biases(2), 10..11);
        assert_eq!(sizes.parameters(), 11);
        assert_eq!(sizes.to_string(), "3-2-1");
    }

    #[test]
    fn a_network_without_hidden_layers_is_logistic_regression() {
        let sizes = LayerSizes::binary_classifier(5, &[]).unwrap();
        assert_eq!((sizes.layers(), sizes.parameters()), (1, 6));
    }

    #[test]
    fn the_widest_layer_can_be_cut_into_panels() {
        let sizes = LayerSizes::new(vec![MAX_UNITS, 1]).unwrap();
        assert!(Tree::over_inner_dimension(sizes.features()).leaves() <= MAX_LEAVES);
        let (layer, found) = (1, MAX_UNITS + 1);
        assert_eq!(
            LayerSizes::new(vec![1, found, 1]),
            Err(LayerSizesError::TooWide { layer, found })
        );
    }

    #[test]
    fn there_are_never_more_layers_than_the_limit() {
        assert!(LayerSizes::new(vec![1; MAX_SIZES]).is_ok());
        let found = MAX_SIZES + 1;
        assert_eq!(LayerSizes::new(vec![1; found]), Err(LayerSizesError::TooDeep { found }));
    }

    #[test]
    fn impossible_sizes_are_refused_with_the_layer_at_fault() {
        assert_eq!(LayerSizes::new(vec![3]), Err(LayerSizesError::TooFew { found: 1 }));
        assert_eq!(LayerSizes::new(vec![3, 0, 1]), Err(LayerSizesError::Zero { layer: 1 }));
        assert_eq!(LayerSizes::new(vec![3, 2]), Err(LayerSizesError::Output { found: 2 }));
        assert_eq!(
            LayerSizes::new(vec![usize::MAX, usize::MAX, 1]),
            Err(LayerSizesError::TooWide {
                layer: 0,
                found: usize::MAX
            })
        );
        assert_eq!(
            LayerSizes::new(vec![1 << 30, 1 << 30, 1]),
            Err(LayerSizesError::TooMany)
        );
    }
}
