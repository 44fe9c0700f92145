//! Locks on the way of code that is loaded, which is the program's own time.

use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value behind a lock that a child which was forked gets anew: the thread that held it there may not be in the child.
pub(crate) struct Lock<T>(AtomicPtr<Mutex<T>>);

impl<T: Default> Lock<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// The value, alone.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let mut known = self.0.load(Ordering::Acquire);
        if known.is_null() {
            let made = Box::into_raw(Box::default());
            let order = (Ordering::AcqRel, Ordering::Acquire);
            match self.0.compare_exchange(known, made, order.0, order.1) {
                Ok(_) => known = made,
                Err(other) => {
                    // SAFETY: made above, and known to nobody.
                    drop(unsafe { Box::from_raw(made) });
                    known = other;
                }
            }
        }
        // SAFETY: made above, and never freed.
        unsafe { &*known }.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves the lock and its value to whoever had it, and begins with none.
    pub(crate) fn renew(&self) {
        self.0.store(std::ptr::null_mut(), Ordering::Release);
    }
}
