//! Workers come and go, hang, are cut off, and are slow; connections alter bytes. The run goes on, and what it prints is,
//! to the last byte, what an undisturbed run prints.

mod matrix;
mod membership;
mod spawned;
mod strangers;
