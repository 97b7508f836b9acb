//! gRPC's status, which ends every stream.

use http::HeaderMap;
use tonic::{Code, Status};

use super::decode::FramingError;

impl From<FramingError> for Status {
    fn from(error: FramingError) -> Self {
        let code = match error {
            FramingError::TooLong { .. } => Code::ResourceExhausted,
            FramingError::Altered { .. } => Code::DataLoss,
            FramingError::Compressed { .. }
            | FramingError::Malformed(_)
            | FramingError::Unchecked
            | FramingError::Incomplete => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

/// The status in headers or trailers, if they have one.
pub(super) fn read(mut headers: HeaderMap) -> Option<Status> {
    // We have no use for details, and tonic panics if they are not base64.
    headers.remove(Status::GRPC_STATUS_DETAILS);
    Status::from_header_map(&headers)
}

/// The trailers that say `status`.
pub(super) fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Not reached: a message is percent-encoded, so it always makes a header.
        trailers.insert(Status::GRPC_STATUS, http::HeaderValue::from(Code::Internal as i32));
    }
    trailers
}
