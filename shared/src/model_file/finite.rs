//! Where a network's parameters stop being numbers.

use crate::{Parameters, Real};

/// A parameter that is NaN or infinite.
pub(super) struct NonFinite {
    /// `W1`, `b1`, `W2`, ….
    pub(super) dataset: String,
    /// Row and column.
    pub(super) index: [usize; 2],
    pub(super) value: f64,
}

/// The first parameter, in their flat order, that is NaN or infinite.
pub(super) fn first_non_finite<T: Real>(parameters: &Parameters<T>) -> Option<NonFinite> {
    let at = parameters.values().iter().position(|value| !value.is_finite())?;
    let value = parameters.values()[at].to_f64();
    let sizes = parameters.sizes();
    (1..=sizes.layers()).find_map(|l| {
        let (w, b) = (sizes.weights(l), sizes.biases(l));
        let (dataset, index) = if w.contains(&at) {
            let offset = at - w.start;
            let columns = sizes.n(l - 1);
            (format!("W{l}"), [offset / columns, offset % columns])
        } else if b.contains(&at) {
            (format!("b{l}"), [at - b.start, 0])
        } else {
            return None;
        };
        Some(NonFinite { dataset, index, value })
    })
}
