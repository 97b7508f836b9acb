//! The forward pass, plainly: the formulas in the order that the contract defines, and nothing else.
//!
//! [`crate::kernel`] computes the same bits faster.

use ndarray::{Array2, ArrayView1, ArrayView2};

use crate::activation::{Activation, relu, sigmoid};
use crate::tree::{LeafRange, Tree};
use crate::{Parameters, Real};

/// Σ_k u_k v_k over the inner dimension n: inside each panel of [`Tree::over_inner_dimension`] a chain of fused
/// multiply-adds over ascending k from +0, the panels' sums joined along the tree.
///
/// # Panics
///
/// If `u`, `v` and the tree differ in length.
pub fn inner_product<T: Real>(panels: &Tree, u: ArrayView1<'_, T>, v: ArrayView1<'_, T>) -> T {
    assert_eq!(
        (u.len(), v.len()),
        (panels.items(), panels.items()),
        "both factors have the inner dimension"
    );
    fn of_node<T: Real>(panels: &Tree, node: LeafRange, u: ArrayView1<'_, T>, v: ArrayView1<'_, T>) -> T {
        match panels.halves(node) {
            None => panels.items_of(node).fold(T::ZERO, |sum, k| u[k].mul_add(v[k], sum)),
            Some((left, right)) => of_node(panels, left, u, v) + of_node(panels, right, u, v),
        }
    }
    of_node(panels, panels.root(), u, v)
}

/// z_l = (w_l a_{l-1}) · scale + b_l, the scaling and the bias in one fused multiply-add.
///
/// - `w`: w_l, n_l × n_{l-1}; `b`: b_l, n_l
/// - `a`: a_{l-1}, n_{l-1} × columns
/// - `scale`: the factor of the data in layer 1, so that pixels stay whole numbers inside the sums; 1 in all others
///
/// Returns z_l, n_l × columns.
///
/// # Panics
///
/// If the shapes do not fit.
pub fn linear_forward<T: Real>(
    w: ArrayView2<'_, T>,
    b: ArrayView1<'_, T>,
    a: ArrayView2<'_, T>,
    scale: T,
) -> Array2<T> {
    assert_eq!(w.nrows(), b.len(), "w and b have n_l rows");
    let panels = Tree::over_inner_dimension(w.ncols());
    Array2::from_shape_fn((w.nrows(), a.ncols()), |(i, j)| {
        inner_product(&panels, w.row(i), a.column(j)).mul_add(scale, b[i])
    })
}

/// What the backward pass needs of a forward pass over some columns.
#[derive(Clone, Debug)]
pub struct ForwardCache<T> {
    /// a_0 = x (not scaled), a_1, …, a_L; a_l is n_l × columns.
    pub a: Vec<Array2<T>>,
    /// The logits z_L, n_L × columns.
    pub logits: Array2<T>,
}

/// The L-layer forward pass: z_l = w_l a_{l-1} + b_l, a_l = g_l(z_l) for l = 1 … L.
///
/// `x` is n_0 × columns as it stands in the file; `scale` is its factor.
///
/// # Panics
///
/// If `x` does not have n_0 rows.
pub fn forward<T: Real>(parameters: &Parameters<T>, x: Array2<T>, scale: T) -> ForwardCache<T> {
    let layers = parameters.sizes().layers();
    let mut a = vec![x];
    let mut logits = Array2::default((0, 0));
    for l in 1..=layers {
        let scale = if l == 1 { scale } else { T::ONE };
        let z = linear_forward(parameters.w(l), parameters.b(l), a[l - 1].view(), scale);
        match Activation::of_layer(l, layers) {
            Activation::Relu => a.push(z.mapv(relu)),
            Activation::Sigmoid => {
                a.push(z.mapv(sigmoid));
                logits = z;
            }
        }
    }
    ForwardCache { a, logits }
}
