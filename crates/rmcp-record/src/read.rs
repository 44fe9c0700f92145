//! Takes a record apart. Its bytes may be anything: what does not fit is left out and counted, and what comes out is bounded
//! by the layout.

use crate::bytes::{Bytes, Row};
use crate::events;
use crate::layout::{
    AgentRow, AllocationRow, ArgumentsRow, CodeRow, Head, KernelRow, MAGIC, PacketRow, PoolRow,
    QueueRow, VERSION, count, place,
};
use crate::words::{BARRIER, ENDED, MEMORY, NO_KERNEL, allocation};
use rmcp_model::{
    FlightAgent, FlightAllocation, FlightArguments, FlightCode, FlightDispatch, FlightKernel,
    FlightLosses, FlightPool, FlightQueue, FlightRecord,
};
use std::mem::offset_of;

/// Most text of all names and paths together: what the table holds, however often its parts are named.
const MOST_TEXT: usize = 4 * count::TEXT;

/// Longest text that is read: no name or path that is written is longer.
const LONGEST_TEXT: usize = 16 << 10;

/// Why bytes are no record that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// They begin otherwise.
    #[error("this is no flight record: it does not begin with RMCPFLT")]
    NoRecord,
    /// They are shorter than the head.
    #[error("the record has {0} bytes, fewer than its head")]
    Short(usize),
    /// Another version.
    #[error("the record has version {0} of the format; this RMCP reads version {VERSION}")]
    Version(u32),
}

/// Whether these bytes begin as a record does.
pub fn is_record(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Reads a record.
///
/// # Errors
/// [`RecordError`] for what is no record, and for versions that are not known. A record that was cut short or written over
/// is read as far as it makes sense.
pub fn read(bytes: &[u8]) -> Result<FlightRecord, RecordError> {
    if !is_record(bytes) {
        return Err(RecordError::NoRecord);
    }
    if bytes.len() < size_of::<Head>() {
        return Err(RecordError::Short(bytes.len()));
    }
    let bytes = Bytes(bytes);
    let head = bytes.head();
    let version = head.word(offset_of!(Head, version));
    if version != VERSION {
        return Err(RecordError::Version(version));
    }
    let mut reader =
        Reader { bytes, clock: head.long(offset_of!(Head, clock)), torn: 0, text_left: MOST_TEXT };
    let agents = reader.agents();
    let pools = reader.pools(&agents);
    let codes = reader.codes();
    let kernels = reader.kernels(codes.len());
    let queues = reader.queues(agents.len(), kernels.len());
    let allocations = reader.allocations(pools.len());
    let known = events::Known { agents: &agents, pools: pools.len(), codes: codes.len() };
    let (events, torn) = events::events(bytes, reader.clock, &known);
    let forked_from = head.word(offset_of!(Head, forked_from));
    let memory = MEMORY.get(head.word(offset_of!(Head, memory)) as usize);
    Ok(FlightRecord {
        pid: head.word(offset_of!(Head, pid)),
        forked_from: (forked_from != 0).then_some(forked_from),
        program: reader.text(head, offset_of!(Head, program)).unwrap_or_default(),
        started: head.long(offset_of!(Head, started)),
        seen: reader.time(head, offset_of!(Head, seen)),
        ended: head.word(offset_of!(Head, ended)) == 1,
        memory: memory.map_or_else(|| "unknown".to_owned(), |&name| name.to_owned()),
        guard: head.word(offset_of!(Head, guard)) == 1,
        simulated: head.word(offset_of!(Head, simulated)) == 1,
        gfx_override: reader.text(head, offset_of!(Head, gfx_override)),
        runtime: reader.text(head, offset_of!(Head, runtime)).unwrap_or_default(),
        lost: FlightLosses {
            queues: head.word(offset_of!(Head, lost_queues)),
            allocations: head.word(offset_of!(Head, lost_allocations)),
            kernels: head.word(offset_of!(Head, lost_kernels)),
            texts: head.word(offset_of!(Head, lost_texts)),
            torn: reader.torn + torn,
        },
        agents,
        pools,
        codes,
        kernels,
        queues,
        allocations,
        events,
    })
}

/// A number of a row, where there is such a row.
pub(crate) fn row_of(number: u32, rows: usize) -> Option<usize> {
    Some(number as usize).filter(|&row| row < rows)
}

struct Reader<'a> {
    bytes: Bytes<'a>,
    clock: u64,
    torn: u32,
    text_left: usize,
}

