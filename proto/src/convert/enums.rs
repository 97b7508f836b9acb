//! Conversions of the enumerations.

use shared::{ElementType, Precision};

use crate::error::MessageError;
use crate::message::Reason;
use crate::wire;

impl From<Precision> for wire::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F64 => Self::F64,
            Precision::F32 => Self::F32,
            Precision::Mixed => Self::Mixed,
        }
    }
}

impl TryFrom<wire::Precision> for Precision {
    type Error = MessageError;

    fn try_from(precision: wire::Precision) -> Result<Self, MessageError> {
        match precision {
            wire::Precision::F64 => Ok(Self::F64),
            wire::Precision::F32 => Ok(Self::F32),
            wire::Precision::Mixed => Ok(Self::Mixed),
            wire::Precision::Unspecified => Err(MessageError::field(
                "Run",
                "precision",
                "an unknown precision",
                "PRECISION_F64, PRECISION_F32 or PRECISION_MIXED",
            )),
        }
    }
}

impl From<ElementType> for wire::ElementType {
    fn from(element_type: ElementType) -> Self {
        match element_type {
            ElementType::U8 => Self::U8,
            ElementType::I8 => Self::I8,
            ElementType::I16 => Self::I16,
            ElementType::I32 => Self::I32,
            ElementType::I64 => Self::I64,
            ElementType::F32 => Self::F32,
            ElementType::F64 => Self::F64,
        }
    }
}

impl TryFrom<wire::ElementType> for ElementType {
    type Error = MessageError;

    fn try_from(element_type: wire::ElementType) -> Result<Self, MessageError> {
        match element_type {
            wire::ElementType::U8 => Ok(Self::U8),
            wire::ElementType::I8 => Ok(Self::I8),
            wire::ElementType::I16 => Ok(Self::I16),
            wire::ElementType::I32 => Ok(Self::I32),
            wire::ElementType::I64 => Ok(Self::I64),
            wire::ElementType::F32 => Ok(Self::F32),
            wire::ElementType::F64 => Ok(Self::F64),
            wire::ElementType::Unspecified => Err(MessageError::field(
                "Run",
                "element_type",
                "an unknown element type",
                "one of ElementType",
            )),
        }
    }
}

impl From<Reason> for wire::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::ProtocolVersion => Self::ProtocolVersion,
            Reason::Misconduct => Self::Misconduct,
            Reason::RunFailed => Self::RunFailed,
            Reason::Silence => Self::Silence,
            Reason::Other => Self::Unspecified,
        }
    }
}

impl From<wire::Reason> for Reason {
    fn from(reason: wire::Reason) -> Self {
        match reason {
            wire::Reason::ProtocolVersion => Self::ProtocolVersion,
            wire::Reason::Misconduct => Self::Misconduct,
            wire::Reason::RunFailed => Self::RunFailed,
            wire::Reason::Silence => Self::Silence,
            wire::Reason::Unspecified => Self::Other,
        }
    }
}
