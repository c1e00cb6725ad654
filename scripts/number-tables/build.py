#!/usr/bin/env python3
"""Builds numbering.csv, operator_prefixes.csv and operators.csv, and brings countries.csv up to date.

    python3 -m venv v && v/bin/pip install phonenumbers==9.0.43
    apt-get install mobile-broadband-provider-info        # 20230416-1
    v/bin/python build.py --mbpi /usr/share/mobile-broadband-provider-info/serviceproviders.xml \\
        --aliases operator_aliases.csv --out ../../core/data

Inputs: the `phonenumbers` package (Apache-2.0; metadata of libphonenumber), the list
mobile-broadband-provider-info (public domain), operator_aliases.csv (our own), and of the
countries.csv that is there the columns that no package has: name, mccs, and `mnp` where the
package has no flag. Deterministic: the same inputs give the same bytes. Afterwards build
regions.csv with core/data/build_regions.py, set the days in core/data/sources.csv, and look at the
difference: one that moves more than a row in a hundred wants a second look.

The prefix tables are over the full international number without "+", the longest prefix wins. A
row that its longest shorter prefix already implies is left out. In numbering.csv the length is
part of the key.
"""
import argparse, collections, csv, os, re, sys, unicodedata
import xml.etree.ElementTree as ET
import phonenumbers as pn
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType, COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.carrierdata import CARRIER_DATA

# libphonenumber's own order of tests in number_type(); fixed and mobile come last.
TYPES = ["premium_rate", "toll_free", "shared_cost", "voip", "personal_number",
         "pager", "uan", "voicemail", "fixed_line", "mobile"]

# ---------- regular expressions over digits -> deterministic automata ----------

class Nfa:
    """Thompson construction for the small dialect the metadata uses."""
    def __init__(self, pattern):
        self.eps, self.on = [], []
        self.p, self.i = pattern, 0
        self.start, self.end = self.alt()
        assert self.i == len(self.p), (pattern, self.i)

    def state(self):
        self.eps.append([]); self.on.append([])
        return len(self.eps) - 1

    def alt(self):
        s, e = self.state(), self.state()
        while True:
            a, b = self.seq()
            self.eps[s].append(a); self.eps[b].append(e)
            if self.i < len(self.p) and self.p[self.i] == "|":
                self.i += 1
                continue
            return s, e

    def seq(self):
        s = e = self.state()
        while self.i < len(self.p) and self.p[self.i] not in "|)":
            at = self.i
            lo, hi = self.quantifier(self.skip_atom())
            end = self.i
            for k in range(hi):
                self.i = at
                a, b = self.atom()
                self.eps[e].append(a)
                if k >= lo:
                    self.eps[a].append(b)
                e = b
            self.i = end
        return s, e

    def skip_atom(self):
        c = self.p[self.i]
        if c == "(":
            depth, j = 0, self.i
            while True:
                depth += {"(": 1, ")": -1}.get(self.p[j], 0)
                j += 1
                if depth == 0:
                    return j
        if c == "[":
            return self.p.index("]", self.i) + 1
        return self.i + (2 if c == "\\" else 1)

    def quantifier(self, j):
        self.i = j
        if j < len(self.p) and self.p[j] == "?":
            self.i = j + 1
            return 0, 1
        if j < len(self.p) and self.p[j] == "{":
            k = self.p.index("}", j)
            self.i = k + 1
            parts = self.p[j + 1:k].split(",")
            return int(parts[0]), int(parts[-1])
        return 1, 1

    def atom(self):
        c = self.p[self.i]
        if c == "(":
            self.i += 3 if self.p.startswith("(?:", self.i) else 1
            a, b = self.alt()
            self.i += 1
            return a, b
        a, b = self.state(), self.state()
        if c == "[":
            k = self.p.index("]", self.i)
            body, self.i = self.p[self.i + 1:k], k + 1
            digits, j = set(), 0
            while j < len(body):
                if j + 2 < len(body) and body[j + 1] == "-":
                    digits |= set(range(int(body[j]), int(body[j + 2]) + 1)); j += 3
                else:
                    digits.add(int(body[j])); j += 1
        elif c == "\\":
            assert self.p[self.i + 1] == "d"
            digits, self.i = set(range(10)), self.i + 2
        else:
            digits, self.i = {int(c)}, self.i + 1
        self.on[a].append((frozenset(digits), b))
        return a, b

    def close(self, states):
        out, todo = set(states), list(states)
        while todo:
            for t in self.eps[todo.pop()]:
                if t not in out:
                    out.add(t); todo.append(t)
        return frozenset(out)


