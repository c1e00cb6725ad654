//! The style of the whole workspace as a test: length and header of files, crate edges, calls that
//! only some places may make, where `unsafe` lives, words that do not belong here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 7] = ["core", "smpp", "storage", "http", "shards", "loadgen", "benches"];
const MAX_LINES: usize = 600;

/// Words that have no place in the repository, in two halves so that this file may stay in it.
const FORBIDDEN: [(&str, &str); 3] =
    [("/wo", "rk/"), ("shared/refe", "rence"), ("helper ", "agent")];

/// The only homes of `unsafe`: one file and one folder, and a test whose allocator counts.
const UNSAFE_HOMES: [&str; 3] =
    ["shards/src/ring.rs", "storage/src/io/", "smpp/tests/no_allocation.rs"];
/// The word, in two halves so that this file need not be a home.
const UNSAFE: &str = concat!("un", "safe");

/// Where the operating system may be touched.
const DRIVERS: [&str; 8] = [
    "shards/src/rt/",
    "shards/src/control/",
    "shards/src/commands/",
    "shards/src/main.rs",
    "storage/src/io/",
    "loadgen/",
    "benches/",
    "fuzz/src/replay.rs",
];

/// A call, and what stands in its place.
const BANNED: [(&str, &str); 8] = [
    ("Instant::now", "time is an argument"),
    ("SystemTime::now", "time is an argument: a GuardedWall's reading"),
    ("thread::spawn", "the driver starts threads"),
    ("std::net::TcpStream", "rt::TcpStream"),
    ("std::net::TcpListener", "rt::TcpListener"),
    ("std::net::UdpSocket", "the driver opens sockets"),
    ("ToSocketAddrs", "the driver resolves names"),
    ("std::fs", "storage::io, or a reader given as argument"),
];

struct File {
    /// From the workspace's root, with `/`.
    name: String,
    text: String,
}

impl File {
    /// Numbered lines of production code: no comments, nothing behind `#[cfg(test)]`.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let production = self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
        (1..).zip(production).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_test(&self) -> bool {
        let stem = self.name.trim_end_matches(".rs");
        stem.contains("/tests/") || stem.ends_with("/tests") || stem.ends_with("_tests")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All text files under a folder, in order; build output left out.
fn files(folder: &Path) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name == "target" || name == ".git" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                found.push(File { name, text });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn rust_files() -> Vec<File> {
    let folders = CRATES.iter().chain(&["fuzz"]);
    let mut all: Vec<File> = folders.flat_map(|own| files(&root().join(own))).collect();
    all.retain(|file| file.name.ends_with(".rs"));
    assert!(all.len() > 40, "the workspace is where this test looks");
    all
}

#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn files_are_short() {
    let long = rust_files().into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > MAX_LINES).then(|| format!("{}: {lines} lines, split it", file.name))
    });
    none(&long.collect::<Vec<_>>());
}

#[test]
fn files_say_what_they_own() {
    let silent = rust_files().into_iter().filter_map(|file| {
        let header = file.text.lines().next().unwrap_or_default();
        let says = header.starts_with("//! ") && header.len() > 20;
        (!says)
            .then(|| format!("{}:1: begin with `//!`, what it owns and where it lives", file.name))
    });
    none(&silent.collect::<Vec<_>>());
}

#[test]
fn words_that_do_not_belong_here() {
    let mut problems = Vec::new();
    for file in files(&root()) {
        for (number, line) in (1..).zip(file.text.lines()) {
            let line = line.to_lowercase();
            for (head, tail) in FORBIDDEN {
                if line.contains(&format!("{head}{tail}")) {
                    problems.push(format!("{}:{number}: `{head}{tail}`", file.name));
                }
            }
        }
    }
    none(&problems);
}

/// Whether `word` stands alone in a line of code.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(part_of_word) && !line[at + word.len()..].starts_with(part_of_word)
    })
}

