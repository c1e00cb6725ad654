//! Waiting on one thread: a permit, a broadcast stop, a one-value channel. No atomics; these live
//! on the shard that made them and cannot leave it.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// A stored permit: [`Notify::notify_one`] sets it, [`Notify::notified`] takes it.
///
/// Permits do not add up. With several waiters one of them gets the permit, in no order.
#[derive(Debug, Default)]
pub struct Notify {
    permit: Cell<bool>,
    waiters: RefCell<Vec<Waker>>,
}

impl Notify {
    /// A notify without a permit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the permit and wakes whoever waits. Cheap when the permit is already set.
    pub fn notify_one(&self) {
        if self.permit.replace(true) {
            return;
        }
        // All are woken and one takes the permit: a waiter dropped meanwhile cannot swallow it.
        let waiters = self.waiters.take();
        for waker in &waiters {
            waker.wake_by_ref();
        }
    }

    /// Completes when there is a permit, and takes it. May be dropped at any time.
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self }
    }
}

/// Future of [`Notify::notified`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Notified<'a> {
    notify: &'a Notify,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.notify.permit.take() {
            return Poll::Ready(());
        }
        let mut waiters = self.notify.waiters.borrow_mut();
        if !waiters.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[derive(Debug, Default)]
struct StopState {
    stopped: Cell<bool>,
    waiters: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
}

/// A stop that every clone sees and any number of tasks may wait for. It is never taken back.
#[derive(Clone, Debug, Default)]
pub struct Stop(Rc<StopState>);

impl Stop {
    /// A stop that has not been given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the stop: every present and future [`Stop::stopped`] completes.
    pub fn stop(&self) {
        if self.0.stopped.replace(true) {
            return;
        }
        let waiters = self.0.waiters.take();
        self.0.free.borrow_mut().clear();
        for waker in waiters.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Whether the stop was given.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.get()
    }

    /// Completes once the stop was given.
    pub fn stopped(&self) -> Stopped {
        Stopped { state: Rc::clone(&self.0), slot: None }
    }
}

/// Future of [`Stop::stopped`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Stopped {
    state: Rc<StopState>,
    slot: Option<usize>,
}

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.state.stopped.get() {
            return Poll::Ready(());
        }
        let state = Rc::clone(&self.state);
        let mut waiters = state.waiters.borrow_mut();
        let slot = match self.slot {
            Some(slot) => slot,
            None => {
                let slot = state.free.borrow_mut().pop().unwrap_or_else(|| {
                    waiters.push(None);
                    waiters.len() - 1
                });
                self.slot = Some(slot);
                slot
            }
        };
        if let Some(entry) = waiters.get_mut(slot)
            && !entry.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *entry = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let Some(slot) = self.slot else { return };
        if self.state.stopped.get() {
            return;
        }
        if let Some(entry) = self.state.waiters.borrow_mut().get_mut(slot) {
            *entry = None;
            self.state.free.borrow_mut().push(slot);
        }
    }
}

#[derive(Debug)]
struct Shared<T> {
    value: RefCell<Option<T>>,
    waker: RefCell<Option<Waker>>,
    sender_gone: Cell<bool>,
    receiver_gone: Cell<bool>,
}

/// A channel for one value on one thread.
pub fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: RefCell::new(None),
        waker: RefCell::new(None),
        sender_gone: Cell::new(false),
        receiver_gone: Cell::new(false),
    });
    (Sender { shared: Rc::clone(&shared) }, Receiver { shared })
}

/// The sending half of [`oneshot`].
#[derive(Debug)]
pub struct Sender<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Hands the value over.
    ///
    /// # Errors
    /// Gives the value back when the receiver was dropped.
    pub fn send(self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        *self.shared.value.borrow_mut() = Some(value);
        Ok(())
    }

    /// Whether nobody waits for the value any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.receiver_gone.get()
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.shared.sender_gone.set(true);
        let waker = self.shared.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The receiving half of [`oneshot`]: a future of the value, `None` when the sender was dropped
/// without one.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Receiver<T> {
    shared: Rc<Shared<T>>,
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let value = self.shared.value.take();
        if value.is_some() || self.shared.sender_gone.get() {
            return Poll::Ready(value);
        }
        let mut waker = self.shared.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.shared.receiver_gone.set(true);
    }
}

/// Lets every other ready task of this thread run once, and the driver look for completions.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_permit_is_kept_until_it_is_taken_and_does_not_add_up() {
        let notify = Notify::new();
        notify.notify_one();
        notify.notify_one();
        assert_eq!(notify.notified().now_or_never(), Some(()));
        assert_eq!(notify.notified().now_or_never(), None);
    }

    #[test]
    fn a_waiter_that_was_dropped_does_not_swallow_the_permit() {
        let notify = Notify::new();
        let mut first = notify.notified();
        let mut second = notify.notified();
        assert_eq!((&mut first).now_or_never(), None);
        assert_eq!((&mut second).now_or_never(), None);
        notify.notify_one();
        drop(first);
        assert_eq!(second.now_or_never(), Some(()));
    }

    #[test]
    fn stop_reaches_every_waiter_and_slots_are_reused() {
        let stop = Stop::new();
        for _ in 0..100 {
            assert_eq!(stop.stopped().now_or_never(), None);
        }
        assert_eq!(stop.0.waiters.borrow().len(), 1);
        let mut early = stop.stopped();
        assert_eq!((&mut early).now_or_never(), None);
        let clone = stop.clone();
        clone.stop();
        assert!(stop.is_stopped());
        assert_eq!(early.now_or_never(), Some(()));
        assert_eq!(stop.stopped().now_or_never(), Some(()));
    }

    #[test]
    fn oneshot_gives_the_value_or_says_that_there_will_be_none() {
        let (tx, rx) = oneshot();
        assert_eq!(tx.send(7), Ok(()));
        assert_eq!(rx.now_or_never(), Some(Some(7)));
        let (tx, mut rx) = oneshot::<u8>();
        assert_eq!((&mut rx).now_or_never(), None);
        drop(tx);
        assert_eq!(rx.now_or_never(), Some(None));
        let (tx, rx) = oneshot::<u8>();
        drop(rx);
        assert!(tx.is_closed());
        assert_eq!(tx.send(1), Err(1));
    }
}