class Lang:
    """One pattern with its allowed lengths: lazily determinised, residuals memoised."""
    def __init__(self, pattern, lengths, prefix_only=False):
        self.nfa, self.lengths, self.prefix_only = Nfa(pattern), frozenset(lengths), prefix_only
        self.memo, self.uni = {}, {}
        self.init = self.nfa.close([self.nfa.start])

    def step(self, st, d):
        if self.prefix_only and self.nfa.end in st:
            return st
        key = (st, d)
        if key not in self.memo:
            self.memo[key] = self.nfa.close([t for s in st for ds, t in self.nfa.on[s] if d in ds])
        return self.memo[key]

    def uniform(self, st):
        """The set of remaining lengths if every digit string of them is accepted, else None."""
        if st not in self.uni:
            self.uni[st] = None
            if self.prefix_only and self.nfa.end in st:
                self.uni[st] = "all"
            elif not st:
                self.uni[st] = frozenset()
            else:
                kids = {self.uniform(self.step(st, d)) for d in range(10)}
                if len(kids) == 1 and None not in kids:
                    k = kids.pop()
                    here = {0} if self.nfa.end in st else set()
                    self.uni[st] = k if k == "all" else frozenset(here | {n + 1 for n in k})
        return self.uni[st]


def region_langs(region, national):
    md = (PhoneMetadata.metadata_for_nongeo_region(int(region)) if region.isdigit()
          else PhoneMetadata.metadata_for_region(region))
    out = {}
    gen = md.general_desc
    out["general"] = Lang(gen.national_number_pattern, gen.possible_length)
    if md.leading_digits:
        out["leading"] = Lang(md.leading_digits, range(1, 18), prefix_only=True)
    for t in TYPES:
        desc = getattr(md, t)
        if desc and desc.national_number_pattern and desc.national_number_pattern != "NA":
            out[t] = Lang(desc.national_number_pattern, desc.possible_length or gen.possible_length)
    out["flom"] = md.mobile and md.fixed_line and (
        md.mobile.national_number_pattern == md.fixed_line.national_number_pattern)
    return out


def classify(lens_by, flom):
    """{remaining length: type} for one region at a node where every residual is uniform."""
    result = {}
    for n in lens_by["general"]:
        found = None
        for t in TYPES[:-2]:
            if n in lens_by.get(t, ()):
                found = t.upper(); break
        if not found:
            fixed = n in lens_by.get("fixed_line", ())
            mobile = n in lens_by.get("mobile", ())
            if fixed and (flom or mobile):
                found = "FIXED_LINE_OR_MOBILE"
            elif fixed:
                found = "FIXED_LINE"
            elif mobile and not flom:
                found = "MOBILE"
        if found:
            result[n] = found
    return result


def numbering():
    """{prefix: {total length: (region, type)}} with disjoint prefixes."""
    table = {}
    sys.setrecursionlimit(10000)
    for cc, regions in sorted(COUNTRY_CODE_TO_REGION_CODE.items()):
        names = [str(cc) if r == "001" else r for r in regions]
        langs = [(("001" if r == "001" else r), region_langs(n, cc)) for r, n in zip(regions, names)]
        cc = str(cc)

        def walk(prefix, nodes):
            # nodes: list of (region, flom, {type: (lang, state)})
            live, all_uniform = [], True
            for region, flom, m in nodes:
                lens, gone = {}, False
                for t, (lang, st) in m.items():
                    u = lang.uniform(st)
                    lens[t] = u
                if lens["general"] == frozenset():
                    continue
                if "leading" in lens and lens["leading"] == frozenset():
                    continue
                if not any(lens.get(t) != frozenset() for t in TYPES if t in lens):
                    continue
                if any(u is None for u in lens.values()):
                    all_uniform = False
                live.append((region, flom, m, lens))
            if not live:
                return {}
            if all_uniform:
                out = {}
                used = len(prefix)
                for region, flom, m, lens in live:
                    cut = {}
                    for t, u in lens.items():
                        if t != "leading":
                            cut[t] = {n for n in u if n + used in m[t][0].lengths}
                    for n, typ in classify(cut, flom).items():
                        out.setdefault(len(cc) + used + n, (region, typ))
                return {cc + prefix: out} if out else {}
            got, kids = {}, []
            for d in range(10):
                sub = walk(prefix + str(d), [(r, f, {t: (l, l.step(s, d)) for t, (l, s) in m.items()})
                                             for r, f, m, _ in live])
                kids.append(sub.get(cc + prefix + str(d)) if len(sub) == 1 else None)
                got.update(sub)
            if all(k is not None and k == kids[0] for k in kids):
                return {cc + prefix: kids[0]}
            return got

        roots = [(r, m["flom"], {t: (l, l.init) for t, l in m.items() if t != "flom"}) for r, m in langs]
        table.update(walk("", roots))
    return table

# ---------- longest-prefix compression ----------

