//! Events of a record, in their order.

use crate::bytes::{Bytes, Row};
use crate::layout::{EventRow, count, place};
use crate::read::row_of;
use crate::words::{REASONS, event};
use rmcp_model::{FlightAgent, FlightEvent, FlightHappening};
use std::mem::offset_of;

/// What events may name.
pub(crate) struct Known<'a> {
    pub(crate) agents: &'a [FlightAgent],
    pub(crate) pools: usize,
    pub(crate) codes: usize,
}

/// The events, oldest first, and how many were torn.
pub(crate) fn events(bytes: Bytes<'_>, clock: u64, known: &Known<'_>) -> (Vec<FlightEvent>, u32) {
    let (mut found, mut torn) = (Vec::new(), 0);
    for (number, row) in bytes.rows::<EventRow>(place::EVENTS, count::EVENTS).enumerate() {
        let mark = row.long(offset_of!(EventRow, mark));
        let empty = mark == 0 && row.long(offset_of!(EventRow, time)) == 0;
        match mark.checked_sub(1).filter(|at| at % count::EVENTS as u64 == number as u64) {
            Some(at) => found.push((at, event_of(row, clock, known))),
            None => torn += u32::from(!empty),
        }
    }
    found.sort_by_key(|(at, _)| *at);
    (found.into_iter().map(|(_, event)| event).collect(), torn)
}

fn event_of(row: Row<'_>, clock: u64, known: &Known<'_>) -> FlightEvent {
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|at| row.long(offset_of!(EventRow, values) + 8 * at));
    let number =
        |value: u64, rows: usize| u32::try_from(value).ok().and_then(|row| row_of(row, rows));
    let queue = number(a, count::QUEUES).unwrap_or(count::QUEUES);
    let kind = row.word(offset_of!(EventRow, kind));
    let what = match kind {
        event::ALLOCATE => FlightHappening::Allocate {
            base: a,
            bytes: b,
            pool: number(c, known.pools),
            asked: number(d, known.pools),
            why: number(e, REASONS.len()).map_or_else(String::new, |why| REASONS[why].to_owned()),
            redirected: c != d,
        },
        event::FREE => FlightHappening::Free { base: a, bytes: b, again: d == 1 },
        event::COPY => FlightHappening::Copy { to: a, from: b, bytes: c },
        event::FILL => FlightHappening::Fill { to: a, bytes: c.saturating_mul(4) },
        event::LOAD => FlightHappening::Load { code: number(a, known.codes) },
        event::UNLOAD => FlightHappening::Unload,
        event::QUEUE => FlightHappening::Queue { queue },
        event::QUEUE_END => FlightHappening::QueueEnd { queue },
        event::QUEUE_ERROR => FlightHappening::QueueError { queue },
        event::MEMORY_FAULT => FlightHappening::MemoryFault {
            address: a,
            reasons: b,
            agent: known.agents.iter().position(|agent| agent.handle == c),
        },
        event::SVM => FlightHappening::Coherency { base: a, bytes: b, asked: d, set: e },
        _ => FlightHappening::Unknown { kind },
    };
    FlightEvent {
        time: row.long(offset_of!(EventRow, time)).saturating_sub(clock),
        status: row.word(offset_of!(EventRow, status)),
        what,
    }
}
