//! A packed table from scrambled numbers to small values: one cache line holds a dozen or more, a
//! look-up reads one line and sometimes a second one. Pure, lives nowhere; the lines are borrowed
//! from whoever mapped them.
//!
//! The high bits of a scrambled number choose its first line. Its lowest bits, the tag, tell it from
//! all others of that line, so nothing is ever mistaken. A number for which its first line has no
//! room lies in the line's partner, which follows from line and tag alone; the first line then says
//! that it has overflowed. First lines and partners lie in the same stretch, so that a table can be
//! made one stretch at a time.

/// Octets of a line: a cache line.
pub const LINE: usize = 64;

/// One line: slots from its beginning on; the last octet says whether it has overflowed.
pub type Line = [u8; LINE];

/// The last octet of a line from which numbers had to go to their partners.
pub(super) const OVERFLOWED: u8 = 1;

/// Widths of a slot, octets.
const SLOT_BYTES: core::ops::RangeInclusive<u8> = 2..=8;
/// How full a new table is, in per mille of its slots: so about one line in five overflows.
const FULL: u64 = 830;
/// Lines of a stretch, as a power of two.
const STRETCH_BITS: [u32; 2] = [6, 16];
/// Stretches of a table that is large enough for more than the smallest ones.
const STRETCHES: u64 = 32;
/// Lines of a table at most: 128 GiB.
const LINES_MAX: u64 = 1 << 31;

/// How the numbers of one table are packed. It stands in the table's header.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bits of a scrambled number.
    pub key_bits: u32,
    /// Its lowest bits, which a slot keeps.
    pub tag_bits: u32,
    /// Bits of a value.
    pub value_bits: u32,
    /// Octets of a slot: tag, one bit for "in the partner", value.
    pub slot_bytes: u8,
    /// Lines of a stretch, as a power of two.
    pub stretch_bits: u32,
    /// All lines: whole stretches.
    pub lines: u64,
}

/// Where a number may lie, and what its slot begins with.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) partner: u64,
    pub(super) tag: u64,
}

impl Shape {
    /// The smallest table for `count` numbers of `key_bits` bits with values up to `highest`.
    /// `spare` adds so many per mille of lines. `None`: that many numbers do not fit any.
    #[must_use]
    pub fn choose(count: u64, key_bits: u32, highest: u32, spare: u64) -> Option<Shape> {
        let value_bits = (u32::BITS - highest.leading_zeros()).max(1);
        let shapes = SLOT_BYTES.filter_map(|slot_bytes| {
            let room = u64::from(slots_of(slot_bytes)) * FULL;
            let by_count = count.checked_mul(1_000)?.div_ceil(room);
            let tag_most = (u32::from(slot_bytes) * 8).checked_sub(value_bits + 1)?;
            // With fewer lines a tag would not tell a line's numbers apart.
            let by_tag = 1u64.checked_shl(key_bits.saturating_sub(tag_most))?;
            let wanted = by_count.max(by_tag);
            let wanted = wanted.checked_add(wanted.checked_mul(spare)?.div_ceil(1_000))?;
            let stretch_bits = stretch_bits(wanted);
            let lines = wanted.max(1).next_multiple_of(1 << stretch_bits);
            let tag_bits = tag_bits(key_bits, lines);
            let shape = Shape { key_bits, tag_bits, value_bits, slot_bytes, stretch_bits, lines };
            shape.is_sound().then_some(shape)
        });
        shapes.min_by_key(|shape| shape.lines)
    }

    /// Whether a table may have this shape: what a header says is not believed before.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let [least, most] = STRETCH_BITS;
        SLOT_BYTES.contains(&self.slot_bytes)
            && (16..=50).contains(&self.key_bits)
            && (1..=32).contains(&self.value_bits)
            && (least..=most).contains(&self.stretch_bits)
            && (1..=LINES_MAX).contains(&self.lines)
            && self.lines.trailing_zeros() >= self.stretch_bits
            && self.tag_bits == tag_bits(self.key_bits, self.lines)
            && self.tag_bits + 1 + self.value_bits <= u32::from(self.slot_bytes) * 8
    }

    /// Slots of a line.
    #[must_use]
    pub fn slots(&self) -> u32 {
        slots_of(self.slot_bytes)
    }

    /// Octets of all lines.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.lines * 64
    }

    /// How many stretches it has.
    #[must_use]
    pub fn stretches(&self) -> u64 {
        self.lines >> self.stretch_bits
    }

    /// The stretch in which a scrambled number lies. Higher numbers never lie in an earlier one.
    #[must_use]
    pub fn stretch_of(&self, spread: u64) -> u64 {
        self.line_of(spread) >> self.stretch_bits
    }

    fn line_of(&self, spread: u64) -> u64 {
        let line = (u128::from(spread) * u128::from(self.lines)) >> self.key_bits;
        u64::try_from(line).unwrap_or(u64::MAX)
    }

    /// The scrambled number with this tag whose first line is `line`.
    pub(super) fn spread(&self, line: u64, tag: u64) -> u64 {
        let first = (u128::from(line) << self.key_bits).div_ceil(u128::from(self.lines));
        let first = u64::try_from(first).unwrap_or(u64::MAX);
        first.wrapping_add(tag.wrapping_sub(first) & self.tag_mask())
    }

    /// The other line of a number with this tag. It is its own inverse.
    pub(super) fn partner(&self, line: u64, tag: u64) -> u64 {
        let others = (1u64 << self.stretch_bits) - 1;
        let mixed = tag.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> u32::BITS;
        line ^ (1 + ((mixed * others) >> u32::BITS))
    }

    pub(super) fn place(&self, spread: u64) -> Place {
        let (line, tag) = (self.line_of(spread), spread & self.tag_mask());
        Place { line, partner: self.partner(line, tag), tag }
    }

    fn tag_mask(&self) -> u64 {
        (1 << self.tag_bits) - 1
    }

    fn value_mask(&self) -> u64 {
        (1 << self.value_bits) - 1
    }

    /// What a slot holds: tag, whether it is in the partner, value.
    pub(super) fn pack(&self, tag: u64, partner: bool, value: u32) -> u64 {
        tag | u64::from(partner) << self.tag_bits | u64::from(value) << (self.tag_bits + 1)
    }

    /// The reverse of `pack`; `None` for an empty slot.
    pub(super) fn unpack(&self, slot: u64) -> Option<(u64, bool, u32)> {
        let value = u32::try_from((slot >> (self.tag_bits + 1)) & self.value_mask()).ok()?;
        let partner = slot >> self.tag_bits & 1 == 1;
        (value != 0).then_some((slot & self.tag_mask(), partner, value))
    }

    /// The value in a line of the number with this tag; 0 for none.
    fn scan(&self, line: &Line, tag: u64, partner: bool) -> u64 {
        let wanted = tag | u64::from(partner) << self.tag_bits;
        let scan = match self.slot_bytes {
            2 => scan::<2>,
            3 => scan::<3>,
            4 => scan::<4>,
            5 => scan::<5>,
            6 => scan::<6>,
            7 => scan::<7>,
            _ => scan::<8>,
        };
        scan(line, wanted, self.tag_bits + 1) & self.value_mask()
    }
}

