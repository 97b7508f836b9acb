//! The loops that carry out the arithmetic fast, with the bits that the contract defines.

mod vectored;

pub use vectored::Vectored;