impl<'a> Reader<'a> {
    fn text(&mut self, row: Row<'_>, at: usize) -> Option<String> {
        let text = self.bytes.text(row, at)?;
        let left = self.text_left.checked_sub(text.len()).filter(|_| text.len() <= LONGEST_TEXT);
        if left.is_none() {
            self.torn = self.torn.saturating_add(1);
        }
        self.text_left = left?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// A time since the beginning.
    fn time(&self, row: Row<'_>, at: usize) -> u64 {
        row.long(at).saturating_sub(self.clock)
    }

    /// Rows of a table that is filled from the front. One that was not finished is there as an empty one, so that the others
    /// keep their numbers. A row begins with its mark.
    fn filled<T>(&mut self, place: usize, count: usize, used: usize) -> Vec<Row<'a>> {
        let used = self.bytes.head().word(used) as usize;
        let rows = self.bytes.rows::<T>(place, count).take(used);
        let rows: Vec<_> = rows.map(|row| Some(row).filter(|row| row.word(0) != 0)).collect();
        let torn = rows.iter().filter(|row| row.is_none()).count();
        self.torn = self.torn.saturating_add(u32::try_from(torn).unwrap_or(u32::MAX));
        rows.into_iter().map(Option::unwrap_or_default).collect()
    }

    fn agents(&mut self) -> Vec<FlightAgent> {
        let rows = self.filled::<AgentRow>(place::AGENTS, count::AGENTS, offset_of!(Head, agents));
        let agent = |row: Row<'_>| FlightAgent {
            handle: row.long(offset_of!(AgentRow, handle)),
            gpu: row.word(offset_of!(AgentRow, kind)) == 1,
            name: self.text(row, offset_of!(AgentRow, name)).unwrap_or_default(),
            isa: self.text(row, offset_of!(AgentRow, isa)),
        };
        rows.into_iter().map(agent).collect()
    }

    fn pools(&mut self, agents: &[FlightAgent]) -> Vec<FlightPool> {
        let rows = self.filled::<PoolRow>(place::POOLS, count::POOLS, offset_of!(Head, pools));
        let pool = |row: Row<'_>| FlightPool {
            agent: row_of(row.word(offset_of!(PoolRow, agent)), agents.len())
                .filter(|_| !row.is_empty()),
            bytes: row.long(offset_of!(PoolRow, bytes)),
            kind: kind_of(
                row.word(offset_of!(PoolRow, segment)),
                row.word(offset_of!(PoolRow, flags)),
            ),
        };
        rows.into_iter().map(pool).collect()
    }

    fn codes(&mut self) -> Vec<FlightCode> {
        let rows = self.filled::<CodeRow>(place::CODES, count::CODES, offset_of!(Head, codes));
        let mut codes = Vec::with_capacity(rows.len());
        for row in rows {
            let hash = [0, 8].map(|at| row.long(offset_of!(CodeRow, hash) + at).swap_bytes());
            codes.push(FlightCode {
                elf_flags: row.word(offset_of!(CodeRow, elf_flags)),
                bytes: row.long(offset_of!(CodeRow, bytes)),
                hash: format!("{:016x}{:016x}", hash[0], hash[1]),
                file: self.text(row, offset_of!(CodeRow, file)),
                offset: row.long(offset_of!(CodeRow, offset)),
                base: row.long(offset_of!(CodeRow, base)),
                span: row.long(offset_of!(CodeRow, span)),
                time: self.time(row, offset_of!(CodeRow, time)),
                calls_host: row.word(offset_of!(CodeRow, calls_host)) == 1,
                unloaded: row.word(offset_of!(CodeRow, mark)) == 2,
            });
        }
        codes
    }

    fn kernels(&mut self, codes: usize) -> Vec<FlightKernel> {
        let rows =
            self.filled::<KernelRow>(place::KERNELS, count::KERNELS, offset_of!(Head, kernels));
        let kernel = |row: Row<'_>| FlightKernel {
            code: row_of(row.word(offset_of!(KernelRow, code)), codes).filter(|_| !row.is_empty()),
            name: self.text(row, offset_of!(KernelRow, name)).unwrap_or_default(),
            object: row.long(offset_of!(KernelRow, object)),
            kernarg_bytes: row.word(offset_of!(KernelRow, kernarg_bytes)),
        };
        rows.into_iter().map(kernel).collect()
    }

    fn queues(&mut self, agents: usize, kernels: usize) -> Vec<FlightQueue> {
        let rows: Vec<_> =
            self.bytes.rows::<QueueRow>(place::QUEUES, count::QUEUES).enumerate().collect();
        let used = rows.into_iter().filter(|(_, row)| row.word(offset_of!(QueueRow, mark)) != 0);
        used.map(|(number, row)| self.queue(number, row, agents, kernels)).collect()
    }

    fn queue(&mut self, number: usize, row: Row<'_>, agents: usize, kernels: usize) -> FlightQueue {
        let error = row.word(offset_of!(QueueRow, error));
        let destroyed = row.long(offset_of!(QueueRow, destroyed));
        let ended = row.long(offset_of!(QueueRow, ended));
        FlightQueue {
            row: number,
            id: row.long(offset_of!(QueueRow, id)),
            agent: row_of(row.word(offset_of!(QueueRow, agent)), agents),
            created: self.time(row, offset_of!(QueueRow, created)),
            destroyed: (destroyed != 0).then(|| destroyed.saturating_sub(self.clock)),
            error: (error != 0).then_some(error),
            written: row.long(offset_of!(QueueRow, written)),
            taken: row.long(offset_of!(QueueRow, taken)),
            ended,
            dispatches: row.long(offset_of!(QueueRow, dispatches)),
            missed: row.long(offset_of!(QueueRow, missed)),
            latest: self.packets(number, kernels, ended, row.long(offset_of!(QueueRow, taken))),
        }
    }

    /// The kernels among the latest packets of a queue, by their number.
    ///
    /// A packet with its barrier bit is taken when all before it have ended, so of those nothing is to be feared.
    fn packets(
        &mut self,
        queue: usize,
        kernels: usize,
        mut ended: u64,
        taken: u64,
    ) -> Vec<FlightDispatch> {
        let place = place::PACKETS + queue * count::PACKETS * size_of::<PacketRow>();
        let arguments = self.arguments(queue);
        let mut found: Vec<FlightDispatch> = Vec::new();
        let rows = self.bytes.rows::<PacketRow>(place, count::PACKETS);
        for (number, row) in rows.enumerate() {
            let mark = row.long(offset_of!(PacketRow, mark));
            let empty = mark == 0 && row.long(offset_of!(PacketRow, time)) == 0;
            let Some(packet) =
                mark.checked_sub(1).filter(|at| at % count::PACKETS as u64 == number as u64)
            else {
                self.torn = self.torn.saturating_add(u32::from(!empty));
                continue;
            };
            let kernel = row.word(offset_of!(PacketRow, kernel));
            let header = row.half(offset_of!(PacketRow, header));
            if header & BARRIER != 0 && packet < taken {
                ended = ended.max(packet);
            }
            if kernel == NO_KERNEL {
                continue;
            }
            let kept = arguments.iter().rfind(|(at, _)| *at == packet);
            found.push(FlightDispatch {
                packet,
                time: self.time(row, offset_of!(PacketRow, time)),
                kernel: row_of(kernel, kernels),
                grid: [0, 1, 2].map(|at| row.word(offset_of!(PacketRow, grid) + 4 * at)),
                group: [0, 1, 2].map(|at| row.half(offset_of!(PacketRow, group) + 2 * at)),
                kernarg: row.long(offset_of!(PacketRow, kernarg)),
                lds: row.word(offset_of!(PacketRow, lds)),
                private: row.word(offset_of!(PacketRow, private)),
                barrier: header & BARRIER != 0,
                ended: header & ENDED != 0,
                arguments: kept.map(|(_, arguments)| arguments.clone()),
            });
        }
        found.iter_mut().for_each(|dispatch| dispatch.ended |= dispatch.packet < ended);
        found.sort_by_key(|dispatch| dispatch.packet);
        found
    }

    /// Arguments that were kept of a queue's packets.
    fn arguments(&self, queue: usize) -> Vec<(u64, FlightArguments)> {
        let rows = self.bytes.rows::<ArgumentsRow>(place::ARGUMENTS, count::ARGUMENTS);
        let of_queue = rows.filter(|row| {
            row.word(offset_of!(ArgumentsRow, mark)) == 1
                && row.word(offset_of!(ArgumentsRow, queue)) as usize == queue
        });
        let kept = |row: Row<'_>| {
            let words = (row.word(offset_of!(ArgumentsRow, bytes)) as usize / 8).min(32);
            let word = |at: usize| row.long(offset_of!(ArgumentsRow, words) + 8 * at);
            let arguments = FlightArguments {
                wanted: row.word(offset_of!(ArgumentsRow, wanted)),
                words: (0..words).map(word).collect(),
            };
            (row.long(offset_of!(ArgumentsRow, packet)), arguments)
        };
        of_queue.map(kept).collect()
    }

    fn allocations(&mut self, pools: usize) -> Vec<FlightAllocation> {
        let rows = self.bytes.rows::<AllocationRow>(place::ALLOCATIONS, count::ALLOCATIONS);
        let mut found = Vec::new();
        for row in rows {
            let mark = row.word(offset_of!(AllocationRow, mark));
            if !matches!(mark, 1 | 2) {
                let empty = mark == 0 && row.long(offset_of!(AllocationRow, base)) == 0;
                self.torn = self.torn.saturating_add(u32::from(!empty));
                continue;
            }
            let flags = row.word(offset_of!(AllocationRow, flags));
            let (pool, asked) = (
                row.word(offset_of!(AllocationRow, pool)),
                row.word(offset_of!(AllocationRow, asked)),
            );
            found.push(FlightAllocation {
                base: row.long(offset_of!(AllocationRow, base)),
                bytes: row.long(offset_of!(AllocationRow, bytes)),
                time: self.time(row, offset_of!(AllocationRow, time)),
                freed: (mark == 2).then(|| self.time(row, offset_of!(AllocationRow, freed))),
                pool: row_of(pool, pools),
                asked: row_of(asked, pools).filter(|_| asked != pool),
                marks: marks(flags),
            });
        }
        found.sort_by_key(|allocation| (allocation.base, allocation.time));
        found
    }
}

