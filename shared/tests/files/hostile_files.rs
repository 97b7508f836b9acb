//! Files that lie, are damaged, or change while they are read: always an error, never a panic, a hang or a flood.

use std::fs;
use std::io::Write;

use hdf5::dataset::DatasetBuilder;
use hdf5::types::VarLenUnicode;
use ndarray::ArrayView;
use shared::dataset::{ClassNames, DatasetError, Role};

use crate::support::{TestFile, each_damaged_byte, each_truncation, put};

/// X that promises `shape` but holds nothing, in chunks or in one piece.
fn promised(shape: &[usize], chunk: Option<&[usize]>) -> TestFile {
    TestFile::new(|file| {
        let builder = file.new_dataset_builder();
        let builder = match chunk {
            Some(chunk) => builder.chunk(chunk),
            None => builder,
        };
        builder.empty::<f64>().shape(shape).create("x").unwrap();
        put(file, "y", &[2], &[0_u8, 1]);
    })
}

#[test]
fn a_shape_that_the_file_cannot_hold_is_refused_before_anything_is_allocated() {
    let refused = |shape: &[usize], chunk, said: &str| {
        let file = promised(shape, chunk);
        assert_eq!(
            file.said(&file.open().unwrap_err()),
            format!("data.h5, dataset `x`: {said}")
        );
    };
    let one_piece = [1 << 40, 3];
    refused(
        &one_piece,
        None,
        "shape [1099511627776, 3] takes 26388279066624 bytes, but the file stores only 0 for it",
    );
    refused(
        &[1 << 40, 1 << 20],
        Some(&[1, 1024]),
        "shape [1099511627776, 1048576] takes 9223372036854775808 bytes, but the file stores only 0 for it",
    );
    refused(
        &[1 << 40, 1 << 40],
        Some(&[1, 1024]),
        "shape [1099511627776, 1099511627776] takes more than 2^64 bytes, but the file stores only 0 for it",
    );
}

#[test]
fn more_labels_than_the_file_can_hold_are_refused() {
    const M: usize = 1 << 26;
    let file = TestFile::new(|file| {
        // Zeros, as strongly compressed as gzip can.
        let x = file.new_dataset_builder().chunk((1 << 20, 1)).deflate(9).empty::<u8>();
        let x = x.shape((M, 1)).create("x").unwrap();
        let rows = ndarray::Array2::<u8>::zeros((1 << 20, 1));
        for start in (0..M).step_by(1 << 20) {
            x.write_slice(&rows, (start..start + (1 << 20), 0..1)).unwrap();
        }
        let y = file.new_dataset_builder().chunk(1 << 20).empty::<f64>();
        y.shape(M).create("y").unwrap();
    });
    assert_eq!(
        file.said(&file.open().unwrap_err()),
        "data.h5, dataset `y`: shape [67108864] takes 536870912 bytes, but the file stores only 0 for it"
    );
}

#[test]
fn honest_data_may_be_compressed_as_far_as_gzip_goes() {
    let file = TestFile::new(|file| {
        let zeros = ndarray::Array2::<u8>::zeros((2000, 1000));
        let builder = file.new_dataset_builder().chunk((1000, 1000)).deflate(9);
        let x = builder.with_data(&zeros).create("x").unwrap();
        assert!(x.storage_size() < 2000 * 1000 / 1000, "{}", x.storage_size());
        put(file, "y", &[2000], &[0_u8; 2000]);
    });
    assert_eq!(file.open().unwrap().m(), 2000);
}

#[test]
fn values_in_other_files_are_refused() {
    let refused = |file: TestFile| {
        let error = file.open().unwrap_err();
        assert_eq!(
            file.said(&error),
            "data.h5, dataset `x`: found a dataset whose values lie in other files, expected the values themselves"
        );
        let hint = "copy the values into one file: g.create_dataset('x', data=f['x'][...])";
        assert_eq!(error.hint().as_deref(), Some(hint));
    };
    refused(TestFile::new(|file| {
        let builder = file.new_dataset_builder().external("raw.bin", 0, 16);
        builder.empty::<f64>().shape((2, 1)).create("x").unwrap();
        put(file, "y", &[2], &[0_u8, 1]);
    }));
    refused(TestFile::new(|file| {
        let map = ("other.h5", "x", (2, 1), .., (2, 1), ..);
        let builder = file.new_dataset_builder();
        let builder = builder.virtual_map(map.0, map.1, map.2, map.3, map.4, map.5);
        builder.empty::<f64>().shape((2, 1)).create("x").unwrap();
        put(file, "y", &[2], &[0_u8, 1]);
    }));
}

