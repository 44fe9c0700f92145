//! Planted faults on a simulated card: the record of the program that died names the kernel and the memory.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start programs and read what they have written"
)]

#[path = "support/hip.rs"]
mod hip;

use hip::{GUARDED, explained, sim, text, watched};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn faults() -> PathBuf {
    hip::hip("workloads/hip/faults/faults.hip", "faults", &["-lhsa-runtime64"])
}

fn late() -> PathBuf {
    hip::hip("workloads/hip/faults/late.hip", "liblate.so", &["-shared", "-fPIC"])
}

/// What a program said that it would do, and what its record tells.
struct Crash {
    output: Output,
    said: String,
    kernel: String,
    /// Address and bytes.
    allocation: Option<(u64, u64)>,
    tells: Value,
}

/// Runs a fault in a program that is watched, with or without guards.
fn crash(fault: &str, settings: &[(&str, &str)]) -> Crash {
    let folder = tempfile::tempdir().unwrap();
    let mut command = sim(&[]);
    // What hangs is ended as a user would.
    command.args(["timeout", "--signal=KILL", "20"]).arg(faults()).arg(fault);
    if fault == "hang" {
        command = sim(&[]);
        command.args(["timeout", "--signal=KILL", "4"]).arg(faults()).arg(fault);
    }
    let place = PathBuf::from(format!("{}/", folder.path().display()));
    watched(&mut command, &place, settings);
    let output = command.env("FAULTS_LATE", late()).output().unwrap();
    let said = text(&output);
    let planted = said.lines().find_map(|line| line.strip_prefix("planted ")).expect(&said);
    let word =
        |name: &str| planted.split(' ').find_map(|word| word.strip_prefix(name)).map(str::to_owned);
    let allocation = word("allocation=0x").map(|base| {
        (u64::from_str_radix(&base, 16).unwrap(), word("bytes=").unwrap().parse().unwrap())
    });
    let kernel = word("kernel=").unwrap();
    let mut records: Vec<PathBuf> =
        folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(records.len(), 1, "{records:?}: one process used the card: {said}");
    Crash { tells: explained(&records.remove(0)), output, said, kernel, allocation }
}

impl Crash {
    /// The likeliest kernel is the one.
    fn names_the_kernel(&self) {
        let name = self.tells["explanation"]["suspects"][0]["name"].as_str().unwrap_or_default();
        let length = self.kernel.len();
        let mangled = format!("{length}{}", self.kernel);
        assert!(name.contains(&mangled), "{name} is not {}: {}", self.kernel, self.said);
        assert_eq!(self.tells["record"]["simulated"], true);
    }

    /// The nearest allocation is the one, as is the one that an argument of the kernel points into.
    fn names_the_allocation(&self, place: &str, freed: bool) {
        let (base, bytes) = self.allocation.unwrap();
        let near = &self.tells["explanation"]["nearest"];
        let found = (near["allocation"]["base"].as_u64(), near["allocation"]["bytes"].as_u64());
        assert_eq!(found, (Some(base), Some(bytes)), "{near:#} {}", self.said);
        assert_eq!(near["place"], place, "{near:#}");
        assert_eq!(near["allocation"]["freed"].is_u64(), freed, "{near:#}");
    }

    /// The runtime has said why it stopped the queue.
    fn has_status(&self, status: u64) {
        assert_eq!(self.tells["explanation"]["fault"]["status"], status, "{}", self.said);
    }

    /// Its page says it in words.
    fn died(&self) {
        use std::os::unix::process::ExitStatusExt;
        assert!(self.output.status.signal().is_some(), "{:?} {}", self.output.status, self.said);
    }
}

#[test]
fn an_overrun_is_caught_where_the_allocation_ends() {
    let crash = crash("overrun", &GUARDED);
    crash.died();
    crash.names_the_kernel();
    crash.names_the_allocation("behind", false);
    // Without guards the page behind belongs to somebody, and nothing notices.
    let folder = tempfile::tempdir().unwrap();
    let mut command = sim(&[]);
    command.arg(faults()).arg("overrun");
    watched(&mut command, &folder.path().join("record"), &[]);
    let output = command.output().unwrap();
    assert!(text(&output).contains("FAIL overrun survived: hipSuccess"), "{}", text(&output));
}

#[test]
fn a_use_after_free_names_what_was_freed() {
    let crash = crash("use_after_free", &GUARDED);
    crash.died();
    crash.names_the_kernel();
    crash.names_the_allocation("inside", true);
}

#[test]
fn memory_that_is_freed_twice_is_said() {
    let crash = crash("double_free", &GUARDED);
    crash.names_the_kernel();
    crash.names_the_allocation("inside", true);
    let (base, _) = crash.allocation.unwrap();
    assert_eq!(crash.tells["explanation"]["freed_twice"], serde_json::json!([base]));
}