fn slots_of(slot_bytes: u8) -> u32 {
    63 / u32::from(slot_bytes.max(1))
}

fn stretch_bits(lines: u64) -> u32 {
    let [least, most] = STRETCH_BITS;
    (lines / STRETCHES).checked_ilog2().unwrap_or(0).clamp(least, most)
}

/// Bits that tell the scrambled numbers of one line apart.
fn tag_bits(key_bits: u32, lines: u64) -> u32 {
    let numbers = 1u64.checked_shl(key_bits).unwrap_or(u64::MAX).div_ceil(lines.max(1));
    u64::BITS - (numbers - 1).leading_zeros()
}

/// All slots of `W` octets are compared, so that the loop has no branch to mispredict; at most one
/// of them matches, and an empty one adds nothing.
fn scan<const W: usize>(line: &Line, wanted: u64, below: u32) -> u64 {
    let mask = (1u64 << below) - 1;
    let slots = line.as_chunks::<W>().0.iter().take(63 / W);
    slots.fold(0, |found, slot| {
        let slot = read(slot);
        found | if slot & mask == wanted { slot >> below } else { 0 }
    })
}

/// A slot as an integer, its first octet lowest.
pub(super) fn read(slot: &[u8]) -> u64 {
    slot.iter().rev().fold(0, |value, octet| value << 8 | u64::from(*octet))
}

/// Lines and how they are packed.
#[derive(Copy, Clone, Debug)]
pub struct Lines<'t> {
    shape: Shape,
    lines: &'t [Line],
}

impl<'t> Lines<'t> {
    /// `bytes` must hold all lines of the shape; those that are missing hold nothing.
    #[must_use]
    pub fn new(shape: Shape, bytes: &'t [u8]) -> Lines<'t> {
        Lines { shape, lines: bytes.as_chunks::<LINE>().0 }
    }

    /// The value of a scrambled number.
    #[must_use]
    pub fn find(&self, spread: u64) -> Option<u32> {
        let place = self.shape.place(spread);
        self.finish(&place, self.line(place.line)?)
    }

    /// The values of many scrambled numbers. The first lines of all are asked for before the first
    /// one is looked at, so that they come from memory together.
    #[must_use]
    pub fn find_batch<const N: usize>(&self, spreads: &[Option<u64>; N]) -> [Option<u32>; N] {
        let places = spreads.map(|spread| spread.map(|spread| self.shape.place(spread)));
        let firsts = places.map(|place| self.line(place?.line));
        // Reading an octet of each starts its way into the cache.
        let overflowed = firsts.map(|line| line.map_or(0, overflow));
        let mut found = [None; N];
        let each = places.into_iter().zip(firsts).zip(overflowed).zip(&mut found);
        for (((place, line), overflowed), out) in each {
            let (Some(place), Some(line)) = (place, line) else { continue };
            *out = value(self.shape.scan(line, place.tag, false));
            if out.is_none() && overflowed != 0 {
                *out = self.in_partner(&place);
            }
        }
        found
    }

    fn finish(&self, place: &Place, line: &Line) -> Option<u32> {
        value(self.shape.scan(line, place.tag, false))
            .or_else(|| if overflow(line) == 0 { None } else { self.in_partner(place) })
    }

    fn in_partner(&self, place: &Place) -> Option<u32> {
        value(self.shape.scan(self.line(place.partner)?, place.tag, true))
    }

    fn line(&self, at: u64) -> Option<&'t Line> {
        self.lines.get(usize::try_from(at).ok()?)
    }
}

fn value(found: u64) -> Option<u32> {
    u32::try_from(found).ok().filter(|value| *value != 0)
}

fn overflow(line: &Line) -> u8 {
    let [.., last] = line;
    *last
}
