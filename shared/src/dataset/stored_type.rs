//! What kind of values an HDF5 dataset holds, whatever it may be.

use std::fmt;

use hdf5::types::{CompoundField, CompoundType, FloatSize, IntSize, TypeDescriptor, VarLenAscii, VarLenUnicode};

use crate::ElementType;

/// The type of the values in an HDF5 dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredType {
    /// A number that can be an element of X.
    Element(ElementType),
    /// An unsigned integer of 16, 32 or 64 bits.
    Unsigned(u32),
    /// A floating-point number of 16 bits.
    HalfFloat,
    /// FALSE or TRUE, which h5py stores as an enumeration of i8.
    Boolean,
    /// Strings, of fixed or variable length.
    Text,
    /// Anything else, by what is known of it.
    Other(String),
}

impl StoredType {
    /// The type of a dataset or attribute.
    pub(crate) fn of(container: &hdf5::Container) -> hdf5::Result<Self> {
        let datatype = container.dtype()?;
        if is_text(&datatype) {
            return Ok(Self::Text);
        }
        let bytes = datatype.size();
        // A descriptor of an enumeration with members wider than 8 bytes would overrun the binding's buffer, so
        // what is wider, and can be no element, is named without one.
        if bytes > 8 {
            let kind = if is_compound(&datatype) {
                "compound type"
            } else {
                "type"
            };
            return Ok(Self::Other(format!("a {kind} of {bytes} bytes")));
        }
        Ok(datatype.to_descriptor().map_or_else(
            |_| Self::without_descriptor(&datatype),
            |descriptor| Self::from_descriptor(&descriptor),
        ))
    }

    /// Whether every value is a number or a truth value, which labels may be.
    pub(crate) fn is_numeric(&self) -> bool {
        !matches!(self, Self::Text | Self::Other(_))
    }

    fn from_descriptor(descriptor: &TypeDescriptor) -> Self {
        let other = |name: &str| Self::Other(name.to_owned());
        match descriptor {
            TypeDescriptor::Unsigned(IntSize::U1) => Self::Element(ElementType::U8),
            TypeDescriptor::Unsigned(IntSize::U2) => Self::Unsigned(16),
            TypeDescriptor::Unsigned(IntSize::U4) => Self::Unsigned(32),
            TypeDescriptor::Unsigned(IntSize::U8) => Self::Unsigned(64),
            TypeDescriptor::Integer(IntSize::U1) => Self::Element(ElementType::I8),
            TypeDescriptor::Integer(IntSize::U2) => Self::Element(ElementType::I16),
            TypeDescriptor::Integer(IntSize::U4) => Self::Element(ElementType::I32),
            TypeDescriptor::Integer(IntSize::U8) => Self::Element(ElementType::I64),
            TypeDescriptor::Float(FloatSize::U4) => Self::Element(ElementType::F32),
            TypeDescriptor::Float(FloatSize::U8) => Self::Element(ElementType::F64),
            TypeDescriptor::Boolean => Self::Boolean,
            TypeDescriptor::Enum(_) => other("an enumeration"),
            TypeDescriptor::Compound(_) => other("a compound type"),
            TypeDescriptor::FixedArray(..) | TypeDescriptor::VarLenArray(_) => other("arrays"),
            TypeDescriptor::FixedAscii(_)
            | TypeDescriptor::FixedUnicode(_)
            | TypeDescriptor::VarLenAscii
            | TypeDescriptor::VarLenUnicode => Self::Text,
            TypeDescriptor::Reference(_) => other("references"),
        }
    }

    fn without_descriptor(datatype: &hdf5::Datatype) -> Self {
        match datatype.size() {
            2 if datatype.conv_to::<f64>().is_some() => Self::HalfFloat,
            bytes => Self::Other(format!("a type of {bytes} bytes")),
        }
    }
}

impl fmt::Display for StoredType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element_type) => element_type.fmt(f),
            Self::Unsigned(bits) => write!(f, "u{bits}"),
            Self::HalfFloat => f.write_str("f16"),
            Self::Boolean => f.write_str("bool"),
            Self::Text => f.write_str("strings"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

fn is_text(datatype: &hdf5::Datatype) -> bool {
    let converts_to_fixed = |descriptor| {
        hdf5::Datatype::from_descriptor(&descriptor).is_ok_and(|fixed| datatype.conv_path(fixed).is_some())
    };
    datatype.conv_to::<VarLenAscii>().is_some()
        || datatype.conv_to::<VarLenUnicode>().is_some()
        || converts_to_fixed(TypeDescriptor::FixedAscii(1))
        || converts_to_fixed(TypeDescriptor::FixedUnicode(1))
}

fn is_compound(datatype: &hdf5::Datatype) -> bool {
    let field = CompoundField::new("a", TypeDescriptor::Unsigned(IntSize::U1), 0, 0);
    let smallest = TypeDescriptor::Compound(CompoundType {
        fields: vec![field],
        size: 1,
    });
    hdf5::Datatype::from_descriptor(&smallest).is_ok_and(|compound| datatype.conv_path(compound).is_some())
}
