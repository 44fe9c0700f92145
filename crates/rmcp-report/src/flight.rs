//! Flight records: what a program did with the GPU, and which kernel may be to blame.

use crate::clean::clean;
use crate::scan::demangle;
use crate::style::Palette;
use crate::text::Detail;
use rmcp_model::{
    AllocationPlace, FlightAllocation, FlightDispatch, FlightExplanation, FlightFault,
    FlightRecord, FlightSuspect, NearAllocation, RuleSeverity,
};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Letters of a kernel's name that are shown.
const SHORT_NAME: usize = 100;

/// Dispatches of each queue that are shown, and with [`Detail::Full`]. JSON has all.
const LATEST: usize = 5;
const MORE: usize = 64;

/// Returns a record and what it tells as `rmcp.flight/1`.
pub fn flight_json(record: &FlightRecord, explanation: &FlightExplanation, source: &str) -> Value {
    json!({
        "schema": "rmcp.flight/1",
        "source": source,
        "explanation": explanation,
        "record": record,
    })
}

/// Returns what a record tells as a page.
pub fn flight_text(
    record: &FlightRecord,
    explanation: &FlightExplanation,
    source: &str,
    detail: Detail,
    palette: Palette,
) -> String {
    let mut page = Page { out: String::new(), palette, detail };
    page.head(record, source);
    page.fault(record, explanation);
    if let Some(near) = &explanation.nearest {
        page.line(&format!("  {}", near_text(record, near)));
    }
    for base in &explanation.freed_twice {
        page.line(&format!("  memory at {base:#x} was freed a second time"));
    }
    page.suspects(record, explanation);
    page.queues(record);
    page.memory(record, explanation);
    page.lost(record);
    page.out
}

struct Page {
    out: String,
    palette: Palette,
    detail: Detail,
}

