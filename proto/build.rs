//! Generates the messages of `trainer.proto`, without protoc. The service is `src/grpc`'s, so no code is made for it.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=trainer.proto");
    let descriptors = protox::compile(["trainer.proto"], ["."])?;
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("trainer.bin"), descriptors.encode_to_vec())?;
    // Tensors are `bytes::Bytes`: a received chunk is a view of the received frame, not a copy.
    prost_build::Config::new().bytes(["."]).compile_fds(descriptors)?;
    Ok(())
}
