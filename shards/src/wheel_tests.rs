//! The wheel against an ordered map, and at its edges. Tests, lives nowhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn drain(wheel: &mut Wheel<u32>, now: Duration) -> Vec<u32> {
    core::iter::from_fn(|| wheel.expire(now)).collect()
}

#[test]
fn a_timer_fires_at_its_deadline_and_not_before() {
    for hours in [0, 1, 5, 72, 24 * 365 * 50] {
        let start = Duration::from_nanos(123_456_789);
        let at = start + Duration::from_secs(hours * 3_600) + 7 * MS;
        let mut wheel = Wheel::new(start, MS);
        wheel.insert(at, 1);
        assert!(drain(&mut wheel, at - Duration::from_nanos(1)).is_empty());
        assert_eq!(drain(&mut wheel, at), [1]);
        assert_eq!(wheel.next_deadline(), None);
    }
}

#[test]
fn a_past_deadline_is_due_at_once_and_an_endless_one_never() {
    let mut wheel = Wheel::new(Duration::from_secs(10), MS);
    wheel.insert(Duration::from_secs(1), 1);
    wheel.insert(Duration::MAX, 2);
    assert_eq!(wheel.next_deadline(), Some(Duration::from_secs(10)));
    assert_eq!(drain(&mut wheel, Duration::from_secs(10)), [1]);
    assert!(drain(&mut wheel, Duration::from_secs(1 << 35)).is_empty());
    assert_eq!(wheel.len(), 1);
}

#[test]
fn a_spent_id_cancels_nothing() {
    let mut wheel = Wheel::new(Duration::ZERO, MS);
    let fired = wheel.insert(MS, 1);
    assert_eq!(drain(&mut wheel, MS), [1]);
    let other = wheel.insert(2 * MS, 2);
    assert_eq!(fired.index, other.index, "the place is used again");
    assert!(!wheel.cancel(fired));
    assert!(wheel.cancel(other));
    assert!(!wheel.cancel(other));
    assert!(drain(&mut wheel, 9 * MS).is_empty() && wheel.is_empty());
}

#[test]
fn a_due_timer_can_still_be_cancelled() {
    let mut wheel = Wheel::new(Duration::ZERO, MS);
    let ids = [1, 2, 3].map(|item| wheel.insert(5 * MS, item));
    assert_eq!(wheel.expire(5 * MS), Some(1));
    assert!(wheel.cancel(ids[1]));
    assert_eq!(drain(&mut wheel, 5 * MS), [3]);
}

#[test]
fn a_steady_churn_takes_no_new_places() {
    let mut wheel = Wheel::new(Duration::ZERO, MS);
    let mut ids = (0..1_000).map(|i| wheel.insert(MS * (i + 50), i)).collect::<Vec<_>>();
    let places = (wheel.entries.len(), wheel.entries.capacity());
    for round in 0..20_000_u32 {
        let slot = (round % 1_000) as usize;
        wheel.cancel(ids[slot]);
        ids[slot] = wheel.insert(MS * (round / 100 + round % 900), round);
        while wheel.expire(MS * (round / 100)).is_some() {}
    }
    assert_eq!((wheel.entries.len(), wheel.entries.capacity()), places);
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Cancel(prop::sample::Index),
    Pass(u64),
}

/// Distances over every scale: 1 us to 100 h.
fn distance() -> impl Strategy<Value = u64> {
    (0_u32..39, 1_u64..1_000).prop_map(|(shift, n)| (n << shift).min(360_000_000_000))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => distance().prop_map(Step::Insert),
        1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        2 => distance().prop_map(Step::Pass),
    ]
}

/// What a wheel must do, said by an ordered map: (deadline rounded up to a tick, insertion) -> at.
#[derive(Default)]
struct Model {
    pending: BTreeMap<(Duration, u32), Duration>,
    ids: Vec<(TimerId, (Duration, u32))>,
}

impl Model {
    fn insert(&mut self, wheel: &mut Wheel<u32>, at: Duration) {
        let item = u32::try_from(self.ids.len()).unwrap();
        let tick = Duration::from_millis(u64::try_from(at.as_nanos().div_ceil(1_000_000)).unwrap());
        self.ids.push((wheel.insert(at, item), (tick, item)));
        self.pending.insert((tick, item), at);
    }

    fn expire(&mut self, wheel: &mut Wheel<u32>, now: Duration) -> Result<(), TestCaseError> {
        let mut before = Duration::ZERO;
        while let Some(item) = wheel.expire(now) {
            let key = self.ids[item as usize].1;
            let at = self.pending.remove(&key);
            prop_assert!(at.is_some_and(|at| at <= now), "fired early, or twice");
            prop_assert!(key.0 >= before, "out of order");
            before = key.0;
        }
        let due = self.pending.keys().next().is_some_and(|(tick, _)| *tick <= now);
        prop_assert!(!due, "one was due and did not fire");
        Ok(())
    }
}

proptest! {
    #[test]
    fn it_behaves_like_an_ordered_map(steps in prop::collection::vec(step(), 1..300)) {
        let (mut wheel, mut model) = (Wheel::new(Duration::ZERO, MS), Model::default());
        let mut now = Duration::ZERO;
        for step in steps {
            match step {
                Step::Insert(us) => model.insert(&mut wheel, now + Duration::from_micros(us)),
                Step::Cancel(_) if model.ids.is_empty() => {}
                Step::Cancel(which) => {
                    let (id, key) = model.ids[which.index(model.ids.len())];
                    prop_assert_eq!(wheel.cancel(id), model.pending.remove(&key).is_some());
                }
                Step::Pass(us) => {
                    now += Duration::from_micros(us);
                    model.expire(&mut wheel, now)?;
                }
            }
            prop_assert_eq!(wheel.len(), model.pending.len());
            let first = model.pending.keys().next().map(|(tick, _)| *tick);
            prop_assert_eq!(wheel.next_deadline().is_some(), first.is_some());
            prop_assert!(wheel.next_deadline() <= first.map(|at| at.max(now)), "woken too late");
        }
        // Following next_deadline alone reaches the end, and every timer on its own tick.
        while let Some(at) = wheel.next_deadline() {
            now = now.max(at);
            model.expire(&mut wheel, now)?;
        }
        prop_assert!(model.pending.is_empty());
    }
}
