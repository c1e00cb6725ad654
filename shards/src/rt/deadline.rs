//! A deadline that moves often and fires seldom. One per connection; lives on its shard.
//!
//! A runtime timer costs microseconds to make and to cancel, a request moves its connection's
//! deadline several times. So the timer stays armed at the earliest instant that was ever needed,
//! and when it fires it looks where the deadline has moved to.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use super::clock::instant;

/// Where the deadline is now; shared between who moves it and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Deadline {
    at: Cell<Option<Instant>>,
}

impl Deadline {
    pub(super) fn set_after(&self, after: Duration) {
        self.at.set(Some(instant() + after));
    }

    pub(super) fn clear(&self) {
        self.at.set(None);
    }
}

type Timer = Pin<Box<dyn Future<Output = ()>>>;

/// The timer that watches a [`Deadline`].
#[derive(Default)]
pub(super) struct LazyTimer {
    armed: Option<(Instant, Timer)>,
}

impl LazyTimer {
    /// Ready once the deadline has passed. Must be polled by the task that should wake.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: &Deadline) -> Poll<()> {
        loop {
            let Some(due) = deadline.at.get() else { return Poll::Pending };
            match &mut self.armed {
                Some((at, timer)) if *at <= due => {
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.armed = None;
                    if instant() >= due {
                        return Poll::Ready(());
                    }
                }
                Some(_) | None => {
                    self.armed = Some((due, Box::pin(compio::time::sleep_until(due))));
                }
            }
        }
    }
}
