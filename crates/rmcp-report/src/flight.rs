//! Flight records: what a program did with the GPU, and which kernel may be to blame.

use crate::clean::one_line;
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

/// Suspects that are shown without [`Detail::Full`].
const LIKELIEST: usize = 4;

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
        let title =
            format!("flight record of {} (process {})", one_line(&record.program), record.pid);
        let title = self.palette.bold(&title);
        self.line(&title);
        let overridden = record.gfx_override.as_ref();
        let overridden = overridden.map_or_else(String::new, |value| {
            format!(", HSA_OVERRIDE_GFX_VERSION={}", one_line(value))
        });
        let cards = if cards.is_empty() {
            "no card was seen".to_owned()
        } else {
            one_line(&cards).into_owned()
        };
        let cards = if record.simulated { format!("{cards} (simulated)") } else { cards };
        let guard = if record.guard { ", allocations guarded" } else { "" };
        let about = format!(
            "  {}: {cards}{overridden}, memory {}{guard}, {} long",
            one_line(source),
            record.memory,
            seconds(record.seen)
        );
        let about = self.palette.faint(&about);
        self.line(&about);
    }

    fn fault(&mut self, record: &FlightRecord, explanation: &FlightExplanation) {
        let text = match (&explanation.fault, record.ended) {
            (Some(fault), _) => format!("{} {}", self.palette.bad("✗"), fault_text(record, fault)),
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
        if explanation.fault.as_ref().is_some_and(|fault| !fault.seen) {
            self.line(
                "  this record has seen no fault itself: it may be another process that met it",
            );
        }
    }

    fn suspects(&mut self, record: &FlightRecord, explanation: &FlightExplanation) {
        let Some(first) = explanation.suspects.first() else { return };
        let all = explanation.not_ended.max(explanation.suspects.len());
        let as_likely = explanation.suspects.get(1).is_some_and(|next| next.weight >= first.weight);
        let shown = if self.detail == Detail::Full { usize::MAX } else { LIKELIEST };
        let mut shown = explanation.suspects.iter().take(shown);
        self.line("");
        if as_likely {
            // Which stands first says nothing. Of those without a reason none weighs more.
            self.line(&format!("One of {all} whose end was not seen:"));
        } else if first.why.is_empty() {
            self.line("The only one whose end was not seen:");
        } else {
            self.line("Most likely:");
            shown.by_ref().take(1).for_each(|likeliest| self.suspect(record, likeliest));
            if all > 1 {
                self.line("");
                self.line(&format!("Others whose end was not seen ({}):", all - 1));
            }
        }
        shown.for_each(|suspect| self.suspect(record, suspect));
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
                self.line(&format!("    from {} for {target}", one_line(file)))
            }
            (Some(file), None) => self.line(&format!("    from {}", one_line(file))),
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
            // Older ones are no longer in it.
            self.line(&format!("  of the last {} events:", record.events.len()));
            for (why, count) in &explanation.redirected {
                self.line(&format!("    {count} {}", one_line(why)));
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

fn fault_text(record: &FlightRecord, fault: &FlightFault) -> String {
    let card = which_card(record, fault.agent);
    let mut text = match fault.address {
        Some(address) => format!("{card} met an address that it may not use: {address:#x}"),
        None => format!("the runtime stopped a queue of {card}"),
    };
    match (fault.address, fault.log) {
        (Some(address), Some(log)) if address != log => {
            let _ = write!(text, " (from the record; the log says {log:#x})");
        }
        (Some(_), _) if fault.from == "log" => text.push_str(" (from the log)"),
        _ => {}
    }
    if let (Some(queue), Some(status)) = (fault.queue, fault.status) {
        let _ = write!(text, " (queue {queue}, status {status:#x})");
    }
    if let Some(time) = fault.time {
        let _ = write!(text, ", {} after the beginning", seconds(time));
    }
    text
}

/// The card that met a fault; with its number where there are several.
fn which_card(record: &FlightRecord, agent: Option<usize>) -> String {
    let several = record.agents.iter().filter(|agent| agent.gpu).count() > 1;
    match agent.and_then(|row| Some((row, record.agents.get(row)?))) {
        Some((row, agent)) if several => format!("agent {row}, {},", one_line(&agent.name)),
        _ => "the card".to_owned(),
    }
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
    let name = one_line(&name);
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

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::{
        FlightAgent, FlightCode, FlightEvent, FlightHappening, FlightKernel, FlightLosses,
        FlightQueue,
    };

    /// A record whose every text is this one.
    fn record(text: &str) -> FlightRecord {
        let text = text.to_owned();
        let agent =
            FlightAgent { handle: 1, gpu: true, name: text.clone(), isa: Some(text.clone()) };
        let code = FlightCode {
            elf_flags: 0,
            bytes: 0,
            hash: String::new(),
            file: Some(text.clone()),
            offset: 0,
            base: 0,
            span: 0,
            time: 0,
            calls_host: false,
            unloaded: false,
        };
        let kernel =
            FlightKernel { code: Some(0), name: text.clone(), object: 0, kernarg_bytes: 0 };
        let queue = FlightQueue {
            row: 0,
            id: 0,
            agent: Some(0),
            created: 0,
            destroyed: None,
            error: None,
            written: 2,
            taken: 1,
            ended: 0,
            dispatches: 2,
            missed: 0,
            latest: vec![dispatch(0), dispatch(1)],
        };
        FlightRecord {
            pid: 1,
            forked_from: None,
            program: text.clone(),
            started: 0,
            seen: 0,
            ended: false,
            memory: "coarse".to_owned(),
            guard: false,
            simulated: false,
            gfx_override: Some(text.clone()),
            runtime: text,
            agents: vec![agent],
            pools: Vec::new(),
            codes: vec![code],
            kernels: vec![kernel],
            queues: vec![queue],
            allocations: Vec::new(),
            events: vec![FlightEvent { time: 0, status: 0, what: FlightHappening::Unload }],
            lost: FlightLosses::default(),
        }
    }

    fn dispatch(packet: u64) -> FlightDispatch {
        FlightDispatch {
            packet,
            time: 0,
            kernel: Some(0),
            grid: [1; 3],
            group: [1; 3],
            kernarg: 0,
            lds: 0,
            private: 0,
            barrier: false,
            ended: false,
            arguments: None,
        }
    }

    /// Suspects of these weights; those that weigh something have a reason.
    fn explanation(text: &str, weights: &[u32], not_ended: usize) -> FlightExplanation {
        let suspect = |(packet, &weight): (u64, &u32)| FlightSuspect {
            queue: 0,
            dispatch: dispatch(packet),
            name: Some(text.to_owned()),
            weight,
            why: (0..weight.min(1)).map(|_| "a reason".to_owned()).collect(),
            pointers: Vec::new(),
            file: Some(text.to_owned()),
            target: None,
            scan: None,
        };
        FlightExplanation {
            fault: None,
            suspects: (0..).zip(weights).map(suspect).collect(),
            not_ended,
            nearest: None,
            freed_twice: Vec::new(),
            redirected: vec![("redirected".to_owned(), 3)],
        }
    }

    fn page(text: &str, explanation: &FlightExplanation) -> String {
        flight_text(&record(text), explanation, text, Detail::Short, Palette::new(false))
    }

    #[test]
    fn the_heading_says_no_more_than_the_evidence() {
        for (weights, not_ended, heading, others) in [
            (&[14, 6][..], 2, "Most likely:", Some("Others whose end was not seen (1):")),
            (&[14, 6], 40, "Most likely:", Some("Others whose end was not seen (39):")),
            (&[6], 1, "Most likely:", None),
            (&[6, 6], 2, "One of 2 whose end was not seen:", None),
            (&[0, 0], 40, "One of 40 whose end was not seen:", None),
            (&[0], 1, "The only one whose end was not seen:", None),
        ] {
            let page = page("name", &explanation("name", weights, not_ended));
            let headings: Vec<&str> =
                page.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
            let expected: Vec<&str> = [heading].into_iter().chain(others).collect();
            assert_eq!(headings, expected, "{weights:?}: {page}");
            let shown = page.matches("    queue 0, packet").count();
            assert_eq!(shown, weights.len(), "{page}");
        }
    }

    #[test]
    fn the_page_says_whose_word_an_address_is() {
        let fault = |address, log, seen| FlightFault {
            address,
            from: if seen && address.is_some() { "record" } else { "log" }.to_owned(),
            log,
            seen,
            agent: None,
            queue: None,
            status: None,
            time: None,
        };
        let other = "it may be another process that met it";
        for (fault, words, another) in [
            (fault(Some(0x1000), None, true), "may not use: 0x1000\n", false),
            (fault(Some(0x1000), Some(0x1000), true), "may not use: 0x1000\n", false),
            (
                fault(Some(0x1000), Some(0x5000), true),
                "0x1000 (from the record; the log says 0x5000)\n",
                false,
            ),
            (fault(Some(0x5000), Some(0x5000), false), "0x5000 (from the log)\n", true),
        ] {
            let mut explanation = explanation("name", &[6], 1);
            explanation.fault = Some(fault);
            let page = page("name", &explanation);
            assert!(page.contains(words), "no {words} in {page}");
            assert_eq!(page.contains(other), another, "{page}");
        }
    }

    #[test]
    fn of_several_cards_the_one_that_met_the_fault_is_named() {
        let fault = FlightFault {
            address: Some(0x1000),
            from: "record".to_owned(),
            log: None,
            seen: true,
            agent: Some(1),
            queue: None,
            status: None,
            time: None,
        };
        let mut record = record("gfx1010");
        assert!(fault_text(&record, &fault).starts_with("the card met an address"));
        record.agents.push(FlightAgent { name: "gfx1030".to_owned(), ..record.agents[0].clone() });
        assert!(fault_text(&record, &fault).starts_with("agent 1, gfx1030, met an address"));
        let unknown = FlightFault { agent: None, ..fault };
        assert!(fault_text(&record, &unknown).starts_with("the card met an address"));
    }

    #[test]
    fn what_was_redirected_is_said_of_the_events_that_are_left() {
        let page = page("name", &explanation("name", &[], 0));
        assert!(page.contains("  of the last 1 events:\n    3 redirected\n"), "{page}");
    }

    /// Names in a record are a stranger's: none of them makes a line that looks like one of ours.
    #[test]
    fn no_name_forges_a_line() {
        let plain = page("name", &explanation("name", &[6, 6], 2));
        let forged = "name\nMost likely:\n  innocent\u{1b}[2J";
        let page = page(forged, &explanation(forged, &[6, 6], 2));
        assert_eq!(page.lines().count(), plain.lines().count(), "{page}");
        assert!(!page.lines().any(|line| line == "Most likely:"), "{page}");
        assert!(!page.contains('\u{1b}'), "{page:?}");
    }
}
