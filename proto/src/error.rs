//! What can be wrong with a message.

/// A message that says something impossible. `message` and `field` are the names in `trainer.proto`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A field that must be set is not.
    #[error("{message}.{field} is missing")]
    Missing {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field has an impossible value.
    #[error("{message}.{field}: found {found}, expected {expected}")]
    Field {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        found: String,
        /// What would be possible.
        expected: &'static str,
    },
    /// The two ends speak different versions of the protocol.
    #[error("the {peer} speaks protocol version {found}, expected {expected}")]
    Version {
        /// Who is at the other end: `worker` or `coordinator`.
        peer: &'static str,
        /// Its version.
        found: u32,
        /// Ours.
        expected: u32,
    },
}

impl MessageError {
    pub(crate) fn field(
        message: &'static str,
        field: &'static str,
        found: impl ToString,
        expected: &'static str,
    ) -> Self {
        Self::Field {
            message,
            field,
            found: found.to_string(),
            expected,
        }
    }
}
