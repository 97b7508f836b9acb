//! Everything on which two Lockstep processes must agree bit for bit.
//!
//! The crate is pure: no async, no sockets, no clock and no unseeded randomness. Only `dataset`, `model_file`
//! and `atomic_file` touch files. `ARCHITECTURE.md` states the numerical contract that these modules carry out.
//!
//! # Symbols
//!
//! The same letters are used in every signature of this crate:
//!
//! | symbol | meaning | shape |
//! |---|---|---|
//! | `m` | number of columns (training examples) | |
//! | `L` | number of layers; layer `l` runs from 1 to `L`, layer 0 is the input | |
//! | `n_l` | units of layer `l`; `n_0` is the number of features | |
//! | `x` = `a_0` | input | n_0 × m |
//! | `y` | labels, 0 or 1 | 1 × m |
//! | `w_l`, `b_l` | weights and biases | n_l × n_{l-1}, n_l × 1 |
//! | `z_l` | `w_l a_{l-1} + b_l` | n_l × m |
//! | `a_l` | `g_l(z_l)`: ReLU in hidden layers, sigmoid in the last | n_l × m |
//! | `dw_l`, `db_l`, `dz_l`, `da_l` | derivatives of the cost by `w_l`, `b_l`, `z_l`, `a_l` | as the thing itself |
//! | `J` | cost: mean cross-entropy | |

pub mod activation;
pub mod atomic_file;
pub mod backward;
pub mod block_set;
pub mod dataset;
pub mod digest;
pub mod element;
pub mod forward;
pub mod gradient;
pub mod ids;
pub mod initialisation;
pub mod kernel;
pub mod layers;
pub mod loss;
pub mod model_file;
pub mod numpy_random;
pub mod parameters;
pub mod plan;
pub mod precision;
pub mod predict;
pub mod real;
pub mod reference;
pub mod scale;
pub mod shard;
pub mod split_mix;
pub mod threads;
pub mod tree;
pub mod update;

pub use block_set::BlockSet;
pub use dataset::Dataset;
pub use digest::Digest;
pub use element::{Columns, ElementType};
pub use gradient::{GradientSum, MeanGradient};
pub use initialisation::Initialisation;
pub use layers::LayerSizes;
pub use model_file::{Model, ModelFileError};
pub use parameters::{AnyParameters, Parameters};
pub use precision::Precision;
pub use real::{Real, RealType};
pub use scale::ScaleChoice;
pub use shard::Shard;
pub use split_mix::SplitMix64;
pub use tree::{BlockColumns, LeafRange, Tree};
