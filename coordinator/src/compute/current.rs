//! W and b as they are between two updates.

use std::borrow::Cow;

use bytes::Bytes;
use proto::tensor::{decode, view};
use shared::{LayerSizes, Parameters, Real};

/// W and b.
#[derive(Debug)]
pub(super) enum Current<C> {
    /// All is computed here, and they are updated in place.
    Own(Parameters<C>),
    /// Workers get them. What is being sent stays as it is, so an update writes elsewhere.
    Sent {
        /// As they are, encoded.
        now: Bytes,
        /// As they were before the last update; empty before the first.
        before: Bytes,
    },
}

impl<C: Real> Current<C> {
    /// Parameters of which workers get these bytes.
    pub(super) fn sent(now: Bytes) -> Self {
        Self::Sent {
            now,
            before: Bytes::new(),
        }
    }

    /// As the workers get them; empty if there are none.
    pub(super) fn encoded(&self) -> Bytes {
        match self {
            Self::Own(_) => Bytes::new(),
            Self::Sent { now, .. } => now.clone(),
        }
    }

    /// Takes the last update back. One that was made in place cannot be taken back.
    pub(super) fn restore(&mut self) {
        if let Self::Sent { now, before } = self {
            *now = before.clone();
        }
    }

    /// W and b of a network of these sizes.
    pub(super) fn parameters(&self, sizes: &LayerSizes) -> Parameters<C> {
        match self {
            Self::Own(parameters) => parameters.clone(),
            Self::Sent { now, .. } => Parameters::from_values(sizes.clone(), numbers(now).into_owned())
                .expect("what is sent are the parameters"),
        }
    }
}

/// Encoded numbers: where they lie on little-endian machines.
pub(super) fn numbers<C: Real>(encoded: &Bytes) -> Cow<'_, [C]> {
    match view(encoded) {
        Some(numbers) => Cow::Borrowed(numbers),
        None => Cow::Owned(decode(encoded).collect()),
    }
}
