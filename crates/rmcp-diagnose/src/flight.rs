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
    /// The kernel whose turn it was, or the one before it. Simulated cards move a queue's read index on when a kernel has
    /// run, so that there it is the first of the two; what real ones do has not been tried, so that neither counts more.
    pub(super) const WHERE_THE_CARD_WAS: u32 = 6;
    pub(super) const FAILED_QUEUE: u32 = 4;
    pub(super) const ARGUMENT_AT_FAULT: u32 = 8;
    pub(super) const ARGUMENT_NEAR_FAULT: u32 = 6;
    pub(super) const ARGUMENT_FREED: u32 = 5;
    pub(super) const ARGUMENT_NOWHERE: u32 = 3;
    pub(super) const ARGUMENTS_UNREADABLE: u32 = 7;
}

/// Explains a record. `address` is what a log says of the fault. It may be of another process, so that the record's own word
/// is taken before it.
pub fn explain_flight(record: &FlightRecord, address: Option<u64>) -> FlightExplanation {
    let fault = fault(record, address);
    let at = fault.as_ref().and_then(|fault| fault.address);
    let nearest = at.and_then(|address| nearest(record, address));
    let evidence = Evidence { record, fault: fault.as_ref(), nearest: nearest.as_ref() };
    // A record may hold some ten thousand of them, so that only those that are shown are written out.
    let mut open: Vec<(u32, &FlightQueue, &FlightDispatch)> = record
        .queues
        .iter()
        .filter(|queue| queue.destroyed.is_none() && evidence.is_its_card(queue))
        .flat_map(|queue| queue.latest.iter().map(move |dispatch| (queue, dispatch)))
        .filter(|(queue, dispatch)| !dispatch.ended && dispatch.packet <= queue.taken)
        .map(|(queue, dispatch)| (evidence.weight(queue, dispatch), queue, dispatch))
        .collect();
    let not_ended = open.len();
    open.sort_by_key(|(weight, queue, dispatch)| {
        (std::cmp::Reverse(*weight), queue.row, dispatch.packet)
    });
    let shown = open.into_iter().take(SUSPECTS);
    let suspects = shown.map(|(_, queue, dispatch)| evidence.suspect(queue, dispatch)).collect();
    let again = record.events.iter().filter_map(|event| match event.what {
        FlightHappening::Free { base, again: true, .. } => Some(base),
        _ => None,
    });
    FlightExplanation {
        suspects,
        not_ended,
        nearest,
        freed_twice: again.collect(),
        redirected: redirected(&record.events),
        fault,
    }
}

/// How much a record tells of the fault, where each process of a job has one: the greatest is that of the process that
/// did it. A log's word stands in all of them alike and says nothing of the process, unless it has memory there.
pub fn flight_rank(explanation: &FlightExplanation) -> impl Ord + use<> {
    let fault = explanation.fault.as_ref();
    let first = explanation.suspects.first();
    (
        fault.is_some_and(|fault| fault.seen && fault.from == RECORD && fault.address.is_some()),
        fault.is_some_and(|fault| fault.seen),
        explanation.nearest.is_some(),
        first.is_some(),
        first.map(|suspect| suspect.weight),
    )
}

/// Who tells of an address.
const RECORD: &str = "record";
const LOG: &str = "log";

/// The fault of a record: the first, as the others follow from it.
fn fault(record: &FlightRecord, log: Option<u64>) -> Option<FlightFault> {
    let memory = record.events.iter().find_map(|event| match event.what {
        FlightHappening::MemoryFault { address, agent, .. } => Some((address, agent, event.time)),
        _ => None,
    });
    let queue = record.events.iter().find_map(|event| match event.what {
        FlightHappening::QueueError { queue } => Some((queue, event.status, event.time)),
        _ => None,
    });
    // The runtime says of a stopped queue alone which it was, not of which card.
    let stopped = queue.and_then(|(row, ..)| record.queues.iter().find(|queue| queue.row == row));
    let seen = memory.is_some() || queue.is_some();
    if log.is_none() && !seen {
        return None;
    }
    let own = memory.map(|(address, ..)| address);
    let from = if own.is_none() && log.is_some() { LOG } else { RECORD };
    Some(FlightFault {
        address: own.or(log),
        from: from.to_owned(),
        log,
        seen,
        agent: match memory {
            Some((_, agent, _)) => agent,
            None => stopped.and_then(|queue| queue.agent),
        },
        queue: queue.map(|(queue, ..)| queue),
        status: queue.map(|(_, status, _)| status),
        time: memory.map(|(.., time)| time).or(queue.map(|(.., time)| time)),
    })
}