impl Page {
    fn line(&mut self, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.out, "{}", text.trim_end());
    }

    fn head(&mut self, record: &FlightRecord, source: &str) {
        let cards = record.agents.iter().filter(|agent| agent.gpu).map(|agent| agent.name.as_str());
        let cards = cards.collect::<Vec<_>>().join(", ");
        let title = format!("flight record of {} (process {})", clean(&record.program), record.pid);
        let title = self.palette.bold(&title);
        self.line(&title);
        let overridden = record.gfx_override.as_ref();
        let overridden = overridden.map_or_else(String::new, |value| {
            format!(", HSA_OVERRIDE_GFX_VERSION={}", clean(value))
        });
        let cards = if cards.is_empty() {
            "no card was seen".to_owned()
        } else {
            clean(&cards).into_owned()
        };
        let cards = if record.simulated { format!("{cards} (simulated)") } else { cards };
        let guard = if record.guard { ", allocations guarded" } else { "" };
        let about = format!(
            "  {}: {cards}{overridden}, memory {}{guard}, {} long",
            clean(source),
            record.memory,
            seconds(record.seen)
        );
        let about = self.palette.faint(&about);
        self.line(&about);
    }

    fn fault(&mut self, record: &FlightRecord, explanation: &FlightExplanation) {
        let text = match (&explanation.fault, record.ended) {
            (Some(fault), _) => format!("{} {}", self.palette.bad("✗"), fault_text(fault)),
            (None, true) => format!("{} the program came to its own end, and no fault was seen", self.palette.good("✓")),
            (None, false) if explanation.suspects.is_empty() => {
                "· no fault was seen; the program was ended by something else, or still runs".to_owned()
            }
            (None, false) => {
                "! no fault was seen, and kernels had not ended: the card hung, or the program was ended".to_owned()
            }
        };
        self.line("");
        self.line(&text);
    }

    fn suspects(&mut self, record: &FlightRecord, explanation: &FlightExplanation) {
        let Some(first) = explanation.suspects.first() else { return };
        self.line("");
        let heading = if explanation.fault.is_some() {
            "The kernel that was running:"
        } else {
            "The kernel that had not ended:"
        };
        self.line(heading);
        self.suspect(record, first);
        let others = &explanation.suspects[1..];
        if !others.is_empty() {
            self.line("");
            self.line(&format!("Others whose end was not seen ({}):", others.len()));
            let shown = if self.detail == Detail::Full { others.len() } else { 3 };
            for other in others.iter().take(shown) {
                self.suspect(record, other);
            }
        }
    }

    fn suspect(&mut self, record: &FlightRecord, suspect: &FlightSuspect) {
        let name =
            suspect.name.as_deref().map_or("a kernel that was not looked up".to_owned(), short);
        let name = self.palette.bold(&name);
        self.line(&format!("  {name}"));
        self.line(&format!(
            "    queue {}, packet {}, {}",
            suspect.queue,
            suspect.dispatch.packet,
            size_text(&suspect.dispatch)
        ));
        for why in &suspect.why {
            self.line(&format!("    {why}"));
        }
        for near in &suspect.pointers {
            self.line(&format!("    argument {}", near_text(record, near)));
        }
        match (&suspect.file, &suspect.target) {
            (Some(file), Some(target)) => {
                self.line(&format!("    from {} for {target}", clean(file)))
            }
            (Some(file), None) => self.line(&format!("    from {}", clean(file))),
            (None, Some(target)) => {
                self.line(&format!("    for {target}, from memory of the program"))
            }
            (None, None) => {}
        }
        if let Some(scan) = &suspect.scan {
            let severity = scan.severity.map_or("nothing", RuleSeverity::words);
            let rules: Vec<String> =
                scan.rules.iter().map(|(rule, hits)| format!("{rule} {hits}")).collect();
            let rules =
                if rules.is_empty() { String::new() } else { format!(" ({})", rules.join(", ")) };
            self.line(&format!("    the scan of this kernel says: {severity}{rules}"));
        }
    }

    fn queues(&mut self, record: &FlightRecord) {
        let used = record.queues.iter().filter(|queue| queue.dispatches > 0);
        for queue in used {
            self.line("");
            let state = match (queue.error, queue.destroyed) {
                (Some(status), _) => format!(", stopped with status {status:#x}"),
                (None, Some(_)) => ", destroyed".to_owned(),
                (None, None) => String::new(),
            };
            let missed = match queue.missed {
                0 => String::new(),
                missed => format!(", {missed} not read in time"),
            };
            self.line(&format!(
                "Queue {}: {} kernels in {} packets, {} taken{missed}{state}",
                queue.row, queue.dispatches, queue.written, queue.taken
            ));
            let shown = if self.detail == Detail::Full { MORE } else { LATEST };
            let skipped = queue.latest.len().saturating_sub(shown);
            for dispatch in queue.latest.iter().skip(skipped) {
                let kernel = dispatch.kernel.and_then(|row| record.kernels.get(row));
                let name = kernel.map_or("?".to_owned(), |kernel| short(&kernel.name));
                let ended = if dispatch.ended { "ended" } else { "     " };
                self.line(&format!(
                    "  {:>9} {ended} {name}, {}",
                    seconds(dispatch.time),
                    size_text(dispatch)
                ));
            }
        }
    }

    fn memory(&mut self, record: &FlightRecord, explanation: &FlightExplanation) {
        let living = record.allocations.iter().filter(|allocation| allocation.freed.is_none());
        let (count, bytes) = living.fold((0_u64, 0_u64), |(count, bytes), allocation| {
            (count + 1, bytes.saturating_add(allocation.bytes))
        });
        self.line("");
        self.line(&format!("Memory: {count} allocations of {} in all", size(bytes)));
        if record.memory != "observe" {
            for (why, count) in &explanation.redirected {
                self.line(&format!("  {count} {}", clean(why)));
            }
        }
    }

    fn lost(&mut self, record: &FlightRecord) {
        let lost = record.lost;
        let parts = [
            (lost.queues, "queues"),
            (lost.allocations, "allocations"),
            (lost.kernels, "kernels and code objects"),
            (lost.texts, "names and paths"),
            (lost.torn, "rows that were torn"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !parts.is_empty() {
            self.line(&format!("Not in this record: {}", parts.join(", ")));
        }
    }
}

fn fault_text(fault: &FlightFault) -> String {
    let mut text = match fault.address {
        Some(address) => format!("the card met an address that it may not use: {address:#x}"),
        None => "the runtime stopped a queue".to_owned(),
    };
    if let (Some(queue), Some(status)) = (fault.queue, fault.status) {
        let _ = write!(text, " (queue {queue}, status {status:#x})");
    }
    if let Some(time) = fault.time {
        let _ = write!(text, ", {} after the beginning", seconds(time));
    }
    text
}

fn near_text(record: &FlightRecord, near: &NearAllocation) -> String {
    let what = allocation_text(record, &near.allocation);
    let address = near.address;
    match near.place {
        AllocationPlace::Inside => format!("{address:#x} is byte {} of {what}", near.distance),
        AllocationPlace::Behind if near.distance == 0 => {
            format!("{address:#x} is the first byte behind {what}")
        }
        AllocationPlace::Behind => {
            format!("{address:#x} is {} bytes behind the end of {what}", near.distance)
        }
        AllocationPlace::Before => {
            format!("{address:#x} is {} bytes before the beginning of {what}", near.distance)
        }
    }
}

fn allocation_text(record: &FlightRecord, allocation: &FlightAllocation) -> String {
    let pool = allocation.pool.and_then(|row| record.pools.get(row));
    let pool = pool.map_or_else(String::new, |pool| format!(" {}", pool.kind));
    let freed = allocation.freed.map_or_else(String::new, |time| {
        format!(", which was freed {} after the beginning", seconds(time))
    });
    let marks = allocation.marks.iter().map(|mark| format!(", {mark}")).collect::<String>();
    let (base, bytes) = (allocation.base, allocation.bytes);
    format!("the{pool} allocation of {bytes} bytes at {base:#x}{marks}{freed}")
}

fn size_text(dispatch: &FlightDispatch) -> String {
    let [x, y, z] = dispatch.grid;
    let [a, b, c] = dispatch.group;
    let lds = if dispatch.lds > 0 { format!(", LDS {}", dispatch.lds) } else { String::new() };
    let private = if dispatch.private > 0 {
        format!(", scratch {}", dispatch.private)
    } else {
        String::new()
    };
    format!("grid {x}x{y}x{z}, group {a}x{b}x{c}{lds}{private}")
}

fn short(name: &str) -> String {
    let name = demangle(name);
    let name = clean(&name);
    if name.chars().count() <= SHORT_NAME {
        return name.into_owned();
    }
    name.chars().take(SHORT_NAME).collect::<String>() + "…"
}

fn seconds(nanoseconds: u64) -> String {
    format!("{}.{:03} s", nanoseconds / 1_000_000_000, nanoseconds / 1_000_000 % 1000)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}
