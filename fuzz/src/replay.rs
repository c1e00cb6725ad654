//! Replays the inputs that are kept for a target. Part of the tests of the crates.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the inputs of a target are.
pub fn corpus(target: &str) -> PathBuf {
    // Every crate that replays is a folder beside this one.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// Runs a target over its inputs in the order of their names; a panic names the last one.
pub fn replay(target: &str, run: fn(&[u8])) {
    let mut inputs: Vec<PathBuf> = fs::read_dir(corpus(target))
        .unwrap_or_else(|error| panic!("{}: {error}", corpus(target).display()))
        .map(|entry| entry.expect("a folder's entry").path())
        .collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "{target} has inputs");
    for input in inputs {
        let octets = fs::read(&input).expect("a file");
        println!("{}", input.display());
        run(&octets);
    }
}