def drop_implied(table):
    """Rows whose value equals that of their longest proper prefix in the table."""
    out = {}
    for p in sorted(table, key=lambda x: (len(x), x)):
        up = next((out[p[:k]] for k in range(len(p) - 1, 0, -1) if p[:k] in out), None)
        if up != table[p]:
            out[p] = table[p]
    return out


def optimal(table):
    """Fewest rows with the same longest-prefix answers (ORTC over ten digits).

    `table` maps disjoint prefixes to values; every string outside them has value None.
    """
    tree = lambda: {"kids": {}, "val": None}
    root = tree()
    for p, v in table.items():
        n = root
        for c in p:
            n = n["kids"].setdefault(c, tree())
        n["val"] = v

    def up(n):
        if not n["kids"]:
            n["set"] = {n["val"]}
            return
        count = collections.Counter()
        for c in "0123456789":
            k = n["kids"].get(c)
            if k is None:
                count[None] += 1
            else:
                up(k)
                for v in k["set"]:
                    count[v] += 1
        top = max(count.values())
        n["set"] = {v for v, k in count.items() if k == top}

    rows = {}

    def down(n, prefix, inherited):
        if inherited not in n["set"] or (prefix == "" and inherited is not None):
            inherited = sorted(n["set"], key=repr)[0]
            rows[prefix] = inherited
        if n["kids"]:
            for c in "0123456789":
                k = n["kids"].get(c)
                if k is None:
                    if inherited is not None:
                        rows[prefix + c] = None
                else:
                    down(k, prefix + c, inherited)

    up(root)
    root["set"] = {None}          # the empty prefix never carries a value
    down(root, "", None)
    return rows

# ---------- operators ----------

LEGAL = set("""ltd limited inc llc co corp corporation company sa s.a sas sarl gmbh ag bv nv as ab oy plc
spa srl sp zoo ooo pjsc ojsc jsc pvt pty doo ad kft zrt group holding holdings the de of and""".split())
GENERIC = set("""mobile mobil movil moviles telecom telecoms telecommunications telekom telekomunikasi
communications communication comunicaciones cellular celular wireless network networks gsm lte
telephone telefon telephony services service international digital""".split())


def tokens(name, country, generic):
    s = unicodedata.normalize("NFKD", name.lower())
    s = "".join(c for c in s if not unicodedata.combining(c)).replace("&", " and ")
    s = re.sub(r"\(.*?\)", " ", s)
    ts = re.findall(r"[a-z0-9+]+", s)
    drop = LEGAL | (GENERIC if generic else set()) | set(re.findall(r"[a-z]+", country.lower()))
    kept = [t for t in ts if t not in drop]
    return kept or ts


def keys(name, country):
    full = "".join(tokens(name, country, False))
    brand = "".join(tokens(name, country, True))
    return full, brand


def load_mbpi(path):
    """{iso2: [(names, [(mcc, mnc), ..])]} in file order."""
    out = collections.defaultdict(list)
    for c in ET.parse(path).getroot().findall("country"):
        iso = c.get("code").upper()
        for p in c.findall("provider"):
            names = [n.text.strip() for n in p.findall("name") if n.text]
            nets = []
            for g in p.findall("gsm"):
                for n in g.findall("network-id"):
                    nets.append((n.get("mcc"), n.get("mnc")))
            if names and nets:
                out[iso].append((names, nets))
    return out


def load_aliases(path):
    out = {}
    with open(path, newline="", encoding="utf-8") as f:
        for r in csv.DictReader(l for l in f if not l.startswith("#")):
            out[(r["iso2"], r["operator"])] = r
    return out


def match_operators(names, mbpi, aliases, country_name):
    """names: {(iso2, operator)} -> rows."""
    rows = {}
    sisters = {r: [x for x in rs if x != r] for cc, rs in COUNTRY_CODE_TO_REGION_CODE.items()
               if cc != 1 and len(rs) > 1 for r in rs}
    for iso, op in sorted(names):
        a = aliases.get((iso, op))
        if a:
            rows[(iso, op)] = (a["mcc"], a["mnc"], "alias", "own", "")
            continue
        cname = country_name.get(iso, "")
        full, brand = keys(op, cname)
        hits, how = [], "none"
        for level in (0, 1):
            for pnames, nets in mbpi.get(iso, []):
                for n in pnames:
                    k = keys(n, cname)
                    if (k[0] == full) if level == 0 else (k[1] == brand and len(brand) > 1):
                        hits += [x for x in nets if x not in hits]
            if hits:
                how = "exact" if level == 0 else "brand"
                break
        if not hits:
            # Regions that share a calling code and an MCC (GB with JE, GG, IM): same full name there.
            own = {mcc for _, nets in mbpi.get(iso, []) for mcc, _ in nets}
            for other in sisters.get(iso, ()):
                for pnames, nets in mbpi.get(other, []):
                    if any(keys(n, country_name.get(other, ""))[0] == full for n in pnames):
                        hits += [x for x in nets if x[0] in own and x not in hits]
            if hits:
                how = "exact"
        if hits:
            mcc, mnc = hits[0]
            rows[(iso, op)] = (mcc, mnc, how, "mbpi", "|".join("%s-%s" % h for h in hits[1:]))
        else:
            rows[(iso, op)] = ("", "", "none", "", "")
    return rows


