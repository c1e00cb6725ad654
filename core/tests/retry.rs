//! The retry ladder under a virtual clock: one message, carriers that answer as they are told to, and
//! who is asked when.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::limits::{RETRY_RESTS, TEMPORARY_RETRIES, VALIDITY_MAX};
use postrider_core::retry::{FOR_GOOD, Ladder, Next, Rung, same_carrier_again};
use proptest::prelude::*;

/// Retries that a temporary status is worth.
const TEMPORARY: u8 = 3;

/// What a carrier says to the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// It refuses for a while until this second, then takes it.
    TakesFrom(u64),
    /// It refuses for a while whenever it is asked.
    NeverNow,
    /// It refuses for good.
    Never,
    /// A status that is worth so many retries, and no more.
    CatchAll(u8),
    /// It is down until this second, then takes the message.
    DownUntil(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Taken(u32),
    Failed,
    Expired,
}

/// What became of the message: every attempt (second, carrier), its end, and when that was.
#[derive(Clone, Debug)]
struct Told {
    attempts: Vec<(u64, u32)>,
    end: End,
    at: u64,
    ladder: Ladder,
}

/// Drives one message as a shard does: carriers are asked in their order.
fn run(carriers: &[Manner], validity: u64) -> Told {
    let (mut ladder, mut now, mut attempts) = (Ladder::default(), 0, Vec::new());
    let told = |attempts, end, at, ladder| Told { attempts, end, at, ladder };
    while now < validity {
        let rungs: Vec<Rung> = (0u32..)
            .zip(carriers)
            .map(|(carrier, manner)| {
                let usable = !matches!(manner, Manner::DownUntil(until) if now < *until);
                Rung { carrier, usable }
            })
            .collect();
        match ladder.next(rungs.iter().copied()) {
            Next::Fail => return told(attempts, End::Failed, now, ladder),
            Next::Rest => {
                ladder.note_rest(ladder.round(), UnixMs(now * 1_000));
                now = validity.min(ladder.rests_until().unwrap().0 / 1_000);
                ladder.note_rested();
            }
            Next::Ask => {
                let open: Vec<&Rung> =
                    rungs.iter().filter(|own| !ladder.bars(own.carrier)).collect();
                let Some(rung) = open.iter().find(|own| own.usable) else {
                    now += 1;
                    continue;
                };
                let (carrier, mut tries) = (rung.carrier, 0);
                loop {
                    attempts.push((now, carrier));
                    let worth = match carriers[carrier as usize] {
                        Manner::TakesFrom(from) if now < from => TEMPORARY,
                        Manner::TakesFrom(_) | Manner::DownUntil(_) => {
                            return told(attempts, End::Taken(carrier), now, ladder);
                        }
                        Manner::NeverNow => TEMPORARY,
                        Manner::Never => 0,
                        Manner::CatchAll(worth) => worth,
                    };
                    let again = same_carrier_again(tries, worth);
                    let again = again.filter(|delay| now + delay.as_secs() < validity);
                    let Some(delay) = again else {
                        ladder.note_refusal(carrier, ladder.refused_with(worth));
                        break;
                    };
                    tries += 1;
                    now += delay.as_secs();
                }
            }
        }
    }
    told(attempts, End::Expired, validity, ladder)
}

#[test]
fn a_carrier_is_asked_four_times_then_the_next() {
    let told = run(&[Manner::NeverNow, Manner::TakesFrom(0)], 3_600);
    assert_eq!(told.attempts, [(0, 0), (1, 0), (6, 0), (36, 0), (36, 1)]);
    assert_eq!(told.end, End::Taken(1));
}

#[test]
fn rounds_follow_each_other_ever_more_slowly_until_validity_ends() {
    let told = run(&[Manner::NeverNow], 72 * 3_600);
    assert_eq!(told.end, End::Expired);
    assert_eq!(told.at, 72 * 3_600, "not before, so that nothing is lost");
    let rounds: Vec<u64> = told.attempts.chunks(4).map(|round| round[0].0).collect();
    let round: u64 = TEMPORARY_RETRIES.iter().map(Duration::as_secs).sum();
    let gaps: Vec<u64> = rounds.windows(2).map(|pair| pair[1] - pair[0] - round).collect();
    let rests = RETRY_RESTS.map(|rest| rest.as_secs());
    assert_eq!(gaps[..5], rests[..5]);
    assert!(gaps[5..].iter().all(|gap| *gap == rests[5]), "{gaps:?}");
    assert!(rounds.len() < 148, "{}", rounds.len());
}

#[test]
fn an_hour_of_trouble_everywhere_costs_an_hour_and_a_half() {
    let told = run(&[Manner::TakesFrom(3_600), Manner::TakesFrom(3_600)], 48 * 3_600);
    assert!(matches!(told.end, End::Taken(_)), "{:?}", told.end);
    assert!((3_600..=5_400).contains(&told.at), "{}", told.at);
}

