//! The software that would use the GPU: ROCm installations and Python environments.

pub mod python;
pub mod rocm;
