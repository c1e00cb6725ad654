//! What a checkpoint tells of erasures, opt-outs and of where records lie that no register leads to:
//! numbers and keyed hashes, nothing of whom they are about. Pure, lives nowhere.

use postrider_core::clock::UnixMs;
use postrider_storage::{Lsn, Position, Record, SegmentId};

use super::{Asked, Erasures};
use crate::shard::journal::Strangers;
use crate::shard::opt_outs::OptOuts;

/// The section of a checkpoint.
pub(in crate::shard) const ERASURES: &str = "erasures";

/// Writes the section.
pub(in crate::shard) fn encode(
    erasures: &Erasures,
    opt_outs: &OptOuts,
    strangers: &Strangers,
) -> Vec<u8> {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut out = vec![count(erasures.asked.len())];
    for Asked { id, hash, customer, until, lsn, segment } in &erasures.asked {
        out.extend([*id, until.0, lsn.0, segment.0, (*customer).into()]);
        out.extend(halves(*hash));
    }
    out.push(count(erasures.told.len()));
    out.extend(
        erasures.told.iter().flat_map(|(sequence, (lsn, segment))| [*sequence, lsn.0, segment.0]),
    );
    out.push(erasures.told_due.map_or(0, |due| due.0));
    out.push(count(opt_outs.len()));
    for (at, record) in opt_outs.records() {
        let Record::OptOut { customer, hash, at_ms, .. } = record else { continue };
        out.extend([at.pack(), customer.into(), at_ms]);
        out.extend(halves(hash));
    }
    let (from, held) = strangers.known();
    out.push(from.0);
    out.extend(held.map(|segment| segment.0));
    out.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Reads the section; `None` when it is none of this release's.
pub(in crate::shard) fn decode(
    key: [u8; 16],
    bytes: &[u8],
) -> Option<(Erasures, OptOuts, Strangers)> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
    let mut next = || words.next();
    let (mut erasures, mut opt_outs) = (Erasures::new(key), OptOuts::default());
    for _ in 0..next()? {
        let (id, until) = (next()?, UnixMs(next()?));
        let (lsn, segment) = (Lsn(next()?), SegmentId(next()?));
        let (customer, hash) = (u32::try_from(next()?).ok()?, whole([next()?, next()?]));
        erasures.add(Asked { id, hash, customer, until, lsn, segment });
    }
    for _ in 0..next()? {
        erasures.told.insert(next()?, (Lsn(next()?), SegmentId(next()?)));
    }
    erasures.told_due = Some(UnixMs(next()?)).filter(|due| due.0 != 0);
    for _ in 0..next()? {
        let (at, customer) = (Position::unpack(next()?)?, u32::try_from(next()?).ok()?);
        let (at_ms, hash) = (next()?, whole([next()?, next()?]));
        opt_outs.note(at, &Record::OptOut { customer, hash, at_ms, on: true });
    }
    let from = SegmentId(next()?);
    let strangers = Strangers::new(from, words.map(SegmentId));
    rest.is_empty().then_some((erasures, opt_outs, strangers))
}

fn halves(hash: u128) -> [u64; 2] {
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    [half(hash >> 64), half(hash)]
}

fn whole([high, low]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_comes_back() {
        let mut erasures = Erasures::new([7; 16]);
        let (lsn, segment) = (Lsn(9), SegmentId(4));
        let (id, hash, until) = (5, u128::MAX - 3, UnixMs(77));
        erasures.add(Asked { id, hash, customer: 0, until, lsn, segment });
        erasures.tell(4, (Lsn(11), segment), UnixMs(3));
        let mut opt_outs = OptOuts::default();
        let at = Position { segment: SegmentId(3), offset: 64 };
        opt_outs.note(at, &Record::OptOut { customer: 2, hash: 1 << 99, at_ms: 8, on: true });
        let strangers = Strangers::new(SegmentId(2), [SegmentId(2), SegmentId(9)].into_iter());
        let bytes = encode(&erasures, &opt_outs, &strangers);
        let (erasures, same, places) = decode([7; 16], &bytes).unwrap();
        assert_eq!((&same, &places), (&opt_outs, &strangers));
        assert_eq!(encode(&erasures, &same, &places), bytes);
        assert_eq!(erasures.told_due, Some(UnixMs(3_600_003)));
        let needed = bytes.len() - 16;
        assert!((0..needed).all(|cut| decode([7; 16], bytes.get(..cut).unwrap()).is_none()));
    }
}