#[test]
fn unsafe_lives_in_its_homes() {
    let mut problems = Vec::new();
    for file in rust_files() {
        if UNSAFE_HOMES.iter().any(|home| file.name.starts_with(home)) {
            continue;
        }
        // In tests too, so all lines count.
        for (number, line) in (1..).zip(file.text.lines()) {
            let code = line.split("//").next().unwrap_or_default();
            if has_word(code, UNSAFE) {
                problems.push(format!("{}:{number}: {}", file.name, line.trim()));
            }
        }
    }
    none(&problems);
}

#[test]
fn only_drivers_touch_the_operating_system() {
    let mut problems = Vec::new();
    for file in rust_files() {
        if file.is_test() || DRIVERS.iter().any(|home| file.name.starts_with(home)) {
            continue;
        }
        for (number, line) in file.code() {
            for (call, instead) in BANNED {
                if touches(line, call) {
                    problems.push(format!("{}:{number}: `{call}`: {instead}", file.name));
                }
            }
        }
    }
    none(&problems);
}

/// Whether a line names a banned item, also from inside a `use` group.
fn touches(line: &str, call: &str) -> bool {
    if line.contains(call) {
        return true;
    }
    match call.rsplit_once("::") {
        Some((module @ "std::net", item)) => {
            line.contains(&format!("{module}::{{")) && has_word(line, item)
        }
        _ => false,
    }
}

#[test]
fn the_table_is_about_the_manifests() {
    let mut problems = Vec::new();
    let table = edges();
    for folder in CRATES {
        let name = format!("postrider-{folder}");
        let written = table.iter().find(|(own, _)| *own == name).map(|(_, edges)| edges.clone());
        let real = manifest(folder);
        if written.as_ref() != Some(&real) {
            problems.push(format!(
                "{name}: ARCHITECTURE.md says {written:?}, {folder}/Cargo.toml says {real:?}"
            ));
        }
    }
    assert_eq!(table.len(), CRATES.len(), "a row for every crate: {table:?}");
    none(&problems);
}

/// The rows of the table in ARCHITECTURE.md.
fn edges() -> Vec<(String, BTreeSet<String>)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let table = text
        .split_once("<!-- crate edges -->")
        .and_then(|(_, rest)| rest.split_once("<!-- /crate edges -->"))
        .expect("the marks of the table")
        .0;
    let rows = table.lines().filter(|line| line.starts_with("| postrider-"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let edges = cells[1].split(',').map(str::trim).filter(|edge| *edge != "-");
        (cells[0].to_owned(), edges.map(str::to_owned).collect())
    })
    .collect()
}

/// What a crate depends on of ours, in production and on every target.
fn manifest(folder: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = text.parse().unwrap();
    let mut found = ours(manifest.get("dependencies"));
    for target in manifest.get("target").and_then(toml::Value::as_table).into_iter().flatten() {
        found.extend(ours(target.1.get("dependencies")));
    }
    found
}

fn ours(dependencies: Option<&toml::Value>) -> BTreeSet<String> {
    let names =
        dependencies.and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
    names.filter(|name| name.starts_with("postrider-")).cloned().collect()
}

#[test]
fn the_checks_see() {
    assert!(has_word(&format!("let x = {UNSAFE} {{ y }};"), UNSAFE));
    assert!(!has_word("#![forbid(unsafe_code)]", UNSAFE));
    assert!(touches("use std::net::{IpAddr, TcpStream};", "std::net::TcpStream"));
    assert!(!touches("use std::net::{IpAddr, SocketAddr};", "std::net::TcpStream"));
    assert!(touches("let now = std::time::Instant::now();", "Instant::now"));
    let text = String::from("//! x\nfn a() {}\n// b\n#[cfg(test)]\nmod tests {}\n");
    let file = File { name: String::from("core/src/a.rs"), text };
    assert_eq!(file.code().collect::<Vec<_>>(), [(2, "fn a() {}")]);
}
