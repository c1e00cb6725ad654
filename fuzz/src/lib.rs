//! What the fuzz targets do with their input, one function a target. Each panics when something is wrong.
//! The tests of the crates include these files and replay `corpus/`; `scripts/fuzz.sh` looks for more.
#![forbid(unsafe_code)]

pub mod core;
pub mod input;
pub mod replay;
pub mod smpp;
pub mod storage;