#[test]
fn addresses_of_nothing_name_the_kernel_whose_argument_they_are() {
    for fault in ["wild_pointer", "bad_kernarg", "late_library", "in_child", "third_in_a_row"] {
        let crash = crash(fault, &[]);
        crash.died();
        crash.names_the_kernel();
        let why = crash.tells["explanation"]["suspects"][0]["why"].to_string();
        assert!(why.contains("is the address of the fault"), "{fault}: {why}");
    }
    for fault in ["null_pointer", "bad_table"] {
        let crash = crash(fault, &[]);
        crash.died();
        crash.names_the_kernel();
    }
}

#[test]
fn a_library_that_was_loaded_late_is_named_with_the_scan_of_its_kernel() {
    let crash = crash("late_library", &[]);
    let suspect = &crash.tells["explanation"]["suspects"][0];
    assert_eq!(suspect["file"].as_str(), late().to_str(), "{suspect:#}");
    assert_eq!(suspect["target"], "gfx1010", "{suspect:#}");
    assert_eq!(suspect["scan"]["name"], suspect["name"], "{suspect:#}");
    assert_eq!(suspect["scan"]["severity"], Value::Null, "native code has nothing: {suspect:#}");
}

/// The same program in code for another card: what a scan says of this very kernel stands beside it.
#[test]
fn under_an_override_the_scan_says_what_is_wrong_with_the_kernel() {
    let mut command = sim(&[]);
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    command.arg(faults()).arg("wild_pointer").env("HSA_OVERRIDE_GFX_VERSION", "10.3.0");
    watched(&mut command, &record, &[]);
    command.output().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rmcp"))
        .args(["explain", "--format", "json", "--card", "rx5600xt", "--record"])
        .arg(&record)
        .output()
        .unwrap();
    let tells: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tells["record"]["gfx_override"], "10.3.0");
    let suspect = &tells["explanation"]["suspects"][0];
    assert_eq!(suspect["target"], "gfx1030", "{suspect:#}");
    assert_eq!(suspect["scan"]["target"], "gfx1030", "{suspect:#}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn errors_of_a_queue_name_its_kernel() {
    // HSA runtime `hsa.h` and `hsa_ext_amd.h`: aperture violation, illegal instruction, exception.
    for (fault, status) in [("aperture", 0x29), ("illegal_instruction", 0x2a), ("assert", 0x1016)] {
        let crash = crash(fault, &[]);
        crash.died();
        crash.names_the_kernel();
        crash.has_status(status);
    }
}

#[test]
fn a_hang_that_was_killed_names_the_kernel_and_its_memory() {
    let crash = crash("hang", &[]);
    crash.died();
    crash.names_the_kernel();
    let explanation = &crash.tells["explanation"];
    assert_eq!(explanation["fault"], Value::Null);
    assert_eq!(crash.tells["record"]["ended"], false);
    let (base, bytes) = crash.allocation.unwrap();
    let pointed = &explanation["suspects"][0]["pointers"][0]["allocation"];
    assert_eq!((pointed["base"].as_u64(), pointed["bytes"].as_u64()), (Some(base), Some(bytes)));
}

#[test]
fn of_kernels_side_by_side_the_one_with_the_bad_argument_is_named() {
    let crash = crash("third_of_five", &GUARDED);
    crash.names_the_kernel();
    crash.names_the_allocation("inside", true);
    let suspects = crash.tells["explanation"]["suspects"].as_array().unwrap();
    assert!(suspects.len() > 1, "they ran side by side: {suspects:#?}");
}

#[test]
fn a_stream_that_did_not_wait_names_its_kernel() {
    let crash = crash("wrong_order", &[]);
    crash.died();
    crash.names_the_kernel();
}

#[test]
fn the_page_says_it_in_words_and_takes_the_address_from_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let (record, log) = (folder.path().join("record"), folder.path().join("log"));
    let mut command = sim(&[]);
    command.arg(faults()).arg("use_after_free");
    watched(&mut command, &record, &GUARDED);
    let output = command.output().unwrap();
    std::fs::write(&log, text(&output)).unwrap();
    let explain = |arguments: &[&Path]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rmcp"));
        let output = command.args(["explain", "--record"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        text(&output)
    };
    let page = explain(&[&record]);
    for words in [
        "gfx1010 (simulated)",
        "the card met an address that it may not use",
        "of the coarse-grained allocation of 3145728 bytes",
        "which was freed",
        "write_freed(int*)",
        "points into memory that was freed",
        "for gfx1010",
        "the scan of this kernel says: nothing",
    ] {
        assert!(page.contains(words), "no {words} in {page}");
    }
    assert!(page.contains("Most likely:\n  (anonymous namespace)::write_freed(int*)\n"), "{page}");
    assert!(!page.contains("log"), "{page}");
    let with_log = explain(&[&record, &log]);
    assert!(with_log.contains("write_freed(int*)"), "{with_log}");
    std::fs::write(&log, "Memory access fault by GPU node-1 on address 0x1000. Reason: Unknown.\n")
        .unwrap();
    let of_another = explain(&[&record, &log]);
    assert!(of_another.contains("(from the record; the log says 0x1000)"), "{of_another}");
    assert!(of_another.contains("Most likely:\n  (anonymous namespace)::write_freed(int*)\n"));
}

