//! Tests of the webhook queue: order, limits, slow endpoints, and a random run against its rules.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use proptest::prelude::*;

const fn ms(value: u64) -> Duration {
    Duration::from_millis(value)
}

const NOTHING: [u64; 0] = [];

fn drain(queue: &mut WebhookQueue, now: Duration) -> Vec<u64> {
    core::iter::from_fn(|| queue.poll_attempt(now)).map(|(key, _)| key).collect()
}

#[test]
fn the_earliest_due_goes_first_and_none_goes_early() {
    let mut queue = WebhookQueue::new(8, 100);
    let a = queue.intern("https://a.example/");
    let b = queue.intern("https://b.example/");
    for (key, endpoint, due) in [(1, a, 30), (2, b, 10), (3, a, 20), (4, b, 40)] {
        queue.push(key, endpoint, ms(due)).unwrap();
    }
    assert_eq!(queue.poll_timeout(), Some(ms(10)));
    assert_eq!(drain(&mut queue, ms(9)), NOTHING);
    assert_eq!(drain(&mut queue, ms(30)), [2, 3, 1]);
    assert_eq!((queue.len(), queue.in_flight()), (1, 3));
    assert_eq!(queue.poll_timeout(), Some(ms(40)));
}

#[test]
fn addresses_are_interned() {
    let mut queue = WebhookQueue::new(1, 1);
    let a = queue.intern("https://a.example/");
    assert_eq!(queue.intern("https://a.example/"), a);
    assert_ne!(queue.intern("https://a.example/x"), a);
    assert_eq!(queue.url(a), Some("https://a.example/"));
    assert_eq!(queue.url(EndpointKey(99)), None);
}

#[test]
fn one_endpoint_takes_only_its_connections() {
    let mut queue = WebhookQueue::new(2, 100);
    let a = queue.intern("a");
    let b = queue.intern("b");
    for key in 0..5 {
        queue.push(key, a, ms(0)).unwrap();
    }
    queue.push(9, b, ms(1)).unwrap();
    assert_eq!(drain(&mut queue, ms(1)), [0, 1, 9]);
    assert_eq!(queue.poll_timeout(), None, "only a result can free a connection");
    assert!(queue.handle_result(ms(2), 0, a, true));
    assert_eq!(drain(&mut queue, ms(2)), [2]);
}

#[test]
fn all_endpoints_together_take_only_max_in_flight() {
    let mut queue = WebhookQueue::new(8, 3);
    let endpoints: Vec<_> = (0..5).map(|n: u64| (n, queue.intern(&n.to_string()))).collect();
    for &(key, endpoint) in &endpoints {
        queue.push(key, endpoint, ms(0)).unwrap();
    }
    assert_eq!(drain(&mut queue, ms(0)), [0, 1, 2]);
    assert_eq!(queue.poll_timeout(), None);
    assert!(queue.handle_result(ms(0), 1, endpoints[1].1, false));
    assert_eq!(queue.poll_timeout(), Some(ms(0)));
    assert_eq!(drain(&mut queue, ms(0)), [3]);
}

#[test]
fn a_failing_endpoint_is_probed_and_holds_up_nobody() {
    let mut queue = WebhookQueue::new(4, 100);
    let (bad, good) = (queue.intern("bad"), queue.intern("good"));
    for key in 0..10 {
        queue.push(key, bad, ms(0)).unwrap();
        queue.push(100 + key, good, ms(1_000)).unwrap();
    }
    assert_eq!(drain(&mut queue, ms(0)), [0, 1, 2, 3]);
    for key in 0..4 {
        queue.handle_result(ms(5), key, bad, false);
    }
    // The last of the four ended with nothing beside it: that was the first failed probe.
    assert_eq!(drain(&mut queue, ms(5)), NOTHING);
    assert_eq!(queue.poll_timeout(), Some(ms(255)));
    assert_eq!(drain(&mut queue, ms(255)), [4], "one probe");
    assert_eq!(drain(&mut queue, ms(1_000)), [100, 101, 102, 103], "the other goes on");
    queue.handle_result(ms(1_000), 4, bad, false);
    assert_eq!(drain(&mut queue, ms(1_499)), NOTHING);
    assert_eq!(drain(&mut queue, ms(1_500)), [5]);
    queue.handle_result(ms(1_510), 5, bad, true);
    assert_eq!(drain(&mut queue, ms(1_510)), [6, 7, 8, 9], "full width after a success");
}

