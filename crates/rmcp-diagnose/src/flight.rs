//! What a flight record tells of a fault: which kernel it can have been, and on which memory.
//!
//! The card says of a fault at most an address. What speaks for a kernel is therefore weighed: where in its queue the card
//! was, and whether its arguments point to where the fault was, or to memory that is no more.

use rmcp_model::{
    AllocationPlace, FlightAllocation, FlightDispatch, FlightEvent, FlightExplanation, FlightFault,
    FlightHappening, FlightQueue, FlightRecord, FlightSuspect, NearAllocation,
};
use std::collections::BTreeMap;

/// Pages of the card, in which its own report of an address is. Source: Linux `amdgpu_vm.h`, `AMDGPU_GPU_PAGE_SIZE`.
const PAGE: u64 = 4096;

/// How far behind the end of an allocation an address may be and still have to do with it, and how far before it: an index
/// that runs on or is wrong is mostly too large.
const NEAR_BEHIND: u64 = 16 << 20;
const NEAR_BEFORE: u64 = 1 << 20;

/// Addresses below this are none that a program has. Source: Linux `Documentation/admin-guide/sysctl/vm.rst`, `mmap_min_addr`.
const LOWEST_ADDRESS: u64 = 1 << 16;

/// Addresses of a process are below this. Source: Linux `Documentation/arch/x86/x86_64/mm.rst`.
const HIGHEST_ADDRESS: u64 = 1 << 47;

/// Most suspects that are worth a reader's time.
const SUSPECTS: usize = 8;

/// What speaks for a kernel, and how much.
mod weight {
    pub(super) const ITS_TURN: u32 = 6;
    pub(super) const JUST_TAKEN: u32 = 5;
    pub(super) const FAILED_QUEUE: u32 = 4;
    pub(super) const ARGUMENT_AT_FAULT: u32 = 8;
    pub(super) const ARGUMENT_NEAR_FAULT: u32 = 6;
    pub(super) const ARGUMENT_FREED: u32 = 5;
    pub(super) const ARGUMENT_NOWHERE: u32 = 3;
    pub(super) const ARGUMENTS_UNREADABLE: u32 = 7;
}

/// Explains a record. `address` is what a log says of the fault, which is taken before the record's own word.
pub fn explain_flight(record: &FlightRecord, address: Option<u64>) -> FlightExplanation {
    let fault = fault(record, address);
    let at = fault.as_ref().and_then(|fault| fault.address);
    let nearest = at.and_then(|address| nearest(record, address));
    let mut suspects: Vec<(u32, FlightSuspect)> = record
        .queues
        .iter()
        .filter(|queue| queue.destroyed.is_none())
        .flat_map(|queue| queue.latest.iter().map(move |dispatch| (queue, dispatch)))
        .filter(|(queue, dispatch)| !dispatch.ended && dispatch.packet <= queue.taken)
        .map(|(queue, dispatch)| weigh(record, fault.as_ref(), nearest.as_ref(), queue, dispatch))
        .collect();
    suspects.sort_by_key(|(weight, suspect)| {
        (std::cmp::Reverse(*weight), suspect.queue, suspect.dispatch.packet)
    });
    let again = record.events.iter().filter_map(|event| match event.what {
        FlightHappening::Free { base, again: true, .. } => Some(base),
        _ => None,
    });
    FlightExplanation {
        suspects: suspects.into_iter().map(|(_, suspect)| suspect).take(SUSPECTS).collect(),
        nearest,
        freed_twice: again.collect(),
        redirected: redirected(&record.events),
        fault,
    }
}

fn fault(record: &FlightRecord, address: Option<u64>) -> Option<FlightFault> {
    let memory = record.events.iter().rev().find_map(|event| match event.what {
        FlightHappening::MemoryFault { address, .. } => Some((address, event.time)),
        _ => None,
    });
    let queue = record.events.iter().rev().find_map(|event| match event.what {
        FlightHappening::QueueError { queue } => Some((queue, event.status, event.time)),
        _ => None,
    });
    if address.is_none() && memory.is_none() && queue.is_none() {
        return None;
    }
    Some(FlightFault {
        address: address.or(memory.map(|(address, _)| address)),
        from: if address.is_some() { "log" } else { "record" }.to_owned(),
        queue: queue.map(|(queue, ..)| queue),
        status: queue.map(|(_, status, _)| status),
        time: memory.map(|(_, time)| time).or(queue.map(|(.., time)| time)),
    })
}

