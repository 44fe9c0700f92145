//! The kernel, the driver, the way the machine boots, and who may use the GPU.

pub mod access;
pub mod boot;
pub mod driver;
pub mod kernel;
pub mod platform;
