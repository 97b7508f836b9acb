//! A checkpoint as bytes.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `89 4C 53 43 4B 50 54 0A`, which is `LSCKPT` between a byte that no text has and a line end |
//! | 4 | format version, u32 |
//! | 8 | bytes of the whole file, u64 |
//! | 4 | bytes of the header, u32 |
//! | … | header: UTF-8 lines `key: value` |
//! | … | W_1 row by row, b_1, …, W_L, b_L, in the type of the run's parameters |
//! | … | costs of all iterations so far, f64 |
//! | 32 | BLAKE3 over everything before it |
//!
//! All numbers are little-endian. The first three rows and the last hold for every version, so that any version can tell
//! a damaged file from one of a later version. The header's keys are those of `configuration`, and besides:
//!
//! | key | what |
//! |---|---|
//! | `program` | the version of Lockstep that wrote it, for people |
//! | `iterations` | how many iterations were planned |
//! | `iteration` | how many updates were made; as many costs there are |
//! | `parameters-digest` | the digest of W and b that runs and models state |

use std::io::{self, Write};

use bytes::Bytes;
use shared::Digest;

use super::fields::Fields;
use super::{Checkpoint, Configuration, FormatError};

/// The version of the format that this program writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"\x89LSCKPT\n";

/// Bytes of magic, version and length.
pub(super) const START_BYTES: usize = MAGIC.len() + 4 + 8;

const DIGEST_BYTES: usize = 32;

/// Costs that are put into bytes at a time.
const COSTS_STEP: usize = 4096;

impl Checkpoint {
    /// Writes the checkpoint's bytes to `out`. The same checkpoint gives the same bytes.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn encode_to(&self, out: &mut impl Write) -> io::Result<()> {
        let header = self.header();
        let header_bytes = u32::try_from(header.len()).map_err(io::Error::other)?;
        let length =
            (START_BYTES + 4 + header.len() + self.parameters.len() + 8 * self.costs.len() + DIGEST_BYTES) as u64;
        let mut hasher = blake3::Hasher::new();
        let mut put = |bytes: &[u8]| {
            hasher.update(bytes);
            out.write_all(bytes)
        };
        put(&MAGIC)?;
        put(&FORMAT_VERSION.to_le_bytes())?;
        put(&length.to_le_bytes())?;
        put(&header_bytes.to_le_bytes())?;
        put(header.as_bytes())?;
        put(&self.parameters)?;
        for part in self.costs.chunks(COSTS_STEP) {
            let bytes: Vec<u8> = part.iter().flat_map(|cost| cost.to_le_bytes()).collect();
            put(&bytes)?;
        }
        out.write_all(hasher.finalize().as_bytes())
    }

    /// The checkpoint's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_to(&mut bytes).expect("a Vec takes everything");
        bytes
    }

    /// The checkpoint whose bytes are `bytes`. Nothing is believed before the digest is right, and no memory is asked
    /// for but what the given bytes fill.
    ///
    /// # Errors
    ///
    /// [`FormatError`], one variant for each thing that can be wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        check_start(bytes, bytes.len() as u64)?;
        let (content, stated) = bytes
            .split_last_chunk::<DIGEST_BYTES>()
            .ok_or_else(|| too_short(bytes.len() as u64))?;
        let found = Digest::from_bytes(*blake3::hash(content).as_bytes());
        let expected = Digest::from_bytes(*stated);
        if found != expected {
            return Err(FormatError::Digest { found, expected });
        }
        let version = u32_at(content, MAGIC.len());
        if version != Some(FORMAT_VERSION) {
            return Err(FormatError::Version {
                found: version.unwrap_or_default(),
            });
        }
        decode_version_1(content.get(START_BYTES..).unwrap_or_default())
    }

    fn header(&self) -> String {
        let own = [
            ("program", concat!("lockstep ", env!("CARGO_PKG_VERSION")).to_owned()),
            ("iterations", self.iterations.to_string()),
            ("iteration", self.updates().to_string()),
            ("parameters-digest", self.parameters_digest().to_string()),
        ];
        let configuration = self.configuration.fields().into_iter();
        own.into_iter()
            .chain(configuration.map(|field| (field.key, field.value)))
            .map(|(key, value)| format!("{key}: {value}\n"))
            .collect()
    }
}

/// Checks what the first [`START_BYTES`] of a file of `length` bytes say, or all of them if there are fewer.
///
/// # Errors
///
/// [`FormatError`] if they do not begin a checkpoint of that length, whatever its version.
pub(super) fn check_start(start: &[u8], length: u64) -> Result<(), FormatError> {
    let magic = &start[..start.len().min(MAGIC.len())];
    if !MAGIC.starts_with(magic) {
        return Err(FormatError::NotACheckpoint);
    }
    if length < (START_BYTES + DIGEST_BYTES) as u64 {
        return Err(too_short(length));
    }
    match u64_at(start, MAGIC.len() + 4) {
        Some(expected) if expected == length => Ok(()),
        Some(expected) => Err(FormatError::Length {
            found: length,
            expected,
        }),
        None => Err(too_short(start.len() as u64)),
    }
}

/// What follows the start, up to the digest.
fn decode_version_1(content: &[u8]) -> Result<Checkpoint, FormatError> {
    let cut = || FormatError::Header {
        problem: "found fewer bytes than it should have".to_owned(),
    };
    let (header_bytes, content) = content.split_first_chunk::<4>().ok_or_else(cut)?;
    let header_bytes = usize::try_from(u32::from_le_bytes(*header_bytes)).map_err(|_| cut())?;
    let (header, content) = content.split_at_checked(header_bytes).ok_or_else(cut)?;
    let fields = Fields::parse(header)?;
    let configuration = Configuration::from_fields(&fields)?;
    let iterations = fields.parsed("iterations", "a number of iterations")?;
    let updates: u64 = fields.parsed("iteration", "a number of updates")?;
    let expected_digest: Digest = fields.parsed("parameters-digest", "a digest")?;

    let expected = u128::from(configuration.parameter_bytes()) + 8 * u128::from(updates);
    if content.len() as u128 != expected {
        return Err(FormatError::Numbers {
            found: content.len() as u64,
            expected,
        });
    }
    let parameter_bytes = usize::try_from(configuration.parameter_bytes()).map_err(|_| cut())?;
    let (parameters, costs) = content.split_at_checked(parameter_bytes).ok_or_else(cut)?;
    let (costs, _) = costs.as_chunks::<8>();
    let checkpoint = Checkpoint {
        configuration,
        iterations,
        parameters: Bytes::copy_from_slice(parameters),
        costs: costs.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect(),
    };
    let found = checkpoint.parameters_digest();
    if found != expected_digest {
        return Err(FormatError::Field {
            key: "parameters-digest",
            problem: format!("found {expected_digest}, expected {found} by the parameters"),
        });
    }
    Ok(checkpoint)
}

fn too_short(found: u64) -> FormatError {
    FormatError::TooShort { found }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}
