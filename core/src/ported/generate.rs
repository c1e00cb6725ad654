//! Ported numbers that nobody has, for tests and measurements: any count, all different, the same
//! for the same seed. Pure, lives nowhere.

use super::space::{Space, digits_of};

/// Numbers of a block: one exchange, or one tail of four digits.
const BLOCK: u64 = 10_000;
/// Operators of a block.
const PER_BLOCK: u64 = 8;

/// How densely blocks are filled.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// 1 to 30 % of each block, as in countries with many ported numbers.
    Clustered,
    /// 1 % of each block.
    Thin,
}

/// Numbers and the operator of each, from 0.
#[derive(Clone, Debug)]
pub struct Generated {
    first: u64,
    blocks: Space,
    operators: u16,
    layout: Layout,
    seed: u64,
    left: u64,
    block: u64,
    at: u64,
}

impl Generated {
    /// `count` numbers of `digits` digits in all behind this calling code, of this many operators;
    /// fewer when the space ends before.
    ///
    /// `None` when the calling code and the digits leave no whole block, or there is no operator.
    #[must_use]
    pub fn new(
        calling_code: u64,
        digits: u8,
        count: u64,
        operators: u16,
        (layout, seed): (Layout, u64),
    ) -> Option<Generated> {
        let behind = usize::from(digits).checked_sub(digits_of(calling_code))?;
        let blocks = u8::try_from(behind.checked_sub(4)?).ok().filter(|digits| *digits > 0)?;
        let fits = digits <= 15 && operators > 0 && calling_code > 0;
        fits.then_some(Generated {
            first: calling_code * 10u64.pow(u32::try_from(behind).ok()?),
            blocks: Space::new(0, blocks)?,
            operators,
            layout,
            seed,
            left: count,
            block: 0,
            at: 0,
        })
    }

    /// The block that comes at this place of the order, if that place has one.
    fn place(&self, at: u64) -> Option<u64> {
        let blocks = 10u64.checked_pow(self.blocks.rest().into())?;
        self.blocks.number(at).filter(|number| *number < blocks)
    }
}

impl Iterator for Generated {
    type Item = (u64, u16);

    fn next(&mut self) -> Option<(u64, u16)> {
        self.left = self.left.checked_sub(1)?;
        loop {
            if self.block >> self.blocks.bits() != 0 {
                return None;
            }
            if let Some(block) = self.place(self.block) {
                let own = mix(block ^ self.seed);
                let filled = match self.layout {
                    Layout::Clustered => 100 + own % 2_901,
                    Layout::Thin => 100,
                };
                if self.at < filled {
                    // Steps that share no factor with the size of a block meet each place once.
                    let tail = (self.at * 7_919 + (own >> 20)) % BLOCK;
                    let chosen = mix(own ^ self.at) % PER_BLOCK;
                    let operator = mix(own ^ chosen) % u64::from(self.operators);
                    self.at += 1;
                    let number = self.first + block * BLOCK + tail;
                    return Some((number, u16::try_from(operator).unwrap_or(0)));
                }
            }
            self.block += 1;
            self.at = 0;
        }
    }
}

/// Spreads an integer over all 64 bits.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let value = (value ^ (value >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    value ^ (value >> 32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_numbers_differ_and_belong_to_the_country() {
        for (layout, count) in [(Layout::Clustered, 100_000), (Layout::Thin, 100_000)] {
            let all = Generated::new(44, 12, count, 30, (layout, 7)).unwrap();
            let numbers: Vec<(u64, u16)> = all.clone().collect();
            assert_eq!(numbers, all.collect::<Vec<_>>());
            assert!(numbers.iter().all(|(own, value)| own / 10_000_000_000 == 44 && *value < 30));
            let different: BTreeSet<u64> = numbers.iter().map(|(own, _)| *own).collect();
            assert_eq!(u64::try_from(different.len()).unwrap(), count);
            let blocks: BTreeSet<u64> = different.iter().map(|own| own / BLOCK).collect();
            let per_block = different.len() / blocks.len();
            assert!(if layout == Layout::Thin { per_block == 100 } else { per_block > 1_000 });
            let operators: BTreeSet<u16> = numbers.iter().map(|(_, value)| *value).collect();
            assert_eq!(operators.len(), 30);
        }
    }

    #[test]
    fn a_small_space_ends() {
        let thin = |count| Generated::new(44, 7, count, 1, (Layout::Thin, 7)).unwrap().count();
        assert_eq!([thin(500), thin(5_000)], [500, 1_000]);
        assert!(Generated::new(44, 6, 1, 1, (Layout::Thin, 7)).is_none());
        assert!(Generated::new(44, 16, 1, 1, (Layout::Thin, 7)).is_none());
    }
}
