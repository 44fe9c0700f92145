//! A simulated Radeon of the RDNA1 and RDNA2 families.
//!
//! [`exec`] runs the kernels: it is given memory and a dispatch, and knows nothing of queues or drivers.

pub mod exec;
