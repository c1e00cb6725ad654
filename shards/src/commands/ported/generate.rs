//! `postrider ported generate`: a full file of made-up ported numbers. On the main thread.

use std::fmt::Write as _;
use std::io::{self, BufWriter, ErrorKind, Write};

use clap::ValueEnum;
use postrider_core::ported::{Generated, Layout};

use crate::commands::lines::complain;
use crate::exit;

/// Write a full file of made-up ported numbers to standard output
///
/// All numbers differ, and the same arguments give the same file. Nothing is kept in memory, so any
/// count will do.
#[derive(Debug, clap::Args)]
pub(super) struct GenerateArgs {
    /// How many numbers
    #[arg(long, value_name = "N")]
    numbers: u64,
    /// What all begin with
    #[arg(long, default_value_t = 44, value_parser = clap::value_parser!(u64).range(1..1_000))]
    calling_code: u64,
    /// Digits of a number, calling code included
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u8).range(7..=15))]
    digits: u8,
    /// Operators in all; a block of 10,000 numbers has up to 8 of them
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=900))]
    operators: u16,
    /// How densely blocks of 10,000 are filled
    #[arg(long, value_enum, default_value_t = LayoutArg::Clustered)]
    layout: LayoutArg,
    /// Other numbers for another seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When the file says that it was true
    #[arg(long, default_value = "2026-01-01T00:00:00Z", value_name = "TIME")]
    as_of: String,
}

#[derive(Copy, Clone, Debug, ValueEnum)]
enum LayoutArg {
    /// 1 to 30 % of each
    Clustered,
    /// 1 % of each
    Thin,
}

pub(super) fn run(args: &GenerateArgs) -> i32 {
    let layout = match args.layout {
        LayoutArg::Clustered => Layout::Clustered,
        LayoutArg::Thin => Layout::Thin,
    };
    let GenerateArgs { calling_code, digits, numbers, operators, seed, .. } = *args;
    let all = Generated::new(calling_code, digits, numbers, operators, (layout, seed));
    let Some(all) = all else {
        complain("--digits leaves no blocks of 10,000 behind the calling code");
        return exit::USAGE;
    };
    match write(args, all) {
        Ok(written) if written == numbers => exit::OK,
        Ok(written) => {
            complain(&format!("there are only {written} numbers of that kind"));
            exit::FAILED
        }
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit::OK,
        Err(error) => {
            complain(&format!("standard output: {error}"));
            exit::FAILED
        }
    }
}

fn write(args: &GenerateArgs, all: Generated) -> io::Result<u64> {
    let mut output = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    writeln!(output, "# as_of: {}\n# sequence: 1\n# source: made up", args.as_of)?;
    writeln!(output, "number,mcc,mnc")?;
    let mut line = String::new();
    let mut written = 0;
    for (number, operator) in all {
        line.clear();
        // A string takes everything.
        writeln!(line, "{number},999,{:03}", operator + 1).ok();
        output.write_all(line.as_bytes())?;
        written += 1;
    }
    output.flush()?;
    Ok(written)
}
