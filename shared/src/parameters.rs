//! W and b of every layer, and the digest that names them.

use ndarray::{ArrayView1, ArrayView2};

use crate::{Digest, LayerSizes, Real, RealType};

/// W_1, b_1, …, W_L, b_L in their flat order (see [`LayerSizes`]), the order in which they are also sent and hashed.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters<T> {
    sizes: LayerSizes,
    values: Vec<T>,
}

impl<T: Real> Parameters<T> {
    /// Parameters that are all +0.
    pub fn zeros(sizes: LayerSizes) -> Self {
        let values = vec![T::ZERO; sizes.parameters()];
        Self { sizes, values }
    }

    /// Parameters from their flat values.
    ///
    /// Returns `None` unless there are exactly [`LayerSizes::parameters`] of them.
    pub fn from_values(sizes: LayerSizes, values: Vec<T>) -> Option<Self> {
        (values.len() == sizes.parameters()).then_some(Self { sizes, values })
    }

    /// The layer sizes.
    pub fn sizes(&self) -> &LayerSizes {
        &self.sizes
    }

    /// W_l, n_l × n_{l-1}, for l in 1..=L.
    pub fn w(&self, l: usize) -> ArrayView2<'_, T> {
        ArrayView2::from_shape(
            (self.sizes.n(l), self.sizes.n(l - 1)),
            &self.values[self.sizes.weights(l)],
        )
        .expect("the range has n_l · n_{l-1} values")
    }

    /// b_l, n_l numbers, for l in 1..=L.
    pub fn b(&self, l: usize) -> ArrayView1<'_, T> {
        ArrayView1::from(&self.values[self.sizes.biases(l)])
    }

    /// All values in flat order.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// All values in flat order, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// BLAKE3 over L + 1 as a little-endian u64, then n_0, …, n_L as little-endian u64, then the little-endian bytes
    /// of W_1 row by row, b_1, …, W_L, b_L. Two runs agree if and only if their digests agree.
    pub fn digest(&self) -> Digest {
        let mut hasher = digest_of_sizes(&self.sizes);
        let mut little_endian = Vec::with_capacity(DIGEST_STEP);
        for part in self.values.chunks(DIGEST_STEP) {
            little_endian.clear();
            little_endian.extend(part.iter().map(|value| value.to_le()));
            hasher.update(bytemuck::cast_slice(&little_endian));
        }
        Digest::from_bytes(*hasher.finalize().as_bytes())
    }
}

/// The digest of the parameters whose little-endian bytes, in flat order, are `bytes`; see [`Parameters::digest`].
pub fn digest_of_le_bytes(sizes: &LayerSizes, bytes: &[u8]) -> Digest {
    let mut hasher = digest_of_sizes(sizes);
    hasher.update(bytes);
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// The digest as far as the sizes.
fn digest_of_sizes(sizes: &LayerSizes) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(sizes.as_slice().len() as u64).to_le_bytes());
    for &n in sizes.as_slice() {
        hasher.update(&(n as u64).to_le_bytes());
    }
    hasher
}

/// Parameters of either type, where the type is known only when the program runs.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyParameters {
    /// In f64.
    F64(Parameters<f64>),
    /// In f32.
    F32(Parameters<f32>),
}

impl AnyParameters {
    /// All numbers 0.
    pub fn zeros(sizes: LayerSizes, real_type: RealType) -> Self {
        match real_type {
            RealType::F64 => Self::F64(Parameters::zeros(sizes)),
            RealType::F32 => Self::F32(Parameters::zeros(sizes)),
        }
    }

    /// The type of every number.
    pub fn real_type(&self) -> RealType {
        match self {
            Self::F64(_) => RealType::F64,
            Self::F32(_) => RealType::F32,
        }
    }

    /// The layer sizes.
    pub fn sizes(&self) -> &LayerSizes {
        match self {
            Self::F64(parameters) => parameters.sizes(),
            Self::F32(parameters) => parameters.sizes(),
        }
    }

    /// All numbers in flat order, as little-endian bytes.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        fn bytes<T: Real>(parameters: &Parameters<T>) -> Vec<u8> {
            let numbers: Vec<T> = parameters.values().iter().map(|number| number.swap_to_le()).collect();
            bytemuck::cast_slice(&numbers).to_vec()
        }
        match self {
            Self::F64(parameters) => bytes(parameters),
            Self::F32(parameters) => bytes(parameters),
        }
    }

    /// See [`Parameters::digest`].
    pub fn digest(&self) -> Digest {
        match self {
            Self::F64(parameters) => parameters.digest(),
            Self::F32(parameters) => parameters.digest(),
        }
    }
}

impl From<Parameters<f64>> for AnyParameters {
    fn from(parameters: Parameters<f64>) -> Self {
        Self::F64(parameters)
    }
}

impl From<Parameters<f32>> for AnyParameters {
    fn from(parameters: Parameters<f32>) -> Self {
        Self::F32(parameters)
    }
}

/// Numbers hashed at a time; large enough for BLAKE3's widest kernel, small enough for the L1 cache.
const DIGEST_STEP: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered() -> Parameters<f64> {
        let sizes = LayerSizes::new(vec![3, 2, 1]).unwrap();
        Parameters::from_values(sizes, (0..11).map(f64::from).collect()).unwrap()
    }

    #[test]
    fn views_have_the_shapes_of_the_dimension_rules() {
        let parameters = numbered();
        assert_eq!(parameters.w(1), ndarray::arr2(&[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]));
        assert_eq!(parameters.b(1), ndarray::arr1(&[6.0, 7.0]));
        assert_eq!(parameters.w(2), ndarray::arr2(&[[8.0, 9.0]]));
        assert_eq!(parameters.b(2), ndarray::arr1(&[10.0]));
    }

    #[test]
    fn the_digest_is_blake3_over_sizes_and_little_endian_bytes() {
        let parameters = numbered();
        let mut bytes = Vec::new();
        for n in [3_u64, 3, 2, 1] {
            bytes.extend(n.to_le_bytes());
        }
        for value in 0..11 {
            bytes.extend(f64::from(value).to_le_bytes());
        }
        assert_eq!(parameters.digest().as_bytes(), blake3::hash(&bytes).as_bytes());
        let parts = &bytes[4 * 8..];
        assert_eq!(digest_of_le_bytes(parameters.sizes(), parts), parameters.digest());
    }

    #[test]
    fn the_digest_sees_one_bit_and_the_shape() {
        let mut parameters = numbered();
        let before = parameters.digest();
        parameters.values_mut()[4] = f64::from_bits(4.0_f64.to_bits() + 1);
        assert_ne!(parameters.digest(), before);
        // 11 parameters either way.
        let logistic = LayerSizes::new(vec![10, 1]).unwrap();
        let same_bytes = Parameters::from_values(logistic, (0..11).map(f64::from).collect()).unwrap();
        assert_ne!(same_bytes.digest(), before);
    }

    #[test]
    fn a_wrong_number_of_values_is_no_parameters() {
        let sizes = LayerSizes::new(vec![3, 2, 1]).unwrap();
        assert!(Parameters::from_values(sizes, vec![0.0_f64; 10]).is_none());
    }
}
