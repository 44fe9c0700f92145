//! The functions that this library hides.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A function of a library behind this one.
pub(crate) struct Real {
    name: &'static CStr,
    address: AtomicUsize,
}

impl Real {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, address: AtomicUsize::new(0) }
    }

    /// Its address, 0 where no library has it.
    pub(crate) fn address(&self) -> usize {
        match self.address.load(Ordering::Relaxed) {
            0 => {
                // SAFETY: the name is a C string; the result is only an address.
                let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } as usize;
                self.address.store(found, Ordering::Relaxed);
                found
            }
            address => address,
        }
    }
}

/// Calls the hidden function of this name and type. Where there is none, which happens only with a C library that is
/// not glibc, the call fails as an unknown system call does.
macro_rules! real {
    ($name:ident ( $($argument:expr),* ) : fn($($type:ty),*) -> $result:ty, or $failed:expr) => {{
        static REAL: $crate::real::Real = $crate::real::Real::new(
            // SAFETY: the literal ends in the only NUL.
            unsafe { std::ffi::CStr::from_bytes_with_nul_unchecked(concat!(stringify!($name), "\0").as_bytes()) },
        );
        match REAL.address() {
            0 => {
                $crate::set_errno(libc::ENOSYS);
                $failed
            }
            address => {
                // SAFETY: the C library's function of this name has this type.
                let function = unsafe {
                    std::mem::transmute::<usize, unsafe extern "C" fn($($type),*) -> $result>(address)
                };
                // SAFETY: the caller's arguments, as they are.
                unsafe { function($($argument),*) }
            }
        }
    }};
}
pub(crate) use real;
