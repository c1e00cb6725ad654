#!/usr/bin/env python3
"""Builds regions.csv: prefix,iso2, longest prefix wins, without the types and lengths of numbers.

    python3 build_regions.py numbering.csv countries.csv > regions.csv

Inputs: numbering.csv (prefix,iso2,number_type,lengths; rows without a region say that nothing valid
lies below) and countries.csv (iso2,...,calling_code). Both derive from libphonenumber, see NOTICE.

Every calling code gets one row with its main region. A prefix gets a row of its own when all
numbers in use below it belong to one other region and that is not so for its parent. Numbers that
are in no range take the region around them: ranges open before tables know them.
Deterministic: the same inputs give the same bytes.
"""
import csv, sys

# The main region of the calling codes that several regions share.
MAIN = {"1": "US", "7": "RU", "39": "IT", "44": "GB", "47": "NO", "61": "AU", "212": "MA",
        "262": "RE", "290": "SH", "358": "FI", "590": "GP", "599": "CW"}


def read(path):
    with open(path, newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f))


def main():
    rows = read(sys.argv[1])
    codes = {}
    for row in read(sys.argv[2]):
        codes.setdefault(row["calling_code"], []).append(row["iso2"])
    codes = {code: MAIN.get(code) or regions[0] for code, regions in codes.items()}
    # Codes without a country stand in numbering.csv alone, under region 001.
    for row in rows:
        if row["iso2"] == "001":
            codes.setdefault(row["prefix"][:3], "001")

    own = {}      # prefix -> region of its row, "" for nothing valid, None for several regions
    nodes = set()
    for row in rows:
        prefix, region = row["prefix"], row["iso2"]
        own[prefix] = region if own.get(prefix, region) == region else None
        nodes.update(prefix[:n] for n in range(1, len(prefix) + 1))

    def below(prefix, inherited):
        """The set of regions in use below a prefix (None: cannot be told apart)."""
        here = own.get(prefix, inherited)
        children = [prefix + d for d in "0123456789"]
        found = set()
        if not all(child in nodes for child in children) and here != "":
            found.add(here)
        for child in children:
            if child in nodes:
                found |= below(child, here)
        return found

    out = []

    def emit(prefix, inherited, main, written):
        here = own.get(prefix, inherited)
        regions = below(prefix, inherited)
        if not regions:
            return
        if len(regions) == 1:
            region = next(iter(regions)) or main
            if region != written:
                out.append((prefix, region))
            return
        for digit in "0123456789":
            child = prefix + digit
            if child in nodes:
                emit(child, here, main, written)
            elif here and here != written:
                out.append((child, here))

    for code, main_region in sorted(codes.items()):
        out.append((code, main_region))
        outer = next((own[code[:n]] for n in range(len(code), 0, -1) if code[:n] in own), "")
        emit(code, outer, main_region, main_region)

    out.sort()
    print("prefix,iso2")
    for prefix, region in out:
        print(f"{prefix},{region}")


main()
