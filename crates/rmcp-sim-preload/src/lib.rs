//! What programs call: functions of the C library and of libdrm, which this library stands in front of.
//!
//! Each looks whether it is asked for something of the simulated machine, and otherwise calls the function that it
//! hides. Nothing is simulated, and nothing is in the way, in a process without the variable
//! [`rmcp_sim::settings::VARIABLE`].
//!
//! A crate of its own: whoever links it has his own `open` and `ioctl` replaced.

#![expect(
    clippy::disallowed_methods,
    reason = "its variable is how this library is told what to do"
)]

mod devices;
mod drm;
mod files;
mod folders;
mod real;

use rmcp_sim::driver::Driver;
use rmcp_sim::settings::{Settings, VARIABLE};
use std::cell::Cell;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

thread_local! {
    /// Set while this thread is in here: what we do ourselves is not simulated.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// The driver of this process, for ever once it is made; a child that was forked finds its parent's.
static DRIVER: AtomicPtr<Driver> = AtomicPtr::new(std::ptr::null_mut());

/// Returns the driver of this process, and makes it where there is none yet. `None` where nothing is to be simulated,
/// or where the driver itself is asking.
fn driver() -> Option<&'static Driver> {
    if INSIDE.try_with(Cell::get).unwrap_or(true) {
        return None;
    }
    // SAFETY: never null once set, and never freed.
    if let Some(driver) = unsafe { DRIVER.load(Ordering::Acquire).as_ref() }
        && driver.process() == std::process::id()
    {
        return Some(driver);
    }
    within(make)
}

/// Does something that is not to be simulated.
fn within<T>(work: impl FnOnce() -> T) -> T {
    INSIDE.with(|inside| inside.set(true));
    let done = work();
    INSIDE.with(|inside| inside.set(false));
    done
}

fn make() -> Option<&'static Driver> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: as in `driver`.
    if let Some(driver) = unsafe { DRIVER.load(Ordering::Acquire).as_ref() }
        && driver.process() == std::process::id()
    {
        return Some(driver);
    }
    let text = std::env::var(VARIABLE).ok()?;
    let made = serde_json::from_str::<Settings>(&text)
        .map_err(|error| error.to_string())
        .and_then(|settings| Driver::new(&settings).map_err(|error| error.to_string()));
    match made {
        Ok(driver) => {
            let driver: &'static mut Driver = Box::leak(Box::new(driver));
            DRIVER.store(driver, Ordering::Release);
            // SAFETY: registers a function of this library, which is never unloaded.
            unsafe { libc::atexit(at_exit) };
            Some(driver)
        }
        Err(error) => {
            eprintln!("rmcp sim: {VARIABLE}: {error}");
            // Half a simulation would be worse than none.
            std::process::abort();
        }
    }
}

/// Says at the end of a program what was run.
extern "C" fn at_exit() {
    // SAFETY: as in `driver`.
    if let Some(driver) = unsafe { DRIVER.load(Ordering::Acquire).as_ref() }
        && driver.process() == std::process::id()
    {
        driver.say_counters();
    }
}

/// Sets the error number of the C library.
fn set_errno(error: i32) {
    // SAFETY: the address of this thread's own number.
    unsafe { *libc::__errno_location() = error };
}