/// What a kernel is held against.
struct Evidence<'a> {
    record: &'a FlightRecord,
    fault: Option<&'a FlightFault>,
    nearest: Option<&'a NearAllocation>,
}

impl Evidence<'_> {
    /// Whether a queue may be one of the card that met the fault.
    fn is_its_card(&self, queue: &FlightQueue) -> bool {
        let met = self.fault.and_then(|fault| fault.agent);
        met.is_none() || queue.agent.is_none() || met == queue.agent
    }

    fn weight(&self, queue: &FlightQueue, dispatch: &FlightDispatch) -> u32 {
        let mut sum = 0;
        self.reasons(queue, dispatch, &mut |weight, _| sum += weight);
        sum
    }

    /// Tells what speaks for a kernel, and how much.
    fn reasons(
        &self,
        queue: &FlightQueue,
        dispatch: &FlightDispatch,
        says: &mut dyn FnMut(u32, std::fmt::Arguments<'_>),
    ) {
        if dispatch.packet == queue.taken {
            says(weight::WHERE_THE_CARD_WAS, format_args!("it was its turn in its queue"));
        } else if dispatch.packet + 1 == queue.taken {
            let words = format_args!("it was the last that the card had taken from its queue");
            says(weight::WHERE_THE_CARD_WAS, words);
        }
        if self.fault.is_some_and(|fault| fault.queue == Some(queue.row)) {
            says(weight::FAILED_QUEUE, format_args!("the runtime stopped its queue"));
        }
        let Some(arguments) = &dispatch.arguments else { return };
        if arguments.words.is_empty() && arguments.wanted > 0 {
            let words = format_args!("its arguments are not where it was told");
            says(weight::ARGUMENTS_UNREADABLE, words);
        }
        let address = self.fault.and_then(|fault| fault.address);
        for (number, &word) in arguments.words.iter().enumerate() {
            if let Some((more, words)) = argument(self.record, word, address, self.nearest) {
                says(more, format_args!("argument word {number}, {word:#x}, {words}"));
            }
        }
    }

    fn suspect(&self, queue: &FlightQueue, dispatch: &FlightDispatch) -> FlightSuspect {
        let (mut weight, mut why) = (0, Vec::new());
        self.reasons(queue, dispatch, &mut |more, words| {
            weight += more;
            why.push(words.to_string());
        });
        let words = dispatch.arguments.iter().flat_map(|arguments| &arguments.words);
        let pointer = |&word: &u64| Some(near(word, holding(self.record, word)?));
        let kernel = dispatch.kernel.and_then(|row| self.record.kernels.get(row));
        let code = kernel.and_then(|kernel| self.record.codes.get(kernel.code?));
        FlightSuspect {
            queue: queue.row,
            dispatch: dispatch.clone(),
            name: kernel.map(|kernel| kernel.name.clone()).filter(|name| !name.is_empty()),
            weight,
            why,
            pointers: words.filter_map(pointer).collect(),
            file: code.and_then(|code| code.file.clone()),
            target: None,
            scan: None,
        }
    }
}