fn marks(flags: u32) -> Vec<String> {
    let names = [
        (allocation::REGION, "in a region"),
        (allocation::LOCKED, "the program's own memory"),
        (allocation::IMPORTED, "of another process"),
        (allocation::GUARDED, "guarded"),
        (allocation::QUARANTINED, "kept unmapped"),
        (allocation::REDIRECTED, "redirected"),
    ];
    names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| (*name).to_owned()).collect()
}

/// What a pool is. Source: HSA runtime `hsa_ext_amd.h`, `hsa_amd_segment_t`, `hsa_amd_memory_pool_global_flag_t`.
fn kind_of(segment: u32, flags: u32) -> String {
    let kind = match (segment, flags & 7) {
        (0, flags) if flags & 1 != 0 => "kernel arguments",
        (0, flags) if flags & 2 != 0 => "fine-grained",
        (0, flags) if flags & 4 != 0 => "coarse-grained",
        (1, _) => "read-only",
        (2, _) => "private",
        (3, _) => "LDS",
        _ => "unknown",
    };
    kind.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with a head and nothing else.
    fn empty() -> Vec<u8> {
        let mut bytes = vec![0; place::END];
        bytes[..8].copy_from_slice(&MAGIC);
        put(&mut bytes, offset_of!(Head, version), &VERSION.to_le_bytes());
        bytes
    }

    fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        bytes[at..at + value.len()].copy_from_slice(value);
    }

    /// Puts a packet with this mark, kernel and header into a row of the first queue.
    fn packet(bytes: &mut [u8], row: usize, mark: u64, kernel: u32, header: u16) {
        let at = place::PACKETS + row * size_of::<PacketRow>();
        put(bytes, at + offset_of!(PacketRow, mark), &mark.to_le_bytes());
        put(bytes, at + offset_of!(PacketRow, time), &1_u64.to_le_bytes());
        put(bytes, at + offset_of!(PacketRow, kernel), &kernel.to_le_bytes());
        put(bytes, at + offset_of!(PacketRow, header), &header.to_le_bytes());
    }

    fn queue(bytes: &mut [u8], taken: u64, ended: u64) {
        put(bytes, place::QUEUES + offset_of!(QueueRow, mark), &1_u32.to_le_bytes());
        put(bytes, place::QUEUES + offset_of!(QueueRow, taken), &taken.to_le_bytes());
        put(bytes, place::QUEUES + offset_of!(QueueRow, ended), &ended.to_le_bytes());
    }

    #[test]
    fn what_is_no_record_is_said_to_be_none() {
        assert_eq!(read(b""), Err(RecordError::NoRecord));
        assert_eq!(read(&MAGIC), Err(RecordError::Short(8)));
        let mut bytes = empty();
        bytes[8] = 9;
        assert_eq!(read(&bytes), Err(RecordError::Version(9)));
        let record = read(&empty()).unwrap();
        assert_eq!((record.queues.len(), record.lost.torn, &*record.memory), (0, 0, "observe"));
    }

    #[test]
    fn a_file_may_end_anywhere() {
        let mut bytes = empty();
        queue(&mut bytes, 3, 1);
        packet(&mut bytes, 0, 1, 0, BARRIER);
        let mut lengths: Vec<usize> = (0..400).collect();
        lengths.extend((0..place::END).step_by(99_991));
        for length in lengths {
            let read = read(&bytes[..length]);
            assert_eq!(read.is_ok(), length >= size_of::<Head>(), "{length}: {read:?}");
        }
    }

    #[test]
    fn a_packet_that_was_being_written_is_torn_and_not_shown() {
        let mut bytes = empty();
        queue(&mut bytes, 0, 0);
        packet(&mut bytes, 0, 1, 5, BARRIER);
        packet(&mut bytes, 1, 0, 5, BARRIER);
        // A number that belongs into another row.
        packet(&mut bytes, 2, 9, 5, BARRIER);
        let record = read(&bytes).unwrap();
        let shown: Vec<u64> = record.queues[0].latest.iter().map(|one| one.packet).collect();
        assert_eq!((shown, record.lost.torn), (vec![0], 2));
        assert_eq!(record.queues[0].latest[0].kernel, None, "there is no such kernel");
    }

    /// Packets 0 to 3; the card has taken 0 to 2.
    #[test]
    fn what_comes_before_a_barrier_that_was_taken_has_ended() {
        let ended = |headers: [u16; 4]| {
            let mut bytes = empty();
            queue(&mut bytes, 3, 0);
            for (row, header) in headers.into_iter().enumerate() {
                packet(&mut bytes, row, row as u64 + 1, 0, header);
            }
            let latest = read(&bytes).unwrap().queues.remove(0).latest;
            latest.into_iter().map(|one| one.ended).collect::<Vec<_>>()
        };
        assert_eq!(ended([BARRIER; 4]), [true, true, false, false]);
        assert_eq!(ended([0; 4]), [false; 4], "they may all run at once");
        assert_eq!(ended([0, BARRIER, 0, BARRIER]), [true, false, false, false]);
        assert_eq!(ended([0, 0, ENDED, 0]), [false, false, true, false]);
    }

    /// A program may die while it adds a row; rows are named by their numbers.
    #[test]
    fn a_row_that_was_not_finished_is_torn_and_keeps_its_number() {
        let mut bytes = empty();
        for used in [
            offset_of!(Head, agents),
            offset_of!(Head, pools),
            offset_of!(Head, codes),
            offset_of!(Head, kernels),
        ] {
            put(&mut bytes, used, &2_u32.to_le_bytes());
        }
        let rows = [
            (place::AGENTS, size_of::<AgentRow>(), offset_of!(AgentRow, handle)),
            (place::POOLS, size_of::<PoolRow>(), offset_of!(PoolRow, bytes)),
            (place::CODES, size_of::<CodeRow>(), offset_of!(CodeRow, bytes)),
            (place::KERNELS, size_of::<KernelRow>(), offset_of!(KernelRow, object)),
        ];
        for (table, size, field) in rows {
            // The first is half written.
            put(&mut bytes, table + field, &7_u64.to_le_bytes());
            put(&mut bytes, table + size, &1_u32.to_le_bytes());
            put(&mut bytes, table + size + field, &9_u64.to_le_bytes());
        }
        let record = read(&bytes).unwrap();
        assert_eq!(record.lost.torn, 4);
        assert_eq!([record.agents[0].handle, record.agents[1].handle], [0, 9]);
        assert_eq!([record.pools[0].bytes, record.pools[1].bytes], [0, 9]);
        assert_eq!([record.codes[0].bytes, record.codes[1].bytes], [0, 9]);
        assert_eq!([record.kernels[0].object, record.kernels[1].object], [0, 9]);
        // What is not known is not the first of something.
        assert_eq!([record.pools[0].agent, record.pools[1].agent], [None, Some(0)]);
        assert_eq!([record.kernels[0].code, record.kernels[1].code], [None, Some(0)]);
    }

    #[test]
    fn however_often_a_text_is_named_its_length_is_bounded() {
        let mut bytes = empty();
        put(&mut bytes, offset_of!(Head, kernels), &4096_u32.to_le_bytes());
        let long = u32::try_from(count::TEXT).unwrap();
        for row in 0..count::KERNELS {
            let row_at = place::KERNELS + row * size_of::<KernelRow>();
            put(&mut bytes, row_at, &1_u32.to_le_bytes());
            let at = row_at + offset_of!(KernelRow, name);
            // One in two is longer than any that is written.
            let length = if row % 2 == 0 { long } else { u32::try_from(LONGEST_TEXT).unwrap() };
            put(&mut bytes, at + 4, &length.to_le_bytes());
        }
        let record = read(&bytes).unwrap();
        let length: usize = record.kernels.iter().map(|kernel| kernel.name.len()).sum();
        assert!((1 << 20..=MOST_TEXT).contains(&length), "{length}");
        assert!(record.lost.torn > 3800, "{:?}", record.lost);
    }
}
