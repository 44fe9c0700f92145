//! What kind of end a job came to. Pure.

use super::attend::{Attended, Status};
use memchr::memmem;
use rmcp_model::{Ending, LogKind};

/// Kinds that mean that the GPU, its driver or its libraries failed, not the program.
///
/// What is wrong with the machine before anything runs (permission, driver, PCIe) counts too: another device is not
/// touched by it. Out of GPU memory does not: the same job needs the same memory.
fn is_fault(kind: LogKind, output: &[u8], kernel_log: &[String]) -> bool {
    match kind {
        LogKind::NvidiaCuda => {
            let has = |words: &&str| memmem::find(output, words.as_bytes()).is_some();
            CUDA_FAULTS.iter().any(has) || kernel_log.iter().any(|line| line.contains(XID))
        }
        LogKind::ApertureViolation
        | LogKind::PageFault
        | LogKind::IllegalAddress
        | LogKind::NoBinary
        | LogKind::IllegalInstruction
        | LogKind::CodeObjectLoad
        | LogKind::TensileMissing
        | LogKind::Miopen
        | LogKind::CompileError
        | LogKind::HangTimeout
        | LogKind::Permission
        | LogKind::PcieAtomics
        | LogKind::DriverNotLoaded
        | LogKind::HsaInit
        | LogKind::DmesgGcvm
        | LogKind::HardwareRas => true,
        LogKind::Oom
        | LogKind::CpuOrCudaWheel
        | LogKind::VersionMismatch
        | LogKind::Segfault
        | LogKind::HardwareMce
        | LogKind::PythonOther
        | LogKind::None => false,
    }
}

/// Errors of CUDA after which a process cannot use its GPU any more, and that are no wrong argument.
///
/// Source: NVIDIA, CUDA Runtime API, `cudaError`: 214, 700, 702, 714 to 719, and the texts of `cudaGetErrorString` in CUDA 13.
const CUDA_FAULTS: [&str; 9] = [
    "uncorrectable ECC error encountered",
    "an illegal memory access was encountered",
    "the launch timed out and was terminated",
    "hardware stack error",
    "an illegal instruction was encountered",
    "misaligned address",
    "operation not supported on global/shared address space",
    "invalid program counter",
    "unspecified launch failure",
];

/// How NVIDIA's driver begins a report of a fault in the kernel log. Source: NVIDIA, XID Errors.
const XID: &str = "NVRM: Xid";

/// The kernel's words when it kills a process for want of memory. Source: Linux `mm/oom_kill.c`, `__oom_kill_process`.
const OOM_KILLER: [&str; 2] = ["Out of memory: Killed process", "Memory cgroup out of memory"];

/// SIGKILL. Source: signal(7).
const SIGKILL: i32 = 9;

/// Says what kind of end it was. `kind` is what `explain` makes of the output and of the kernel log in its time.
pub fn ending(attended: &Attended, kind: LogKind, kernel_log: &[String]) -> Ending {
    // A shell gives a signal of its child as a code. Source: POSIX, Shell Command Language, 2.8.2.
    let signal = match attended.status {
        Status::Code(0) => return Ending::Done,
        Status::Signal(signal) => Some(signal),
        Status::Code(code @ 129..=192) => Some(code - 128),
        Status::Code(_) => None,
    };
    if attended.hung {
        return Ending::Hang;
    }
    if let Some(signal) = attended.interrupted {
        return Ending::Interrupted { signal };
    }
    let killed_for_memory = |line: &String| OOM_KILLER.iter().any(|words| line.contains(words));
    if signal == Some(SIGKILL) {
        return match kernel_log.iter().any(killed_for_memory) {
            true => Ending::OutOfMemory,
            false => Ending::Interrupted { signal: SIGKILL },
        };
    }
    match is_fault(kind, &attended.output.bytes, kernel_log) {
        true => Ending::GpuFault { kind },
        false => Ending::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::Captured;
    use std::time::Duration;

    fn job(status: Status) -> Attended {
        Attended {
            status,
            output: Captured::default(),
            hung: false,
            interrupted: None,
            time: Duration::ZERO,
        }
    }

    #[test]
    fn only_what_the_gpu_did_is_its_fault() {
        let fault = Ending::GpuFault { kind: LogKind::ApertureViolation };
        let oom = ["Out of memory: Killed process 7 (python3)".to_owned()];
        for (attended, kind, log, expected) in [
            (job(Status::Code(0)), LogKind::ApertureViolation, &[][..], Ending::Done),
            (job(Status::Signal(6)), LogKind::ApertureViolation, &[], fault.clone()),
            (job(Status::Code(134)), LogKind::ApertureViolation, &[], fault),
            (job(Status::Code(1)), LogKind::PythonOther, &[], Ending::Error),
            (job(Status::Signal(11)), LogKind::Segfault, &[], Ending::Error),
            (job(Status::Code(1)), LogKind::Oom, &[], Ending::Error),
            (job(Status::Signal(9)), LogKind::None, &oom, Ending::OutOfMemory),
            (job(Status::Code(137)), LogKind::None, &oom, Ending::OutOfMemory),
            (job(Status::Signal(9)), LogKind::None, &[], Ending::Interrupted { signal: 9 }),
            (
                Attended { interrupted: Some(2), ..job(Status::Signal(2)) },
                LogKind::ApertureViolation,
                &[],
                Ending::Interrupted { signal: 2 },
            ),
            (Attended { hung: true, ..job(Status::Signal(15)) }, LogKind::None, &[], Ending::Hang),
        ] {
            assert_eq!(ending(&attended, kind, log), expected, "{attended:?}");
        }
    }

    #[test]
    fn cuda_fails_and_is_told_wrong_things() {
        let kind = LogKind::NvidiaCuda;
        let xid = ["NVRM: Xid (PCI:0000:01:00): 31, pid=7".to_owned()];
        for (text, log, expected) in [
            ("CUDA error: an illegal memory access was encountered", &[][..], true),
            ("CUDA error: unspecified launch failure", &[], true),
            ("CUDA error", &xid, true),
            ("torch.OutOfMemoryError: CUDA out of memory.", &[], false),
            ("CUDA error: invalid argument", &[], false),
        ] {
            let output = Captured { bytes: text.into(), total: text.len() as u64 };
            let attended = Attended { output, ..job(Status::Code(1)) };
            assert_eq!(ending(&attended, kind, log).is_gpu_failure(), expected, "{text}");
        }
    }
}