fn weigh(
    record: &FlightRecord,
    fault: Option<&FlightFault>,
    nearest: Option<&NearAllocation>,
    queue: &FlightQueue,
    dispatch: &FlightDispatch,
) -> (u32, FlightSuspect) {
    let (mut weight, mut why) = (0, Vec::new());
    let mut says = |more: u32, words: String| {
        weight += more;
        why.push(words);
    };
    if dispatch.packet == queue.taken {
        says(weight::ITS_TURN, "it was its turn in its queue".to_owned());
    } else if dispatch.packet + 1 == queue.taken {
        says(
            weight::JUST_TAKEN,
            "it was the last that the card had taken from its queue".to_owned(),
        );
    }
    if fault.is_some_and(|fault| fault.queue == Some(queue.row)) {
        says(weight::FAILED_QUEUE, "the runtime stopped its queue".to_owned());
    }
    let address = fault.and_then(|fault| fault.address);
    let mut pointers = Vec::new();
    if let Some(arguments) = &dispatch.arguments {
        if arguments.words.is_empty() && arguments.wanted > 0 {
            let words = "its arguments are not where it was told".to_owned();
            says(weight::ARGUMENTS_UNREADABLE, words);
        }
        for (number, &word) in arguments.words.iter().enumerate() {
            let (more, words, pointer) = argument(record, word, address, nearest);
            if let Some(words) = words {
                says(more, format!("argument word {number}, {word:#x}, {words}"));
            }
            pointers.extend(pointer);
        }
    }
    let kernel = dispatch.kernel.and_then(|row| record.kernels.get(row));
    let code = kernel.and_then(|kernel| record.codes.get(kernel.code?));
    let suspect = FlightSuspect {
        queue: queue.row,
        dispatch: dispatch.clone(),
        name: kernel.map(|kernel| kernel.name.clone()).filter(|name| !name.is_empty()),
        why,
        pointers,
        file: code.and_then(|code| code.file.clone()),
        target: None,
        scan: None,
    };
    (weight, suspect)
}

/// What an argument says: how much, in which words, and into which allocation it points.
fn argument(
    record: &FlightRecord,
    word: u64,
    fault: Option<u64>,
    nearest: Option<&NearAllocation>,
) -> (u32, Option<String>, Option<NearAllocation>) {
    let at_fault = fault.is_some_and(|fault| fault / PAGE == word / PAGE && word != 0);
    let found = holding(record, word);
    let pointer = found.map(|allocation| near(word, allocation));
    let words = match found {
        Some(allocation) if allocation.freed.is_some() => {
            Some((weight::ARGUMENT_FREED, "points into memory that was freed"))
        }
        Some(allocation) => {
            let same = nearest.is_some_and(|near| near.allocation == *allocation);
            same.then_some((
                weight::ARGUMENT_NEAR_FAULT,
                "points into the allocation next to the fault",
            ))
        }
        None if at_fault => Some((weight::ARGUMENT_AT_FAULT, "is the address of the fault")),
        None if is_address(word) => {
            Some((weight::ARGUMENT_NOWHERE, "is the address of nothing that was allocated"))
        }
        None => None,
    };
    match words {
        Some((weight, words)) => (weight, Some(words.to_owned()), pointer),
        None => (0, None, pointer),
    }
}

/// Whether a word can be an address of this process. Two numbers of 32 bits side by side rarely look like one.
fn is_address(word: u64) -> bool {
    (LOWEST_ADDRESS..HIGHEST_ADDRESS).contains(&word) && word >> 32 != 0 && word.is_multiple_of(4)
}

/// The allocation that holds an address: one that is there before one that was freed, the latest first.
fn holding(record: &FlightRecord, address: u64) -> Option<&FlightAllocation> {
    let holds = |allocation: &&FlightAllocation| {
        address.checked_sub(allocation.base).is_some_and(|offset| offset < allocation.bytes)
    };
    let found = record.allocations.iter().filter(holds);
    found.max_by_key(|allocation| (allocation.freed.is_none(), allocation.time))
}