#[test]
fn a_single_failure_slows_without_a_pause() {
    let mut queue = WebhookQueue::new(4, 100);
    let a = queue.intern("a");
    for key in 0..8 {
        queue.push(key, a, ms(0)).unwrap();
    }
    drain(&mut queue, ms(0));
    queue.handle_result(ms(1), 0, a, false);
    assert_eq!(drain(&mut queue, ms(1)), NOTHING, "three are still under way");
    queue.handle_result(ms(2), 1, a, true);
    assert_eq!(drain(&mut queue, ms(2)), [4, 5]);
}

#[test]
fn pauses_between_probes_are_capped() {
    let mut queue = WebhookQueue::new(4, 100);
    let a = queue.intern("a");
    let mut now = ms(0);
    for key in 0..80 {
        queue.push(key, a, ms(0)).unwrap();
        now = now.max(queue.poll_timeout().unwrap());
        assert_eq!(drain(&mut queue, now), [key]);
        queue.handle_result(now, key, a, false);
    }
    queue.push(99, a, now).unwrap();
    assert_eq!(queue.poll_timeout(), Some(now + PROBE_PAUSE_MAX));
    // A success ends it, and the next pause is short again.
    now += PROBE_PAUSE_MAX;
    assert_eq!(drain(&mut queue, now), [99]);
    queue.handle_result(now, 99, a, true);
    for key in [100, 101] {
        queue.push(key, a, now).unwrap();
        assert_eq!(drain(&mut queue, now), [key]);
        queue.handle_result(now, key, a, false);
    }
    queue.push(102, a, now).unwrap();
    assert_eq!(queue.poll_timeout(), Some(now + PROBE_PAUSE_FIRST));
}

#[test]
fn results_that_do_not_fit_change_nothing() {
    let mut queue = WebhookQueue::new(4, 100);
    let (a, b) = (queue.intern("a"), queue.intern("b"));
    queue.push(1, a, ms(0)).unwrap();
    assert!(!queue.handle_result(ms(0), 1, a, true), "not sent yet");
    assert_eq!(drain(&mut queue, ms(0)), [1]);
    assert!(!queue.handle_result(ms(0), 1, b, true), "another endpoint");
    assert!(!queue.handle_result(ms(0), 2, a, true), "another key");
    assert!(queue.handle_result(ms(0), 1, a, true));
    assert!(!queue.handle_result(ms(0), 1, a, true), "twice");
    assert_eq!((queue.len(), queue.in_flight()), (0, 0));
}

#[test]
fn pushes_are_refused_by_name() {
    let mut queue = WebhookQueue::new(4, 100).limited_to(2);
    let a = queue.intern("a");
    queue.push(1, a, ms(0)).unwrap();
    assert_eq!(queue.push(1, a, ms(5)), Err(PushError::Duplicate));
    assert_eq!(queue.push(2, EndpointKey(77), ms(0)), Err(PushError::UnknownEndpoint));
    queue.push(2, a, ms(0)).unwrap();
    assert_eq!(queue.push(3, a, ms(0)), Err(PushError::Full));
    assert_eq!(drain(&mut queue, ms(0)), [1, 2]);
    assert_eq!(queue.push(1, a, ms(5)), Err(PushError::Duplicate), "in flight");
    assert_eq!(queue.push(3, a, ms(0)), Err(PushError::Full), "in flight counts");
}

#[test]
fn waiting_webhooks_can_be_taken_out() {
    let mut queue = WebhookQueue::new(4, 100);
    let a = queue.intern("a");
    queue.push(1, a, ms(0)).unwrap();
    queue.push(2, a, ms(7)).unwrap();
    assert!(queue.remove(1));
    assert!(!queue.remove(1));
    assert_eq!(queue.poll_timeout(), Some(ms(7)));
    assert_eq!(drain(&mut queue, ms(7)), [2]);
    assert!(!queue.remove(2), "in flight");
    assert!(queue.is_empty());
}

