//! The built-in images as files.

use shared::dataset::{Role, Source, demo, write_demo};
use shared::{Dataset, RealType};

#[test]
fn the_demo_files_hold_the_built_in_images_in_the_layout_of_the_cat_images() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write_demo(&folder.path().join("new").join("demo"), demo::TRAIN_COUNT).unwrap();
    let built_in = [(Role::Train, demo::train()), (Role::Test, demo::test())];
    for (path, (role, expected)) in paths.iter().zip(built_in) {
        let read = Dataset::open(path, role, &Default::default(), RealType::F64).unwrap();
        assert_eq!(read.x_name(), expected.x_name());
        assert_eq!(read.y_name(), expected.y_name());
        assert_eq!(read.example_shape(), expected.example_shape());
        assert_eq!(read.labels(), expected.labels());
        assert_eq!(read.class_names(), expected.class_names());
        let all = 0..expected.m();
        assert_eq!(read.columns(all.clone()).unwrap(), expected.columns(all).unwrap());
        let y = hdf5::File::open(path).unwrap().dataset(read.y_name().unwrap()).unwrap();
        assert!(y.dtype().unwrap().is::<i64>());
        assert_eq!(y.shape(), [expected.m()]);
    }
}

#[test]
fn writing_the_demo_files_twice_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let paths = write_demo(folder.path(), demo::TRAIN_COUNT).unwrap();
    let first = paths.clone().map(|path| std::fs::read(path).unwrap());
    write_demo(folder.path(), demo::TRAIN_COUNT).unwrap();
    assert!(paths.clone().map(|path| std::fs::read(path).unwrap()) == first);
    // The same bytes also at another time: no object bears one.
    for path in paths {
        let file = hdf5::File::open(path).unwrap();
        for name in file.member_names().unwrap() {
            let info = file.loc_info_by_name(&name).unwrap();
            assert_eq!((info.ctime, info.mtime, info.btime), (0, 0, 0), "{name}");
        }
        let info = file.loc_info_by_name("/").unwrap();
        assert_eq!((info.ctime, info.mtime, info.btime), (0, 0, 0));
    }
}

#[test]
fn a_range_of_the_built_in_images_is_that_range() {
    let dataset = demo::test();
    assert_eq!(dataset.source(), &Source::BuiltIn);
    assert_eq!(dataset.source().to_string(), "built-in images");
    let all = dataset.columns(0..50).unwrap();
    let part = dataset.columns(7..9).unwrap();
    assert_eq!(part.to_le_bytes(0..2), all.to_le_bytes(7..9));
}

#[test]
#[should_panic(expected = "49..51 is not within 0..50")]
fn a_range_beyond_the_last_image_is_a_mistake_of_the_program() {
    let _ = demo::test().columns(49..51);
}