/// What an argument says: how much, and in which words.
fn argument(
    record: &FlightRecord,
    word: u64,
    fault: Option<u64>,
    nearest: Option<&NearAllocation>,
) -> Option<(u32, &'static str)> {
    let at_fault = fault.is_some_and(|fault| fault / PAGE == word / PAGE && word != 0);
    match holding(record, word) {
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

/// How many allocations were redirected, and for which reasons others were not. Those that failed are neither.
fn redirected(events: &[FlightEvent]) -> Vec<(String, u64)> {
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| event.status == 0) {
        if let FlightHappening::Allocate { why, .. } = &event.what {
            *counts.entry(why.clone()).or_insert(0) += 1;
        }
    }
    counts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::{FlightArguments, FlightLosses};

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

    /// A queue of an agent, of which nothing is known to have ended.
    fn queue(row: usize, agent: Option<usize>, taken: u64, packets: &[u64]) -> FlightQueue {
        let latest = packets.iter().map(|&packet| dispatch(packet, &[])).collect();
        FlightQueue {
            row,
            id: 0,
            agent,
            created: 0,
            destroyed: None,
            error: None,
            written: 0,
            taken,
            ended: 0,
            dispatches: packets.len() as u64,
            missed: 0,
            latest,
        }
    }

    fn dispatch(packet: u64, words: &[u64]) -> FlightDispatch {
        let arguments = FlightArguments { wanted: 8, words: words.to_vec() };
        FlightDispatch {
            packet,
            time: 0,
            kernel: None,
            grid: [32, 1, 1],
            group: [32, 1, 1],
            kernarg: 0,
            lds: 0,
            private: 0,
            barrier: false,
            ended: false,
            arguments: (!words.is_empty()).then_some(arguments),
        }
    }

    fn memory_fault(address: u64, agent: Option<usize>, time: u64) -> FlightEvent {
        let what = FlightHappening::MemoryFault { address, reasons: 0, agent };
        FlightEvent { time, status: 0, what }
    }

    fn queue_error(queue: usize, time: u64) -> FlightEvent {
        FlightEvent { time, status: 0x1016, what: FlightHappening::QueueError { queue } }
    }

    /// Queue, packet and weight of those that are suspected.
    fn order(record: &FlightRecord) -> Vec<(usize, u64, u32)> {
        let suspects = explain_flight(record, None).suspects;
        let of = |suspect: &FlightSuspect| (suspect.queue, suspect.dispatch.packet, suspect.weight);
        suspects.iter().map(of).collect()
    }

    /// Of the two at which the card can have been, only their arguments tell which it was.
    #[test]
    fn whose_turn_it_was_and_what_was_taken_last_weigh_the_same() {
        let mut record = record(Vec::new());
        record.queues = vec![queue(0, None, 5, &[3, 4, 5, 6])];
        // What the card had not come to is not suspected.
        assert_eq!(order(&record), [(0, 4, 6), (0, 5, 6), (0, 3, 0)]);
        for bad in [4, 5] {
            record.events = vec![memory_fault(0x1234_5678_9000, None, 7)];
            let latest = [4, 5].map(|packet| {
                dispatch(packet, &[if packet == bad { 0x1234_5678_9010 } else { 1 }])
            });
            record.queues[0].latest = latest.to_vec();
            assert_eq!(order(&record)[0], (0, bad, 14), "{bad}");
        }
    }

    #[test]
    fn what_speaks_for_a_kernel_is_weighed() {
        let mut record = record(vec![
            allocation(0x7000_0000_0000, 0x1000, None),
            allocation(0x7000_0010_0000, 0x1000, Some(9)),
        ]);
        record.queues = (0..7).map(|row| queue(row, None, 9, &[])).collect();
        let arguments: [&[u64]; 6] = [
            &[1, 2],
            &[0x5000_0000_0000],
            &[0x7000_0010_0800],
            &[0x7000_0000_0800],
            &[0x7000_0000_1040],
            &[0x7000_0000_1040, 0x5000_0000_0000],
        ];
        for (queue, words) in record.queues.iter_mut().zip(arguments) {
            queue.latest = vec![dispatch(3, words)];
        }
        let unreadable = FlightArguments { wanted: 8, words: Vec::new() };
        let unreadable = FlightDispatch { arguments: Some(unreadable), ..dispatch(3, &[]) };
        record.queues[6].latest = vec![unreadable];
        record.events = vec![memory_fault(0x7000_0000_1000, None, 7), queue_error(2, 8)];
        let expected =
            [(5, 3, 11), (2, 3, 9), (4, 3, 8), (6, 3, 7), (3, 3, 6), (1, 3, 3), (0, 3, 0)];
        assert_eq!(order(&record), expected);
        // The words are those that were weighed.
        let why = &explain_flight(&record, None).suspects[0].why;
        assert_eq!(why.len(), 2, "{why:?}");
        assert_eq!(why[0], "argument word 0, 0x700000001040, is the address of the fault");
    }

    #[test]
    fn a_queue_of_another_card_is_not_suspected() {
        let mut record = record(Vec::new());
        record.queues =
            vec![queue(0, Some(1), 5, &[5]), queue(1, Some(2), 5, &[5]), queue(2, None, 5, &[5])];
        assert_eq!(order(&record), [(0, 5, 6), (1, 5, 6), (2, 5, 6)]);
        record.events = vec![memory_fault(0x1000_0000, Some(2), 7)];
        assert_eq!(order(&record), [(1, 5, 6), (2, 5, 6)], "of the third it is not known");
        let explained = explain_flight(&record, None);
        assert_eq!(explained.fault.and_then(|fault| fault.agent), Some(2));
        assert_eq!(explained.not_ended, 2);
        record.events = vec![queue_error(0, 7)];
        assert_eq!(order(&record), [(0, 5, 10), (2, 5, 6)], "the stopped queue is one of its card");
        // A card of which the record knows nothing excludes none.
        record.events = vec![memory_fault(0x1000_0000, None, 7)];
        assert_eq!(order(&record).len(), 3);
    }

    #[test]
    fn however_many_have_not_ended_few_are_written_out() {
        let mut record = record(Vec::new());
        let packets: Vec<u64> = (0..500).collect();
        record.queues = (0..64).map(|row| queue(row, None, 500, &packets)).collect();
        let explained = explain_flight(&record, None);
        assert_eq!((explained.suspects.len(), explained.not_ended), (SUSPECTS, 32_000));
        assert!(explained.suspects.iter().all(|suspect| suspect.dispatch.packet == 499));
    }

    #[test]
    fn the_first_fault_is_the_one_that_others_follow_from() {
        let mut record = record(Vec::new());
        record.events = vec![
            memory_fault(0x1000, Some(1), 7),
            queue_error(3, 8),
            memory_fault(0x2000, Some(0), 9),
            queue_error(4, 10),
        ];
        let fault = explain_flight(&record, None).fault.unwrap();
        assert_eq!((fault.address, fault.agent, fault.queue), (Some(0x1000), Some(1), Some(3)));
        assert_eq!((fault.time, &*fault.from, fault.seen), (Some(7), "record", true));
        // What a log says may be of another process.
        let fault = explain_flight(&record, Some(0x5000)).fault.unwrap();
        assert_eq!((fault.address, fault.log), (Some(0x1000), Some(0x5000)));
    }

    /// A log's address stands in each process's record; what a record itself has seen counts.
    #[test]
    fn of_two_processes_the_one_that_met_the_fault_says_most() {
        let log = Some(0x7000_0000_0010);
        let explained = |change: &dyn Fn(&mut FlightRecord)| {
            let mut record = record(Vec::new());
            change(&mut record);
            explain_flight(&record, log)
        };
        let idle = explained(&|_| {});
        assert_eq!(
            idle.fault.as_ref().map(|fault| (fault.seen, &*fault.from)),
            Some((false, "log"))
        );
        let busy = explained(&|record| record.queues = vec![queue(0, None, 5, &[4, 5])]);
        let near = explained(&|record| {
            record.allocations = vec![allocation(0x7000_0000_0000, 0x1000, None)];
        });
        let stopped = explained(&|record| record.events = vec![queue_error(0, 7)]);
        let met = explained(&|record| record.events = vec![memory_fault(0x1000, None, 7)]);
        let all = [&idle, &busy, &near, &stopped, &met];
        for (number, pair) in all.windows(2).enumerate() {
            assert!(flight_rank(pair[0]) < flight_rank(pair[1]), "{number}");
        }
    }

    #[test]
    fn allocations_that_failed_are_not_counted_as_redirected() {
        let asked = |status| FlightEvent {
            time: 0,
            status,
            what: FlightHappening::Allocate {
                base: 0x1000,
                bytes: 64,
                pool: None,
                asked: None,
                why: "redirected".to_owned(),
                redirected: true,
            },
        };
        let mut record = record(Vec::new());
        record.events = vec![asked(0), asked(0x1008), asked(0)];
        let redirected = explain_flight(&record, None).redirected;
        assert_eq!(redirected, [("redirected".to_owned(), 2)]);
    }
}
