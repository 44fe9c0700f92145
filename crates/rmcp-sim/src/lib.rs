//! A simulated Radeon of the RDNA1 and RDNA2 families.
//!
//! Loaded into a program's process in front of the C library (`rmcp-sim-preload`), this library answers what the program asks
//! the kernel's compute driver ([`driver`]) and shows it a machine ([`machine`]) with cards ([`card`]) that are not
//! there. The program's own runtime - ROCr, HIP - is the real one. [`exec`] runs the kernels: it is given memory and a
//! dispatch, and knows nothing of queues or drivers. [`settings`] says what is simulated, [`inject`] what goes wrong,
//! [`ledger`] how much of a card's memory several processes have taken together.

#![expect(
    clippy::disallowed_methods,
    reason = "works inside a program's process, whose name and modules it shows"
)]

pub mod card;
pub mod driver;
pub mod exec;
pub mod inject;
pub mod ledger;
pub mod machine;
pub mod settings;