#[test]
fn a_file_that_is_cut_while_in_use_gives_an_error_not_zeros() {
    let file = TestFile::good();
    let dataset = file.open().unwrap();
    let length = fs::metadata(&file.path).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(&file.path)
        .unwrap()
        .set_len(length / 2)
        .unwrap();
    let error = dataset.columns(0..3).unwrap_err();
    assert_eq!(file.said(&error), "data.h5: the file changed while it was in use");
    let hint = "start again when nothing writes to the file any more";
    assert_eq!(error.hint().as_deref(), Some(hint));
}

#[test]
fn a_file_that_is_written_to_while_in_use_gives_an_error() {
    let file = TestFile::good();
    let dataset = file.open().unwrap();
    let mut bytes = fs::read(&file.path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    // The clock that stamps files may tick slowly, so the stamp is set rather than waited for.
    let mut writer = fs::OpenOptions::new().write(true).open(&file.path).unwrap();
    writer.write_all(&bytes).unwrap();
    let stamp = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    writer.set_modified(stamp).unwrap();
    let error = dataset.columns(0..3).unwrap_err();
    assert!(matches!(error, DatasetError::Changed { .. }), "{error}");
}

#[test]
fn a_file_that_is_replaced_while_in_use_is_still_read_as_it_was() {
    let file = TestFile::good();
    let dataset = file.open().unwrap();
    let before = dataset.columns(0..3).unwrap();
    let other = file.path.with_extension("new");
    fs::write(&other, b"something else").unwrap();
    fs::rename(&other, &file.path).unwrap();
    assert_eq!(dataset.columns(0..3).unwrap(), before);
}

/// X in one compressed chunk, of which `damage` is given the whole file's bytes.
fn damaged_chunk(compress: fn(DatasetBuilder) -> DatasetBuilder, damage: impl FnOnce(&mut Vec<u8>)) -> TestFile {
    let values: Vec<f64> = (0..512).map(f64::from).collect();
    let file = TestFile::in_old_format(|file| {
        let view = ArrayView::from_shape((64, 8), &values).unwrap();
        let builder = compress(file.new_dataset_builder().chunk((64, 8)));
        builder.with_data(view).create("x").unwrap();
        put(file, "y", &[64], &[0_u8; 64]);
    });
    let mut bytes = fs::read(&file.path).unwrap();
    damage(&mut bytes);
    TestFile::of_bytes(&bytes)
}

#[test]
fn damaged_compressed_values_are_named() {
    let file = damaged_chunk(
        |builder| builder.deflate(6),
        |bytes| {
            // The two bytes with which zlib's default level begins a stream.
            let at = bytes.windows(2).position(|pair| pair == [0x78, 0x9c]).unwrap();
            bytes[at + 20] ^= 0xff;
            bytes[at + 21] ^= 0xff;
        },
    );
    let said = file.said(&file.open().unwrap_err());
    let start = "data.h5, dataset `x`: the values cannot be read: ";
    assert!(said.starts_with(start) && said.ends_with("inflate() failed"), "{said}");
}

#[test]
fn a_filter_that_is_not_built_in_is_named_with_a_way_out() {
    let file = damaged_chunk(
        |builder| builder.lzf(),
        |bytes| {
            let at = bytes.windows(4).position(|name| name == b"lzf\0").unwrap();
            // Eight bytes before its name stands the filter's number; 32015 is Zstandard.
            bytes[at - 8..at - 6].copy_from_slice(&32015_u16.to_le_bytes());
            bytes[at..at + 4].copy_from_slice(b"zstd");
        },
    );
    let error = file.open().unwrap_err();
    assert_eq!(
        file.said(&error),
        "data.h5, dataset `x`: found values compressed by a method that is not built in, expected gzip, LZF or none"
    );
    let hint = "rewrite the file with gzip: h5repack -f GZIP=4 old.h5 new.h5";
    assert_eq!(error.hint().as_deref(), Some(hint));
}

#[test]
fn a_link_that_leads_nowhere_is_an_error_of_that_dataset() {
    let file = TestFile::new(|file| {
        file.link_soft("/gone", "x").unwrap();
        put(file, "y", &[1], &[0_u8]);
    });
    let said = file.said(&file.open().unwrap_err());
    assert!(
        said.starts_with("data.h5, dataset `x`: the values cannot be read: "),
        "{said}"
    );
}

#[test]
fn groups_linked_in_circles_and_a_thousand_datasets_are_listed_briefly() {
    let circle = TestFile::new(|file| {
        let group = file.create_group("a").unwrap();
        file.link_hard("/a", "/a/again").unwrap();
        file.link_hard("/", "/a/root").unwrap();
        put(&group, "values", &[1], &[0_u8]);
    });
    let said = circle.said(&circle.open().unwrap_err());
    assert!(said.contains("`a/again/again/again/"), "{said}");
    assert!(said.ends_with(" and more") && said.len() < 4000, "{said}");
    let many = TestFile::new(|file| {
        for i in 0..1000 {
            put(file, &format!("d{i:04}\x1b[2J"), &[1], &[0_u8]);
        }
    });
    let said = many.said(&many.open().unwrap_err());
    assert!(said.ends_with("`d0023\u{fffd}[2J` [1] u8 and more"), "{said}");
    assert!(!said.contains('\x1b'));
}

#[test]
fn no_single_damaged_byte_brings_the_reader_down() {
    let fill = |file: &hdf5::File| {
        let values: Vec<f32> = (0..24).map(|i| i as f32).collect();
        let view = ArrayView::from_shape((6, 4), &values).unwrap();
        let builder = file.new_dataset_builder().chunk((4, 4)).shuffle().deflate(6);
        builder.with_data(view).create("x").unwrap();
        put(file, "y", &[6], &[0_i64, 1, 0, 1, 1, 0]);
        let names = ["a", "b"].map(|name| name.parse::<VarLenUnicode>().unwrap());
        put(file, "list_classes", &[2], &names);
    };
    for file in [TestFile::new(fill), TestFile::in_old_format(fill)] {
        each_damaged_byte(&fs::read(&file.path).unwrap(), |damaged| {
            if let Ok(dataset) = damaged.open() {
                let _ = dataset.columns(0..dataset.m());
            }
        });
    }
}

#[test]
fn names_that_claim_gigabytes_or_a_heap_without_end_are_not_left_to_the_library() {
    let file = TestFile::new(|file| {
        put(file, "x", &[1, 1], &[1_u8]);
        put(file, "y", &[1], &[1_u8]);
        let names = ["a", "b"].map(|name| name.parse::<VarLenUnicode>().unwrap());
        put(file, "list_classes", &[2], &names);
    });
    let bytes = fs::read(&file.path).unwrap();
    let names_of = |bytes: &[u8]| {
        let file = TestFile::of_bytes(bytes);
        match file.open().unwrap().class_names() {
            ClassNames::Ignored(reason) => file.said(reason),
            names => format!("{names:?}"),
        }
    };
    let heap = bytes.windows(5).position(|start| start == b"GCOL\x01").unwrap();
    let mut endless = bytes.clone();
    // Behind the header and two objects of 24 bytes lies the free space, whose size is made 0.
    let size = heap + 16 + 24 + 24 + 8;
    endless[size..size + 8].fill(0);
    assert_eq!(names_of(&endless), r#"Known(["a", "b"])"#);
    let mut vast = bytes.clone();
    let reference = [&[1, 0, 0, 0], &(heap as u64).to_le_bytes()[..], &[2, 0, 0, 0]].concat();
    let at = bytes.windows(16).position(|bytes| bytes == reference).unwrap();
    vast[at + 3] = 0xff;
    assert_eq!(
        names_of(&vast),
        "data.h5, dataset `list_classes`: found a string of 4278190081 bytes, expected at most 256; \
         the classes stay without names"
    );
}

#[test]
fn no_truncation_brings_the_reader_down() {
    each_truncation(&fs::read(&TestFile::good().path).unwrap(), |cut, length| {
        for role in [Role::Train, Role::Predict] {
            assert!(cut.open_as(role).is_err(), "{length} bytes");
        }
    });
}
