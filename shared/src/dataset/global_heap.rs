//! A look at a file's strings of variable length before HDF5's library reads them.
//!
//! Such strings lie in global heap collections: the four letters GCOL, a version, the collection's size, then objects
//! that each begin with their index and size. Up to its release 2.2 at least, HDF5's library never returns from a
//! collection with an object of index 0 and size 0, which one damaged byte can make. So whoever is about to read such
//! strings first looks for that.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use hdf5::file::Sizeof;

/// How a version 1 collection begins; three reserved bytes and the size follow.
const SIGNATURE: [u8; 5] = *b"GCOL\x01";

/// Bytes of a collection's header, and of an object's, where lengths take 8 bytes, as they do but in old small files.
const HEADER: u64 = 16;

/// Checks that the collections of `file`, which was opened from `path`, have an end.
///
/// # Errors
///
/// A reason why the strings of variable length cannot be read.
pub(crate) fn check(file: &hdf5::File, path: &Path) -> Result<(), String> {
    let sizes = file.create_plist().and_then(|plist| plist.get_sizes());
    if sizes.map_err(|error| error.to_string())?.sizeof_size != Sizeof::Bytes8 {
        return Err("its strings have lengths of other than 8 bytes".to_owned());
    }
    let endless = first_endless(path).map_err(|error| error.to_string())?;
    endless.map_or(Ok(()), |at| Err(format!("the heap of strings at byte {at} is damaged")))
}

/// Where the first collection begins that the library would never finish.
fn first_endless(path: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // Collections do not overlap, so all their objects together have room for this many headers.
    let mut objects_left = length / HEADER;
    for start in signatures(BufReader::with_capacity(1 << 20, &file))? {
        if !ends(&mut file, start, length, &mut objects_left)? {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

/// The positions of [`SIGNATURE`].
fn signatures(mut reader: impl Read) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    let mut window = Vec::with_capacity(2 << 20);
    let mut window_start = 0;
    while reader.by_ref().take(1 << 20).read_to_end(&mut window)? > 0 {
        let candidates = window.windows(SIGNATURE.len()).enumerate();
        let matches = candidates.filter(|(_, bytes)| bytes[0] == SIGNATURE[0] && *bytes == SIGNATURE);
        found.extend(matches.map(|(at, _)| window_start + at as u64));
        // A signature may lie across the border of two windows.
        let done = window.len().saturating_sub(SIGNATURE.len() - 1);
        window.drain(..done);
        window_start += done as u64;
    }
    Ok(found)
}

/// Whether the library's walk over the collection at `start` ends, with success or with an error of its own.
fn ends(file: &mut File, start: u64, length: u64, objects_left: &mut u64) -> io::Result<bool> {
    let Some((_, size)) = header(file, start, length)? else {
        return Ok(true);
    };
    let end = start.saturating_add(size);
    let mut at = start + HEADER;
    while at + HEADER <= end {
        let Some((index, size)) = header(file, at, length)? else {
            return Ok(true);
        };
        if *objects_left == 0 || (index == 0 && size == 0) {
            return Ok(false);
        }
        *objects_left -= 1;
        let step = if index == 0 {
            size
        } else {
            HEADER.wrapping_add(size.wrapping_add(7) & !7)
        };
        match at.checked_add(step) {
            Some(next) if next <= end => at = next,
            _ => return Ok(true),
        }
    }
    Ok(true)
}

/// The first two bytes and the last eight of the header at `at`, or `None` if the file ends before it does.
fn header(file: &mut File, at: u64, length: u64) -> io::Result<Option<(u16, u64)>> {
    if at.checked_add(HEADER).is_none_or(|end| end > length) {
        return Ok(None);
    }
    let mut bytes = [0; HEADER as usize];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut bytes)?;
    let [i0, i1, _, _, _, _, _, _, size @ ..] = bytes;
    Ok(Some((u16::from_le_bytes([i0, i1]), u64::from_le_bytes(size))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A collection of 64 bytes: object 1 of 5 bytes, padded to 8, then free space to the end.
    fn collection() -> Vec<u8> {
        let object = |index: u8, size: u8| [index, 0, 0, 0, 0, 0, 0, 0, size, 0, 0, 0, 0, 0, 0, 0];
        let mut bytes = b"GCOL\x01\0\0\0\x40\0\0\0\0\0\0\0".to_vec();
        bytes.extend(object(1, 5));
        bytes.extend(*b"house\0\0\0");
        bytes.extend(object(0, 24));
        bytes.extend([0; 8]);
        bytes
    }

    fn first_endless_of(bytes: &[u8]) -> Option<u64> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        first_endless(file.path()).unwrap()
    }

    #[test]
    fn a_whole_collection_passes_wherever_it_lies() {
        assert_eq!(first_endless_of(&collection()), None);
        let mut shifted = vec![7; 1_048_573];
        shifted.extend(collection());
        assert_eq!(first_endless_of(&shifted), None);
    }

    #[test]
    fn free_space_of_size_0_is_found_also_across_the_border_of_two_pieces() {
        let mut endless = collection();
        endless[48] = 0;
        assert_eq!(first_endless_of(&endless), Some(0));
        let mut shifted = vec![7; 1_048_573];
        shifted.extend(&endless);
        assert_eq!(first_endless_of(&shifted), Some(1_048_573));
    }

    #[test]
    fn collections_that_claim_each_others_room_are_refused_rather_than_walked_for_ever() {
        // The object behind each header skips the next header and leads to the object behind that.
        let one = *b"GCOL\x01\0\0\0\0\0\0\0\xff\0\0\0\x01\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0";
        let many: Vec<u8> = one.iter().copied().cycle().take(32 * 2000).collect();
        assert!(first_endless_of(&many).is_some());
    }
}
