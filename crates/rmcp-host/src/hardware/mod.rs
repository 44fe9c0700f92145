//! GPUs as the kernel describes them: KFD topology and PCI/DRM devices in sysfs.

pub mod kfd;
pub mod pci;
