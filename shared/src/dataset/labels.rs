//! Y: one label per example, 0 or 1, whatever type of number the file holds.

use super::reading::Stored;
use super::{DatasetError, Place};

/// Reads the labels of the `m` examples of `x`.
///
/// # Errors
///
/// [`DatasetError`] if they are no numbers, are not `m`, or one is neither 0 nor 1.
pub(super) fn read(y: &Stored, x: &Place, m: usize) -> Result<Vec<u8>, DatasetError> {
    let place = || y.place.clone();
    if !y.stored_type.is_numeric() {
        return Err(DatasetError::LabelType {
            place: place(),
            found: y.stored_type.clone(),
        });
    }
    let y_count = match y.shape[..] {
        [count] | [count, 1] => count,
        _ => {
            let shape = y.shape.clone();
            return Err(DatasetError::LabelShape {
                place: place(),
                shape,
                m,
            });
        }
    };
    if y_count != m {
        return Err(DatasetError::Lengths {
            file: x.file.clone(),
            x: x.dataset.clone(),
            x_count: m,
            y: y.place.dataset.clone(),
            y_count,
        });
    }
    y.check_plausible()?;
    let mut labels = Vec::new();
    for rows in y.pieces(size_of::<f64>()) {
        // Every type of number converts to f64, and none that is not 0 or 1 becomes so.
        for value in y.read_rows::<f64>(rows)? {
            if value != 0.0 && value != 1.0 {
                let example = labels.len();
                return Err(DatasetError::Label {
                    place: place(),
                    value,
                    example,
                });
            }
            labels.push(value as u8);
        }
    }
    Ok(labels)
}
