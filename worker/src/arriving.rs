//! Parameters and gradients as they arrive, in memory that is used again.

use proto::kept::Kept;
use proto::tensor::decode_to;
use proto::{Run, TensorChunk};
use shared::{AnyParameters, Real};

use crate::compute::{Order, Spare};

/// What the coordinator broadcasts, as far as it has arrived.
#[derive(Debug, Default)]
pub struct Arriving {
    parameters: Memory<AnyParameters>,
    gradient: Option<Kept<f32>>,
    /// Memory for the next one.
    spare_gradient: Vec<f32>,
}

/// What arrives, and memory for what arrives next.
#[derive(Debug)]
struct Memory<M> {
    arriving: Option<M>,
    spare: Option<M>,
}

impl<M> Default for Memory<M> {
    fn default() -> Self {
        Self {
            arriving: None,
            spare: None,
        }
    }
}

impl<M> Memory<M> {
    fn get_or_make(&mut self, make: impl FnOnce() -> M) -> &mut M {
        let spare = &mut self.spare;
        self.arriving.get_or_insert_with(|| spare.take().unwrap_or_else(make))
    }
}

impl Arriving {
    /// Writes a chunk of the parameters to its place. The session has checked that it has one.
    pub fn store(&mut self, chunk: &TensorChunk, run: &Run) {
        let make = || AnyParameters::zeros(run.sizes.clone(), run.precision.parameters());
        match self.parameters.get_or_make(make) {
            AnyParameters::F64(parameters) => write(chunk, parameters.values_mut()),
            AnyParameters::F32(parameters) => write(chunk, parameters.values_mut()),
        }
    }

    /// Keeps a chunk of a gradient. The session has checked that it continues one.
    pub fn store_gradient(&mut self, chunk: &TensorChunk, run: &Run) {
        let spare = &mut self.spare_gradient;
        let gradient = self.gradient.get_or_insert_with(|| Kept::of(std::mem::take(spare)));
        gradient.take(chunk, run.sizes.parameters());
    }

    /// The order to compute at the parameters that have arrived, if there are any.
    pub fn parameters(&mut self) -> Option<Order> {
        self.parameters.arriving.take().map(Order::Parameters)
    }

    /// The order to make an update by the gradient that has arrived, if there is one.
    pub fn gradient(&mut self) -> Option<Order> {
        self.gradient.take().map(Order::Gradient)
    }

    /// Takes memory that is not needed any more, for what arrives next.
    pub fn reuse(&mut self, spare: Spare) {
        match spare {
            Spare::Parameters(parameters) => self.parameters.spare = Some(parameters),
            Spare::Gradient(memory) => self.spare_gradient = memory,
        }
    }

    /// Forgets what has not arrived whole.
    pub fn interrupt(&mut self) {
        self.parameters.arriving = None;
        self.gradient = None;
    }
}

fn write<T: Real>(chunk: &TensorChunk, values: &mut [T]) {
    let first = chunk.offset as usize;
    let numbers = chunk.data.len() / size_of::<T>();
    decode_to(&chunk.data, &mut values[first..first + numbers]);
}
