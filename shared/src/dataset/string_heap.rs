//! Strings of variable length, read without HDF5's library.
//!
//! ```text
//! dataset: length, heap's address, index  │  length, heap's address, index  │ …
//!                         │
//!                         └─▶ GCOL, version, size │ index, …, size, bytes │ index, …, size, bytes │ …
//! ```
//!
//! The library (up to its release 2.2 at least) believes what it finds there: one damaged byte can make it reserve and
//! clear 4 GiB for a name of three letters, or walk over a heap for ever. Names of classes are not worth that.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use hdf5::file::Sizeof;

/// How a heap begins: its signature and version; three reserved bytes and its size follow.
const SIGNATURE: [u8; 5] = *b"GCOL\x01";

/// Bytes of a reference to a string, of a heap's header and of an object's, where addresses and lengths take 8 bytes.
const HEADER: u64 = 16;

/// Why strings could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StringHeapError {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error("found addresses or lengths of other than 8 bytes in the file")]
    OtherSizes,
    #[error("found a string of {found} bytes, expected at most {most}")]
    TooLong { found: u64, most: u64 },
    #[error("the heap of strings at byte {at} is damaged")]
    Damaged { at: u64 },
}

/// The bytes of the `count` strings of a dataset whose values begin at byte `position` of the file at `path`, which is
/// open as `file`. None is longer than `most` bytes.
pub(super) fn read(
    file: &hdf5::File,
    path: &Path,
    position: u64,
    count: usize,
    most: u64,
) -> Result<Vec<Vec<u8>>, StringHeapError> {
    let sizes = file.create_plist().and_then(|plist| plist.get_sizes());
    let eight = |size: Sizeof| size == Sizeof::Bytes8;
    if !sizes.is_ok_and(|sizes| eight(sizes.sizeof_addr) && eight(sizes.sizeof_size)) {
        return Err(StringHeapError::OtherSizes);
    }
    let mut heap = StringHeap {
        file: File::open(path)?,
        base: file.userblock(),
    };
    (0..count as u64)
        .map(|i| heap.string(position.saturating_add(i * HEADER), most))
        .collect()
}

struct StringHeap {
    file: File,
    /// Where address 0 is in the file.
    base: u64,
}