#[test]
fn idle_endpoints_are_forgotten_and_busy_ones_are_not() {
    let mut queue = WebhookQueue::new(1, 10);
    let (waiting, flying, idle) = (queue.intern("w"), queue.intern("f"), queue.intern("i"));
    queue.push(1, flying, ms(0)).unwrap();
    assert_eq!(drain(&mut queue, ms(0)), [1]);
    queue.push(2, waiting, ms(0)).unwrap();
    for n in 0..2 * IDLE_ENDPOINTS_MAX {
        queue.intern(&format!("https://{n}.example/"));
    }
    assert_eq!(queue.endpoints(), IDLE_ENDPOINTS_MAX + 2);
    assert_eq!(queue.url(idle), None);
    assert_eq!(queue.push(3, idle, ms(0)), Err(PushError::UnknownEndpoint));
    assert_eq!((queue.url(waiting), queue.url(flying)), (Some("w"), Some("f")));
    let again = queue.intern("i");
    assert_ne!(again, idle, "a forgotten key does not come back as another");
}

/// What a random driver may do.
#[derive(Clone, Debug)]
enum Step {
    Push { key: u64, endpoint: usize, due: u64 },
    Remove(u64),
    Poll,
    Result { pick: usize, ok: bool },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40u64, 0..4usize, 0..500u64)
            .prop_map(|(key, endpoint, due)| Step::Push { key, endpoint, due }),
        1 => (0..40u64).prop_map(Step::Remove),
        4 => Just(Step::Poll),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(pick, ok)| Step::Result { pick, ok }),
        2 => (0..400u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Limits hold at every step, nothing is sent early, twice or never, and the timeout tells
    /// exactly when there is something to do.
    #[test]
    fn a_random_run_keeps_the_rules(steps in proptest::collection::vec(step(), 0..300)) {
        let mut queue = WebhookQueue::new(2, 5);
        let endpoints: Vec<_> = (0..4).map(|n| queue.intern(&n.to_string())).collect();
        let mut waiting: BTreeMap<u64, (EndpointKey, Duration)> = BTreeMap::new();
        let mut flying: Vec<(u64, EndpointKey)> = Vec::new();
        let mut now = ms(0);
        for step in steps {
            match step {
                Step::Push { key, endpoint, due } => {
                    let known = waiting.contains_key(&key) || flying.iter().any(|f| f.0 == key);
                    let (endpoint, due) = (endpoints[endpoint], now + ms(due));
                    let pushed = queue.push(key, endpoint, due);
                    prop_assert_eq!(pushed, if known { Err(PushError::Duplicate) } else { Ok(()) });
                    if !known {
                        waiting.insert(key, (endpoint, due));
                    }
                }
                Step::Remove(key) => {
                    prop_assert_eq!(queue.remove(key), waiting.remove(&key).is_some());
                }
                Step::Poll => {
                    let timeout = queue.poll_timeout();
                    let attempt = queue.poll_attempt(now);
                    prop_assert_eq!(attempt.is_some(), timeout.is_some_and(|at| at <= now));
                    if let Some((key, endpoint)) = attempt {
                        let (expected, due) = waiting.remove(&key).unwrap();
                        prop_assert_eq!(endpoint, expected);
                        prop_assert!(due <= now);
                        flying.push((key, endpoint));
                    }
                }
                Step::Result { pick, ok } if !flying.is_empty() => {
                    let (key, endpoint) = flying.swap_remove(pick % flying.len());
                    prop_assert!(queue.handle_result(now, key, endpoint, ok));
                }
                Step::Result { .. } => {}
                Step::Wait(span) => now += ms(span),
            }
            prop_assert_eq!(queue.len(), waiting.len());
            prop_assert_eq!(usize::try_from(queue.in_flight()).unwrap(), flying.len());
            prop_assert!(flying.len() <= 5);
            for &endpoint in &endpoints {
                prop_assert!(flying.iter().filter(|f| f.1 == endpoint).count() <= 2);
            }
        }
        // Whatever happened, an endpoint that answers gets everything in the end.
        for (key, endpoint) in flying.drain(..) {
            queue.handle_result(now, key, endpoint, true);
        }
        while let Some(at) = queue.poll_timeout() {
            now = now.max(at);
            let (key, endpoint) = queue.poll_attempt(now).unwrap();
            prop_assert!(waiting.remove(&key).is_some());
            queue.handle_result(now, key, endpoint, true);
        }
        prop_assert!(waiting.is_empty() && queue.is_empty() && queue.in_flight() == 0);
    }
}
