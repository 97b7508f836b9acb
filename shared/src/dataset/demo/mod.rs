//! The built-in images: 64 × 64 × 3 bytes of a cat's face or a house, drawn by the program from a seed.
//!
//! Everything is computed in whole numbers, so that every machine draws the same bytes; a test fixes their digest. Both
//! classes share backgrounds, and nearly share colours, sizes and places, so that a network must learn shapes.

mod canvas;
mod random;
mod scenes;

use super::{ClassNames, Dataset, Examples, Source};
use crate::element::Values;
use crate::{Columns, ElementType};
use canvas::EDGE;
use random::SplitMix64;

/// The number of images to train on.
pub const TRAIN_COUNT: usize = 209;

/// The number of images to test on.
pub const TEST_COUNT: usize = 50;

/// The names of class 0 and class 1.
pub const CLASS_NAMES: [&str; 2] = ["house", "cat"];

/// What every image is drawn from, with its number.
const SEED: u64 = 20_17;

/// The most that noise changes a byte.
const NOISE: i32 = 12;

/// The 209 images to train on.
pub fn train() -> Dataset {
    dataset("train", 0..TRAIN_COUNT)
}

/// The 50 images to test on; none is among those to train on.
pub fn test() -> Dataset {
    dataset("test", TRAIN_COUNT..TRAIN_COUNT + TEST_COUNT)
}

fn dataset(part: &str, numbers: std::ops::Range<usize>) -> Dataset {
    let mut labels = Vec::with_capacity(numbers.len());
    let mut bytes = Vec::with_capacity(numbers.len() * EDGE * EDGE * 3);
    for number in numbers {
        let (label, image) = image(number as u64);
        labels.push(label);
        bytes.extend(image);
    }
    let features = EDGE * EDGE * 3;
    let columns = Columns::new(features, Values::U8(bytes)).expect("whole images were drawn");
    Dataset {
        source: Source::BuiltIn,
        x_name: format!("{part}_set_x"),
        y_name: Some(format!("{part}_set_y")),
        m: labels.len(),
        example_shape: vec![EDGE, EDGE, 3],
        element_type: ElementType::U8,
        labels: Some(labels),
        class_names: ClassNames::Known(CLASS_NAMES.map(str::to_owned)),
        examples: Examples::InMemory(columns),
    }
}

/// Image `number` and its label.
fn image(number: u64) -> (u8, Vec<u8>) {
    let mut random = SplitMix64::new(SEED, number);
    let label = random.between(0, 1) as u8;
    let scene = if label == 1 {
        scenes::cat(&mut random)
    } else {
        scenes::house(&mut random)
    };
    let pose = scenes::pose(&mut random);
    (label, scene.draw(pose, NOISE, &mut random))
}
