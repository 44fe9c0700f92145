//! What the driver does when a card reports a fault: it tells the runtime, and writes to the kernel log.
//!
//! Source of the log's lines: Linux `gmc_v10_0.c`, `gmc_v10_0_process_interrupt`, and `amdgpu_device.c`,
//! `amdgpu_device_gpu_recover`.

use super::Driver;
use super::abi::MemoryException;
use super::queue::Ring;
use crate::machine::gpu_id;

/// Values of `ErrorType` of a memory exception. Source: Linux `kfd_ioctl.h`, `KFD_MEM_ERR_*`.
mod error_type {
    pub(super) const NONE: u32 = 0;
    pub(super) const SRAM_ECC: u32 = 1;
    pub(super) const GPU_HANG: u32 = 3;
}

impl Driver {
    /// A page that is not there.
    pub(crate) fn page_fault(&self, ring: Ring, va: u64, write: bool, kernel: &str) {
        self.log_page_fault(ring, va, write, kernel);
        self.events.memory_fault(MemoryException {
            not_present: 1,
            ..exception(ring, va, error_type::NONE)
        });
    }

    /// A page that may only be read.
    pub(crate) fn read_only_fault(&self, ring: Ring, va: u64, kernel: &str) {
        self.log_page_fault(ring, va, true, kernel);
        self.events.memory_fault(MemoryException {
            read_only: 1,
            ..exception(ring, va, error_type::NONE)
        });
    }

    /// Memory of the card that has an error.
    pub(crate) fn memory_error(&self, ring: Ring, va: u64) {
        self.kernel_log(ring, "uncorrectable hardware errors detected in UMC block");
        self.events.memory_fault(exception(ring, va, error_type::SRAM_ECC));
    }

    /// The card hung and is reset.
    pub(crate) fn reset(&self, ring: Ring) {
        self.kernel_log(ring, "GPU reset begin!");
        self.kernel_log(ring, "GPU reset(1) succeeded!");
        self.events.reset_of_card(0, gpu_id(ring.card));
        self.events.memory_fault(exception(ring, 0, error_type::GPU_HANG));
    }

    fn log_page_fault(&self, ring: Ring, va: u64, write: bool, _kernel: &str) {
        let (process, page) = (std::process::id(), va >> 12 << 12);
        let name = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
        let name = name.trim();
        self.kernel_log(
            ring,
            &format!(
                "[gfxhub] page fault (src_id:0 ring:24 vmid:8 pasid:32769, for process {name} pid {process} thread {name} pid {process})"
            ),
        );
        self.kernel_log(
            ring,
            &format!("  in page starting at address 0x{page:016x} from client 0x1b (UTCL2)"),
        );
        // Bit 0: more faults; bits 4 to 7: permissions; bit 18: a write; bits 20 to 23: VMID.
        let status = 0x0080_1030 | u32::from(write) << 18;
        self.kernel_log(ring, &format!("GCVM_L2_PROTECTION_FAULT_STATUS:0x{status:08X}"));
        self.kernel_log(ring, "\t Faulty UTCL2 client ID: TCP (0x8)");
        self.kernel_log(ring, "\t MORE_FAULTS: 0x0");
        self.kernel_log(ring, "\t WALKER_ERROR: 0x0");
        self.kernel_log(ring, "\t PERMISSION_FAULTS: 0x3");
        self.kernel_log(ring, "\t MAPPING_ERROR: 0x0");
        self.kernel_log(ring, &format!("\t RW: {:#x}", u32::from(write)));
    }

    fn kernel_log(&self, ring: Ring, text: &str) {
        self.record.kernel_log(&format!("amdgpu 0000:{:02x}:00.0: amdgpu: {text}", 3 + ring.card));
    }
}

/// The exception at a page.
fn exception(ring: Ring, va: u64, error_type: u32) -> MemoryException {
    MemoryException {
        va: va >> 12 << 12,
        gpu_id: gpu_id(ring.card),
        error_type,
        ..MemoryException::default()
    }
}
