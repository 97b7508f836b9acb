//! Examples that are images, as PNG files inside the page.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use png::{BitDepth, ColorType, Encoder};
use shared::Columns;
use shared::element::Values;

/// The most pixels that an image may have in its width and in its height.
pub const MOST_PIXELS_A_SIDE: usize = 1024;

/// An image of 8 bits a channel, row by row, channels innermost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Image<'a> {
    width: u32,
    height: u32,
    colour: ColorType,
    pixels: &'a [u8],
}

impl<'a> Image<'a> {
    /// Column `column` as an image, if it is one.
    ///
    /// `shape` is the shape of one example before it was flattened. An image has the shape height × width (grey) or
    /// height × width × channels with 1 (grey), 3 (red, green, blue) or 4 channels (and alpha), from 1 to
    /// [`MOST_PIXELS_A_SIDE`] pixels a side, and elements of type u8. Returns `None` for all else, and if there is no
    /// such column or it is not of this shape.
    pub fn of_column(shape: &[usize], columns: &'a Columns, column: usize) -> Option<Self> {
        let (height, width, channels) = match *shape {
            [height, width] => (height, width, 1),
            [height, width, channels] => (height, width, channels),
            _ => return None,
        };
        let colour = match channels {
            1 => ColorType::Grayscale,
            3 => ColorType::Rgb,
            4 => ColorType::Rgba,
            _ => return None,
        };
        let side = |pixels: usize| {
            u32::try_from(pixels)
                .ok()
                .filter(|_| (1..=MOST_PIXELS_A_SIDE).contains(&pixels))
        };
        let (width, height) = (side(width)?, side(height)?);
        let features = columns.features();
        if shape.iter().product::<usize>() != features {
            return None;
        }
        let Values::U8(values) = columns.values() else {
            return None;
        };
        Some(Self {
            width,
            height,
            colour,
            pixels: values.chunks_exact(features).nth(column)?,
        })
    }

    /// Pixels in a row.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels in a column.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes of all pixels.
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// The image as a PNG file.
    pub fn to_png(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(self.colour);
        encoder.set_depth(BitDepth::Eight);
        encoder
            .write_header()
            .and_then(|mut writer| {
                writer.write_image_data(self.pixels)?;
                writer.finish()
            })
            .expect("a Vec takes every byte, and there are width · height · channels of them");
        file
    }

    /// The image as a `data:` URI.
    pub(super) fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", BASE64_STANDARD.encode(self.to_png()))
    }
}

impl fmt::Debug for Image<'_> {
    /// Without the pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} × {}, {:?})", self.width, self.height, self.colour)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn bytes(features: usize, count: usize) -> Columns {
        let values = (0..features * count).map(|at| (at * 37 % 251) as u8).collect();
        Columns::new(features, Values::U8(values)).unwrap()
    }

    /// Width, height, channels and pixels of a PNG file.
    fn decoded(file: &[u8]) -> (u32, u32, usize, Vec<u8>) {
        let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        pixels.truncate(info.buffer_size());
        (info.width, info.height, info.color_type.samples(), pixels)
    }

    #[test]
    fn a_png_decodes_back_to_the_same_pixels() {
        for (shape, channels) in [
            (&[3, 5][..], 1),
            (&[3, 5, 1], 1),
            (&[3, 5, 3], 3),
            (&[3, 5, 4], 4),
            (&[1, 1], 1),
        ] {
            let columns = bytes(shape.iter().product(), 3);
            let image = Image::of_column(shape, &columns, 1).unwrap();
            let expected = columns.to_le_bytes(1..2);
            let (height, width) = (shape[0] as u32, shape[1] as u32);
            assert_eq!(
                decoded(&image.to_png()),
                (width, height, channels, expected),
                "{shape:?}"
            );
        }
    }

    #[test]
    fn a_data_uri_holds_the_png() {
        let columns = bytes(12, 1);
        let image = Image::of_column(&[2, 2, 3], &columns, 0).unwrap();
        let uri = image.data_uri();
        let base64 = uri.strip_prefix("data:image/png;base64,").unwrap();
        assert_eq!(BASE64_STANDARD.decode(base64).unwrap(), image.to_png());
    }

    #[test]
    fn only_the_shapes_of_images_are_images() {
        let most = MOST_PIXELS_A_SIDE;
        let refused: [&[usize]; 8] = [
            &[12],
            &[2, 3, 2],
            &[2, 2, 3, 1],
            &[0, 4],
            &[4, 0, 3],
            &[most + 1, 1],
            &[1, most + 1, 3],
            &[],
        ];
        for shape in refused {
            let features = shape.iter().product::<usize>().max(1);
            assert_eq!(Image::of_column(shape, &bytes(features, 1), 0), None, "{shape:?}");
        }
        let largest = bytes(most, 1);
        assert!(Image::of_column(&[1, most], &largest, 0).is_some());
        assert!(Image::of_column(&[most, 1], &largest, 0).is_some());
    }

    #[test]
    fn numbers_that_are_not_bytes_are_no_image() {
        let columns = Columns::new(4, Values::F32(vec![0.5; 4])).unwrap();
        assert_eq!(Image::of_column(&[2, 2], &columns, 0), None);
        let signed = Columns::new(4, Values::I8(vec![1; 4])).unwrap();
        assert_eq!(Image::of_column(&[2, 2], &signed, 0), None);
    }

    #[test]
    fn a_shape_that_is_not_the_columns_or_a_column_that_is_not_there_is_no_image() {
        let columns = bytes(4, 2);
        assert_eq!(Image::of_column(&[2, 3], &columns, 0), None);
        assert_eq!(Image::of_column(&[2, 2], &columns, 2), None);
        assert_eq!(Image::of_column(&[usize::MAX, 2, 3], &columns, 0), None);
    }
}