# ---------- countries ----------

COUNTRY_COLUMNS = ("iso2", "name", "calling_code", "mccs", "mnp", "trunk_prefix", "keeps_zero")


def examples(region):
    """The metadata's example mobile and fixed number of a region."""
    found = (pn.example_number_for_type(region, k) for k in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE))
    return [n for n in found if n is not None]


def trunk_prefix(region):
    """What stands before the national number in the metadata's own national format."""
    for n in examples(region):
        own = pn.national_significant_number(n)
        national = re.sub(r"\D", "", pn.format_number(n, PhoneNumberFormat.NATIONAL))
        if national.endswith(own) and national != own:
            return national[:-len(own)]
        if national.endswith(own):
            break
    # Formats that leave the prefix out (the +1 area) still have one to dial.
    return PhoneMetadata.metadata_for_region(region).national_prefix or ""


def countries(known):
    for region in sorted(pn.SUPPORTED_REGIONS):
        own = known.get(region, {"name": region, "mccs": "", "mnp": ""})
        flag = PhoneMetadata.metadata_for_region(region).mobile_number_portable_region
        zero = any(pn.national_significant_number(n).startswith("0") for n in examples(region))
        yield (region, own["name"], pn.country_code_for_region(region), own["mccs"],
               "yes" if flag else own["mnp"], trunk_prefix(region), "yes" if zero else "")


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        w = csv.writer(f, lineterminator="\n")
        w.writerow(header)
        w.writerows(rows)
    print("%-16s %7d rows %9d bytes" % (os.path.basename(path), len(rows), os.path.getsize(path)))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--mbpi", required=True)
    ap.add_argument("--aliases", required=True)
    ap.add_argument("--out", required=True, help="the folder with countries.csv")
    a = ap.parse_args()
    here = lambda n: os.path.join(a.out, n)

    types = numbering()
    # numbering.csv: one compressed table; the value is the whole {length: (region, type)} map.
    as_value = {p: "|".join("%d:%s:%s" % (n, r, t) for n, (r, t) in sorted(v.items())) for p, v in types.items()}
    small = optimal(as_value)
    rows = []
    for p in sorted(small):
        if small[p] is None:
            rows.append((p, "", "", ""))
            continue
        by = collections.OrderedDict()
        for item in small[p].split("|"):
            n, r, t = item.split(":")
            by.setdefault((r, t), []).append(n)
        for (r, t), ns in by.items():
            rows.append((p, r, t, "|".join(ns)))
    write(here("numbering.csv"), ("prefix", "iso2", "number_type", "lengths"), rows)

    # Which region a carrier prefix lies in.
    ordered = sorted(types)
    import bisect
    def region_of(p):
        for k in range(len(p), 0, -1):
            if p[:k] in types:
                return sorted({r for r, _ in types[p[:k]].values()})[0]
        i = bisect.bisect_left(ordered, p)
        seen = collections.Counter()
        while i < len(ordered) and ordered[i].startswith(p):
            for r, t in types[ordered[i]].values():
                seen[r] += 1 + (1000 if "MOBILE" in t else 0)
            i += 1
        return seen.most_common(1)[0][0] if seen else ""
    with open(here("countries.csv"), newline="", encoding="utf-8") as f:
        known = {r["iso2"]: r for r in csv.DictReader(f)}
    country_name = {region: r["name"] for region, r in known.items()}
    carriers = {}
    for p, names in CARRIER_DATA.items():
        n = names.get("en")
        if n:
            carriers[p] = (region_of(p), n.strip())
    carriers = {p: v for p, v in carriers.items() if v[0]}
    carriers = drop_implied(carriers)
    ops = match_operators(set(carriers.values()), load_mbpi(a.mbpi), load_aliases(a.aliases), country_name)
    ids = {k: i + 1 for i, k in enumerate(sorted(ops))}
    write(here("operators.csv"), ("operator_id", "iso2", "operator", "mcc", "mnc", "match", "source", "other_mccmnc"),
          [(ids[k], k[0], k[1]) + ops[k] for k in sorted(ops)])
    write(here("operator_prefixes.csv"), ("prefix", "operator_id"), [(p, ids[v]) for p, v in sorted(carriers.items())])

    write(here("countries.csv"), COUNTRY_COLUMNS, list(countries(known)))


if __name__ == "__main__":
    main()