/// The allocation that holds an address, or the nearest to it.
fn nearest(record: &FlightRecord, address: u64) -> Option<NearAllocation> {
    if let Some(found) = holding(record, address) {
        return Some(near(address, found));
    }
    let all = record.allocations.iter().map(|allocation| near(address, allocation));
    // Writing on behind the end is commoner than before the beginning; what is there is likelier than what was.
    let is_near = |near: &NearAllocation| match near.place {
        AllocationPlace::Before => near.distance <= NEAR_BEFORE,
        _ => near.distance <= NEAR_BEHIND,
    };
    all.filter(is_near).min_by_key(|near| {
        (near.distance, near.place == AllocationPlace::Before, near.allocation.freed.is_some())
    })
}

fn near(address: u64, allocation: &FlightAllocation) -> NearAllocation {
    let end = allocation.base.saturating_add(allocation.bytes);
    let (place, distance) = if address < allocation.base {
        (AllocationPlace::Before, allocation.base - address)
    } else if address < end {
        (AllocationPlace::Inside, address - allocation.base)
    } else {
        (AllocationPlace::Behind, address - end)
    };
    NearAllocation { address, allocation: allocation.clone(), place, distance }
}

/// How many allocations were redirected, and for which reasons others were not.
fn redirected(events: &[FlightEvent]) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    for event in events {
        if let FlightHappening::Allocate { why, .. } = &event.what {
            *counts.entry(why.clone()).or_insert(0) += 1;
        }
    }
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::FlightLosses;

    fn allocation(base: u64, bytes: u64, freed: Option<u64>) -> FlightAllocation {
        let (pool, asked, marks) = (None, None, Vec::new());
        FlightAllocation { base, bytes, time: base, freed, pool, asked, marks }
    }

    fn record(allocations: Vec<FlightAllocation>) -> FlightRecord {
        FlightRecord {
            pid: 1,
            forked_from: None,
            program: String::new(),
            started: 0,
            seen: 0,
            ended: false,
            memory: "observe".to_owned(),
            guard: false,
            simulated: false,
            gfx_override: None,
            runtime: String::new(),
            agents: Vec::new(),
            pools: Vec::new(),
            codes: Vec::new(),
            kernels: Vec::new(),
            queues: Vec::new(),
            allocations,
            events: Vec::new(),
            lost: FlightLosses::default(),
        }
    }

    #[test]
    fn the_nearest_allocation_is_the_one_that_a_kernel_meant() {
        let record = record(vec![
            allocation(0x10_0000, 0x1000, None),
            allocation(0x20_0000, 0x3000, Some(9)),
            allocation(0x20_1000, 0x1000, None),
            allocation(0x90_0000, 0x1000, None),
        ]);
        use AllocationPlace::{Before, Behind, Inside};
        for (address, expected) in [
            (0x10_0000, Some((0x10_0000, Inside, 0))),
            (0x10_0fff, Some((0x10_0000, Inside, 0xfff))),
            // The first byte behind it.
            (0x10_1000, Some((0x10_0000, Behind, 0))),
            // Where something new lies in what was freed, the new one counts; else what was freed.
            (0x20_1800, Some((0x20_1000, Inside, 0x800))),
            (0x20_2800, Some((0x20_0000, Inside, 0x2800))),
            // Behind one is likelier than before another, as long as it is no farther.
            (0x20_3800, Some((0x20_0000, Behind, 0x800))),
            (0x8f_ff00, Some((0x90_0000, Before, 0x100))),
            (0x7fff_0000_0000, None),
        ] {
            let found = explain_flight(&record, Some(address)).nearest;
            let found = found.map(|near| (near.allocation.base, near.place, near.distance));
            assert_eq!(found, expected, "{address:#x}");
        }
    }

    #[test]
    fn without_a_word_of_a_fault_there_is_none() {
        let explained = explain_flight(&record(Vec::new()), None);
        assert_eq!((explained.fault, explained.nearest), (None, None));
        let fault = explain_flight(&record(Vec::new()), Some(64)).fault.map(|fault| fault.from);
        assert_eq!(fault.as_deref(), Some("log"));
    }
}