impl StringHeap {
    /// The string whose reference is at byte `position`.
    fn string(&mut self, position: u64, most: u64) -> Result<Vec<u8>, StringHeapError> {
        let [l0, l1, l2, l3, address @ .., i0, i1, i2, i3] = self.bytes(position)?;
        let length = u64::from(u32::from_le_bytes([l0, l1, l2, l3]));
        if length > most {
            return Err(StringHeapError::TooLong { found: length, most });
        }
        if length == 0 {
            return Ok(Vec::new());
        }
        let heap = u64::from_le_bytes(address).saturating_add(self.base);
        let object = self.object(heap, u32::from_le_bytes([i0, i1, i2, i3]), length)?;
        let mut bytes = vec![0; length as usize];
        self.file.seek(SeekFrom::Start(object))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Where the `length` bytes of object `index` of the heap at byte `at` begin.
    fn object(&mut self, at: u64, index: u32, length: u64) -> Result<u64, StringHeapError> {
        let damaged = StringHeapError::Damaged { at };
        let header = self.bytes(at)?;
        let (start, size) = split(header);
        let end = at.saturating_add(size);
        if start[..5] != SIGNATURE || end > self.file.metadata()?.len() {
            return Err(damaged);
        }
        let mut object = at + HEADER;
        // Every step is at least as long as a header, so that the heap's length bounds their number.
        while object + HEADER <= end {
            let (start, size) = split(self.bytes(object)?);
            let found = u32::from(u16::from_le_bytes([start[0], start[1]]));
            let room = end - object - HEADER;
            if found == 0 || size > room {
                return Err(damaged);
            }
            if found == index {
                return if length <= size {
                    Ok(object + HEADER)
                } else {
                    Err(damaged)
                };
            }
            object += HEADER + size.next_multiple_of(8);
        }
        Err(damaged)
    }

    fn bytes(&mut self, at: u64) -> Result<[u8; HEADER as usize], StringHeapError> {
        if at.saturating_add(HEADER) > self.file.metadata()?.len() {
            return Err(StringHeapError::Damaged { at });
        }
        let mut bytes = [0; HEADER as usize];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The first eight bytes of a header, and the size in the last eight.
fn split(header: [u8; HEADER as usize]) -> ([u8; 8], u64) {
    let [a, b, c, d, e, f, g, h, size @ ..] = header;
    ([a, b, c, d, e, f, g, h], u64::from_le_bytes(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER_BLOCK: u64 = 32;

    /// A user block of 32 bytes, a reference to object 2 at byte 32, and at byte 48 a heap of 96 bytes: object 1 of 5
    /// bytes, object 2 of 3, free space.
    fn file() -> Vec<u8> {
        let header = |index: u8, size: u8| [index, 0, 1, 0, 0, 0, 0, 0, size, 0, 0, 0, 0, 0, 0, 0];
        let mut bytes = vec![9; USER_BLOCK as usize];
        bytes.extend(*b"\x03\0\0\0\x10\0\0\0\0\0\0\0\x02\0\0\0");
        bytes.extend(*b"GCOL\x01\0\0\0\x60\0\0\0\0\0\0\0");
        bytes.extend(header(1, 5));
        bytes.extend(*b"house\0\0\0");
        bytes.extend(header(2, 3));
        bytes.extend(*b"cat\0\0\0\0\0");
        bytes.extend(header(0, 32));
        bytes.extend([0; 16]);
        bytes
    }

    fn string_in(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), bytes).unwrap();
        let file = File::open(path.path()).unwrap();
        let mut heap = StringHeap { file, base: USER_BLOCK };
        heap.string(USER_BLOCK, 256).map_err(|error| error.to_string())
    }

    #[test]
    fn a_string_is_found_by_its_heap_and_index() {
        assert_eq!(string_in(&file()), Ok(b"cat".to_vec()));
    }

    #[test]
    fn every_damage_that_matters_is_an_error() {
        let damaged = |at: usize, value: u8| {
            let mut bytes = file();
            bytes[at] = value;
            string_in(&bytes).unwrap_err()
        };
        let heap = "the heap of strings at byte 48 is damaged";
        // Longer than any name; longer than the object; in a heap that is not there; of an index that is not there.
        assert_eq!(
            damaged(35, 0x80),
            "found a string of 2147483651 bytes, expected at most 256"
        );
        assert_eq!(damaged(32, 4), heap);
        assert_eq!(damaged(36, 0x18), "the heap of strings at byte 56 is damaged");
        assert_eq!(damaged(44, 3), heap);
        // The heap's signature, version and size; the size of the object before; its index 0.
        assert_eq!(damaged(48, b'g'), heap);
        assert_eq!(damaged(52, 2), heap);
        assert_eq!(damaged(57, 1), heap);
        assert_eq!(damaged(72, 200), heap);
        assert_eq!(damaged(64, 0), heap);
        // Its own size, beyond the heap's end.
        assert_eq!(damaged(103, 0xff), heap);
        // An address far behind the end.
        let far = (0x7f << 56) + 0x10 + USER_BLOCK;
        assert_eq!(
            damaged(43, 0x7f),
            format!("the heap of strings at byte {far} is damaged")
        );
    }

    #[test]
    fn an_object_before_of_size_0_does_not_stop_the_walk() {
        let mut bytes = file();
        bytes[72] = 0;
        // Its eight bytes are now read as a header, "house", whose size reaches beyond the heap.
        assert_eq!(
            string_in(&bytes).unwrap_err(),
            "the heap of strings at byte 48 is damaged"
        );
    }
}
