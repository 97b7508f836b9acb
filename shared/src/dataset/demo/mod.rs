//! The built-in images: 64 × 64 × 3 bytes of a cat's face or a house, drawn by the program from a seed.
//!
//! Everything is computed in whole numbers, so that every machine draws the same bytes; a test fixes their digest. Both
//! classes share backgrounds, and nearly share colours, sizes and places, so that a network must learn shapes.

mod canvas;
mod random;
mod scenes;

use rayon::prelude::*;

use super::{ClassNames, Dataset, Examples, Source, digest::Hasher};
use crate::element::Values;
use crate::{Columns, ElementType};
use canvas::EDGE;
use random::Draws;

/// The number of images to train on.
pub const TRAIN_COUNT: usize = 209;

/// The number of images to test on.
pub const TEST_COUNT: usize = 50;

/// The names of class 0 and class 1.
pub const CLASS_NAMES: [&str; 2] = ["house", "cat"];

/// What every image is drawn from, with its number.
const SEED: u64 = 20_17;

/// The most that noise changes a byte.
const NOISE: i32 = 9;

/// The 209 images to train on.
pub fn train() -> Dataset {
    train_of(TRAIN_COUNT)
}

/// The first `count` images to train on. Those after the 209th are drawn as those before; no network learns more from
/// them, but they make larger batches.
pub fn train_of(count: usize) -> Dataset {
    let beyond = TRAIN_COUNT + TEST_COUNT..;
    dataset("train", (0..TRAIN_COUNT).chain(beyond).take(count).collect())
}

/// The 50 images to test on; none is among those to train on.
pub fn test() -> Dataset {
    dataset("test", (TRAIN_COUNT..TRAIN_COUNT + TEST_COUNT).collect())
}

fn dataset(part: &str, numbers: Vec<usize>) -> Dataset {
    let images: Vec<_> = numbers.into_par_iter().map(image).collect();
    let labels: Vec<u8> = images.iter().map(|(label, _)| *label).collect();
    let bytes = images.into_iter().flat_map(|(_, bytes)| bytes).collect();
    let features = EDGE * EDGE * 3;
    let columns = Columns::new(features, Values::U8(bytes)).expect("whole images were drawn");
    let mut hasher = Hasher::new(features, labels.len(), ElementType::U8);
    hasher.columns(&columns);
    Dataset {
        source: Source::BuiltIn,
        x_name: format!("{part}_set_x"),
        y_name: Some(format!("{part}_set_y")),
        m: labels.len(),
        example_shape: vec![EDGE, EDGE, 3],
        element_type: ElementType::U8,
        digest: hasher.finish(Some(&labels)),
        labels: Some(labels),
        class_names: ClassNames::Known(CLASS_NAMES.map(str::to_owned)),
        examples: Examples::InMemory(columns),
    }
}

/// Image `number` and its label.
fn image(number: usize) -> (u8, Vec<u8>) {
    let mut random = Draws::new(SEED, number as u64);
    let label = random.between(0, 1) as u8;
    let scene = if label == 1 {
        scenes::cat(&mut random)
    } else {
        scenes::house(&mut random)
    };
    let pose = scenes::pose(&mut random);
    (label, scene.draw(pose, NOISE, &mut random))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(dataset: &Dataset) -> String {
        let columns = dataset.columns(0..dataset.m()).unwrap();
        let mut hasher = blake3::Hasher::new();
        hasher.update(dataset.labels().unwrap());
        hasher.update(&columns.to_le_bytes(0..dataset.m()));
        hasher.finalize().to_string()
    }

    #[test]
    fn every_machine_draws_the_same_bytes() {
        assert_eq!(
            digest(&train()),
            "4e50ea87d0b5758423cd5a68c94093061940f69872de2aca4ac6285d3821499b"
        );
        assert_eq!(
            digest(&test()),
            "4776d946d79ec6ccee21b05f349d6568a1006957003f67ed294751449670090a"
        );
    }

    #[test]
    fn larger_batches_begin_with_the_same_images_and_have_none_to_test_on() {
        let (few, many) = (train_of(7), train_of(TRAIN_COUNT + 2));
        let bytes = |dataset: &Dataset, numbers| dataset.columns(numbers).unwrap().to_le_bytes(0..1);
        assert_eq!((few.m(), many.m()), (7, 211));
        assert_eq!(bytes(&few, 6..7), bytes(&train(), 6..7));
        assert_eq!(bytes(&many, 208..209), bytes(&train(), 208..209));
        assert_ne!(bytes(&many, 209..210), bytes(&test(), 0..1));
    }

    #[test]
    fn both_parts_have_the_promised_sizes_and_about_as_many_of_each_class() {
        for (dataset, count) in [(train(), TRAIN_COUNT), (test(), TEST_COUNT)] {
            assert_eq!((dataset.m(), dataset.example_shape()), (count, &[64, 64, 3][..]));
            let cats = dataset.labels().unwrap().iter().filter(|&&label| label == 1).count();
            assert!((count * 2 / 5..=count * 3 / 5).contains(&cats), "{cats} of {count}");
        }
    }
}
