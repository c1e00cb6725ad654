#!/usr/bin/env python3
"""Writes src/text/national_tables.rs from gsm0338_national.csv.

    python3 core/data/build_national.py

Run it again when the CSV changes; core/tests/national.rs compares the two.
"""

import csv
import pathlib

HERE = pathlib.Path(__file__).parent
SOURCE = HERE / "gsm0338_national.csv"
TARGET = HERE.parent / "src" / "text" / "national_tables.rs"

HEAD = """\
//! The national language tables [3GPP TS 23.038 annex A]: code -> UTF-16 unit, 0 where there is no
//! character. Written by data/build_national.py. Pure, lives nowhere.

/// 128 codes.
pub(super) type Table = [u16; 128];
"""


def block(name, doc, table):
    lines = [f"\n/// {doc}", "#[rustfmt::skip]", f"pub(super) const {name}: Table = ["]
    for at in range(0, 128, 8):
        units = ", ".join(f"0x{unit:04X}" for unit in table[at : at + 8])
        lines.append(f"    {units},")
    lines.append("];")
    return "\n".join(lines) + "\n"


def main():
    tables = {}
    with SOURCE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            key = (int(row["nli_hex"], 16), row["language"], row["table"])
            table = tables.setdefault(key, [0] * 128)
            if row["unicode_hex"]:
                table[int(row["gsm_hex"], 16)] = int(row["unicode_hex"], 16)
    text = HEAD
    for (_, language, kind), table in sorted(tables.items()):
        what = "locking shift" if kind == "locking" else "single shift"
        text += block(f"{language.upper()}_{kind.upper()}", f"{language}, {what}.", table)
    TARGET.write_text(text, encoding="utf-8")


main()