#[test]
fn who_refused_for_good_is_asked_once_and_all_of_them_end_it_at_once() {
    let told = run(&[Manner::Never; 4], 48 * 3_600);
    assert_eq!(told.attempts, [(0, 0), (0, 1), (0, 2), (0, 3)]);
    assert_eq!((told.end, told.at), (End::Failed, 0));
    let told = run(&[Manner::Never, Manner::TakesFrom(7_200)], 48 * 3_600);
    assert_eq!(told.attempts.iter().filter(|(_, carrier)| *carrier == 0).count(), 1);
    assert_eq!(told.end, End::Taken(1), "the round is of those that are left");
}

#[test]
fn a_catch_all_counts_as_refused_for_good_after_its_tries() {
    let told = run(&[Manner::CatchAll(1), Manner::CatchAll(2)], 48 * 3_600);
    assert_eq!(told.attempts, [(0, 0), (1, 0), (1, 1), (2, 1), (7, 1)]);
    assert_eq!((told.end, told.at), (End::Failed, 7));
}

#[test]
fn who_cannot_be_reached_is_not_waited_for_while_another_one_can() {
    let told = run(&[Manner::TakesFrom(600), Manner::DownUntil(40_000)], 48 * 3_600);
    assert_eq!(told.end, End::Taken(0));
    let told = run(&[Manner::Never, Manner::DownUntil(40_000)], 48 * 3_600);
    assert_eq!((told.end, told.at), (End::Taken(1), 40_000), "it is the only one left");
}

#[test]
fn a_later_word_does_not_soften_a_refusal_for_good() {
    let mut ladder = Ladder::default();
    ladder.note_refusal(7, FOR_GOOD);
    ladder.note_refusal(7, 1);
    assert!(ladder.bars(7) && !ladder.may_come_back(7));
}

#[test]
fn the_last_of_many_rounds_is_one_too() {
    let mut ladder = Ladder::default();
    for round in 1..=u8::MAX {
        ladder.note_refusal(1, ladder.refused_with(TEMPORARY));
        assert!(ladder.bars(1) && ladder.may_come_back(1));
        ladder.note_rest(round, UnixMs(5));
        assert!(ladder.rests_until() > Some(UnixMs(5)));
    }
}

fn manners() -> impl Strategy<Value = Manner> {
    prop_oneof![
        (0u64..200_000).prop_map(Manner::TakesFrom),
        Just(Manner::NeverNow),
        Just(Manner::Never),
        (1u8..3).prop_map(Manner::CatchAll),
        (0u64..200_000).prop_map(Manner::DownUntil),
    ]
}

proptest! {
    #[test]
    fn nobody_is_asked_after_validity_or_after_a_refusal_for_good(
        carriers in proptest::collection::vec(manners(), 1..6),
        validity in 1u64..VALIDITY_MAX.as_secs(),
    ) {
        let told = run(&carriers, validity);
        prop_assert!(told.attempts.iter().all(|(at, _)| *at < validity));
        for (carrier, manner) in (0u32..).zip(&carriers) {
            let asked = told.attempts.iter().filter(|(_, own)| *own == carrier).count();
            let most = match manner {
                Manner::Never => 1,
                Manner::CatchAll(worth) => 1 + usize::from(*worth),
                Manner::DownUntil(_) => 1,
                Manner::NeverNow | Manner::TakesFrom(_) => 4 * 148,
            };
            prop_assert!(asked <= most, "{:?} was asked {} times", manner, asked);
        }
    }

    #[test]
    fn it_fails_only_when_nobody_is_left(
        carriers in proptest::collection::vec(manners(), 1..6),
        validity in 1u64..VALIDITY_MAX.as_secs(),
    ) {
        let told = run(&carriers, validity);
        let final_words = |own: &Manner| matches!(own, Manner::Never | Manner::CatchAll(_));
        match told.end {
            End::Failed => prop_assert!(carriers.iter().all(final_words)),
            End::Expired => prop_assert_eq!(told.at, validity),
            End::Taken(carrier) => prop_assert!(!final_words(&carriers[carrier as usize])),
        }
        // One that takes it at some time has it within a rest and a round of them all.
        let slack = RETRY_RESTS[5].as_secs() + 36 * carriers.len() as u64;
        for manner in &carriers {
            if let Manner::TakesFrom(from) | Manner::DownUntil(from) = manner {
                prop_assert!(told.at <= validity.min(from + slack), "{:?} {:?}", manner, told);
            }
        }
    }

    #[test]
    fn the_records_alone_tell_where_it_stands(
        carriers in proptest::collection::vec(manners(), 1..6),
        validity in 1u64..VALIDITY_MAX.as_secs(),
    ) {
        let told = run(&carriers, validity).ladder;
        // The last word of each carrier, and the last rest.
        let mut again = Ladder::default();
        for carrier in 0..u32::try_from(carriers.len()).unwrap() {
            if told.bars(carrier) {
                let number = if told.may_come_back(carrier) { told.round() } else { FOR_GOOD };
                again.note_refusal(carrier, number);
            }
        }
        if told.round() > 1 {
            again.note_rest(told.round() - 1, UnixMs(0));
            again.note_rested();
        }
        for carrier in 0..u32::try_from(carriers.len()).unwrap() {
            prop_assert_eq!(told.bars(carrier), again.bars(carrier));
            prop_assert_eq!(told.may_come_back(carrier), again.may_come_back(carrier));
        }
        prop_assert_eq!(told.round(), again.round());
    }
}
