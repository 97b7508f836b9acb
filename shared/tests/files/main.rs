//! Data sets and models in files: what is read back, and what is said of every file that is wrong.

mod data_digest;
mod dataset_errors;
mod demo_images;
mod hostile_files;
mod model_errors;
mod models;
mod round_trips;
mod support;