/// `rmcp run --record` of a command on a simulated card.
fn job(home: &Path, command: &[&str]) -> Command {
    let mut run = Command::new(env!("CARGO_BIN_EXE_rmcp"));
    run.args(["run", "--record", "--guard", "--attempts", "1", "--no-cpu"])
        .args(["--simulate", "rx5600xt", "--"])
        .args(command)
        .env("HOME", home)
        .env_remove("XDG_STATE_HOME")
        .env_remove("HSA_TOOLS_LIB");
    run
}

#[test]
fn a_job_that_failed_says_which_kernel_it_was_and_one_that_did_not_keeps_nothing() {
    let home = tempfile::tempdir().unwrap();
    let program = faults();
    let run = |fault: &str| {
        text(&job(home.path(), &[program.to_str().unwrap(), fault]).output().unwrap())
    };
    let state = home.path().join(".local/state/rmcp");
    let flight = state.join("flight");
    let said = run("use_after_free");
    assert!(said.contains("write_freed(int*)"), "{said}");
    assert!(said.contains("rmcp run: the record: rmcp explain --record "), "{said}");
    assert_eq!(flight.read_dir().unwrap().count(), 1);
    let said = run("no_such_fault");
    assert!(said.contains("usage: faults NAME"), "{said}");
    assert_eq!(
        flight.read_dir().unwrap().count(),
        1,
        "of a job that ended by itself nothing is kept"
    );
    // Without its database the numbers begin again: what the older job has left is not this one's.
    for entry in state.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            std::fs::remove_file(entry).unwrap();
        }
    }
    let said = run("overrun");
    assert!(said.contains("flight/job-1-1-2/"), "{said}");
    assert!(said.contains("write_beyond(int*, int)"), "{said}");
    assert!(!said.contains("write_freed"), "{said}");
    assert_eq!(flight.read_dir().unwrap().count(), 2);
}

/// The address that the runtime prints stands in the output of both.
#[test]
fn of_two_processes_the_one_that_met_the_fault_is_shown_and_the_other_is_named() {
    let home = tempfile::tempdir().unwrap();
    let program = faults();
    let program = program.to_str().unwrap();
    let script = format!(
        "'{program}' hang > \"$HOME/said\" & innocent=$!; echo innocent $innocent
         for i in $(seq 300); do grep -q planted \"$HOME/said\" && break; sleep 0.1; done
         sleep 1; '{program}' use_after_free; kill -KILL $innocent; exit 134"
    );
    let said = text(&job(home.path(), &["sh", "-c", &script]).output().unwrap());
    assert!(said.contains("Memory access fault"), "{said}");
    let innocent = said.lines().find_map(|line| line.strip_prefix("innocent ")).expect(&said);
    assert!(!said.contains(&format!("(process {innocent})")), "{said}");
    let page = said.split_once("flight record of").expect(&said).1;
    assert!(page.contains("write_freed(int*)") && !page.contains("never_end"), "{said}");
    let other =
        format!("rmcp run: process {innocent} has seen no fault itself: rmcp explain --record ");
    assert!(said.contains(&other), "no {other} in {said}");
}

#[test]
fn an_attempt_that_cannot_be_recorded_has_not_begun() {
    let home = tempfile::tempdir().unwrap();
    // Beside this one there is no library.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let alone = place.path().join("rmcp");
    std::fs::hard_link(env!("CARGO_BIN_EXE_rmcp"), &alone).unwrap();
    let rmcp = |arguments: &[&str]| {
        let mut command = Command::new(&alone);
        command.args(arguments).env("HOME", home.path()).env_remove("XDG_STATE_HOME");
        command.output().unwrap()
    };
    let said = text(&rmcp(&["run", "--record", "--", "true"]));
    assert!(said.contains("librmcp_hsa.so is not there"), "{said}");
    let status = text(&rmcp(&["run", "--status", "--format", "json"]));
    assert!(status.contains(r#""events": []"#), "{status}");
}

/// Who unpacks an archive has not chosen its names.
#[test]
fn a_files_name_gives_no_orders_to_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a\u{1b}[2J\nerror: forged");
    let explain = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rmcp"));
        text(&command.args(["explain", "--record"]).arg(&file).output().unwrap())
    };
    let absent = explain();
    std::fs::write(&file, "no record").unwrap();
    for said in [absent, explain()] {
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("a\u{fffd}[2J\u{fffd}error: forged"), "{said}");
    }
}
