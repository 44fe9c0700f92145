//! What goes wrong, and how it is said.

use crate::compare::{GRID, GROUP, N, cards};
use crate::support::Argument::{Address, Word};
use crate::support::Card;
use rmcp_code::isa::Target;
use rmcp_sim::exec::FaultKind;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

#[test]
fn a_trap_says_where() {
    for (mut card, _) in cards() {
        let to = card.put(&[0_u32; N]);
        let queue = card.put(&[0_u8; 256]);
        let _ = queue;
        let fault = card.run("traps", GRID, GROUP, &[Address(to), Word(130)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Trap(2), "{fault}");
        assert_eq!(fault.group, [2, 0, 0]);
        assert!(fault.text.starts_with("s_trap 2"), "{fault}");
    }
}

#[test]
fn faults_name_the_address() {
    for (mut card, _) in cards() {
        let good = card.put(&[0.0_f32; N]);
        let end = good + 4 * N as u64;
        let mut add = |a: u64, b: u64, c: u64| {
            let arguments = [Address(a), Address(b), Address(c), Word(N as u32)];
            card.run("add", GRID, GROUP, &arguments).unwrap_err()
        };
        let fault = add(good + 4 * 60, good, good);
        assert_eq!(fault.kind, FaultKind::PageFault { va: end, write: false }, "{fault}");
        assert_eq!(fault.group, [3, 0, 0]);
        assert!(fault.text.starts_with("global_load_dword"), "{fault}");
        let fault = add(good, good, good + 4 * 60);
        assert_eq!(fault.kind, FaultKind::PageFault { va: end, write: true });
        let fault = add(5 << 48, good, good);
        assert_eq!(fault.kind, FaultKind::Aperture { va: 5 << 48 });
        let constant = card.memory.add(4 * N, false, false);
        let arguments = [Address(good), Address(good), Address(constant), Word(N as u32)];
        let fault = card.run("add", GRID, GROUP, &arguments).unwrap_err();
        assert!(matches!(fault.kind, FaultKind::ReadOnly { .. }), "{fault}");
    }
}

#[test]
fn what_a_target_lacks_is_illegal() {
    let mut card = Card::new(Target::Gfx1010, "gfx1030");
    let from = card.put(&vec![1_u8; 16 * N]);
    let to = card.put(&[0_i32; N]);
    let arguments = [Address(from), Address(from), Address(to), Word(N as u32)];
    let fault = card.run("bytes", GRID, GROUP, &arguments).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Illegal, "{fault}");
}

#[test]
fn a_dispatch_that_never_ends_is_stopped() {
    for (mut card, _) in cards() {
        let stop: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        card.stop = Some(stop);
        let flags = card.put(&[0_u32; 16]);
        // Each waits for the one behind it, and the last for one that there is not.
        let clock = std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(50));
            stop.store(true, Relaxed);
        });
        let fault = card.run("backward", GRID, GROUP, &[Address(flags), Word(9)]).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Cancelled, "{fault}");
        clock.join().unwrap();
    }
}

#[test]
fn impossible_dispatches_are_refused() {
    let mut card = Card::new(Target::Gfx1030, "gfx1030");
    let to = card.put(&[0_u32; N]);
    let fault = card.run("recursive", GRID, [0, 1, 1], &[Address(to)]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Dispatch);
    let fault = card.run("recursive", GRID, [64, 64, 1], &[Address(to)]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Dispatch);
    // Nothing to do.
    let counters = card.run("recursive", [0, 1, 1], GROUP, &[Address(to)]).unwrap();
    assert_eq!(counters.waves, 0);
}
