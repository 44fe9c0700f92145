//! Situations in which a program may bring the library: it goes on as without it, and the record says what is true.

use super::hip::{explained, library, situations, text};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that brings about a situation.
fn command(what: &str, record: &Path) -> Command {
    let mut command = Command::new(situations());
    command.arg(library()).arg(what).env("RMCP_RECORD", record);
    for name in ["RMCP_GUARD", "RMCP_MEMORY", "HSA_OVERRIDE_GFX_VERSION"] {
        command.env_remove(name);
    }
    command
}

/// What it has said, to its end.
fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output));
    text(&output)
}

/// The record of a situation.
fn recorded(what: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    said(command(what, &record));
    explained(&record)["record"].take()
}

fn numbers(queues: &Value, what: &str) -> Vec<u64> {
    queues.as_array().unwrap().iter().map(|queue| queue[what].as_u64().unwrap()).collect()
}

#[test]
fn whatever_a_doorbell_is_rung_with_the_program_goes_on() {
    let record = recorded("beyond");
    assert_eq!(numbers(&record["queues"], "dispatches"), [3, 0], "{record:#}");
    assert_eq!(numbers(&record["queues"], "missed"), [0, 0], "{record:#}");
}

/// Signals show ends; one that is destroyed is looked at no more, whether or not its packet was read by then.
#[test]
fn completion_signals_say_what_has_ended() {
    let record = recorded("signals");
    let queues = &record["queues"];
    // Three of five; one of two that began at 0; one that was destroyed; one that was destroyed unread; one of which nothing
    // is known.
    assert_eq!(numbers(queues, "ended"), [3, 1, 1, 1, 0], "{queues:#}");
    assert_eq!(numbers(queues, "written"), [5, 2, 1, 2, 2], "{queues:#}");
    let latest = queues[0]["latest"].as_array().unwrap();
    let ended: Vec<_> = latest.iter().map(|packet| packet["ended"] == true).collect();
    assert_eq!(ended, [true, true, true, false, false]);
}

#[test]
fn what_was_overwritten_is_missed_and_not_shown_under_another_number() {
    let record = recorded("overwritten");
    let queue = &record["queues"][0];
    // 1500 were written into a ring of 1024, and the doorbell had said of 1200.
    assert_eq!((&queue["missed"], &queue["dispatches"]), (&476.into(), &724.into()), "{queue:#}");
    for packet in queue["latest"].as_array().unwrap() {
        assert_eq!(packet["packet"], packet["grid"][0], "{packet:#}");
    }
}

#[test]
fn a_child_that_is_forked_begins_anew_and_waits_for_no_thread_of_its_parent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("record");
    let said = said(command("forked", &file));
    let line = said.lines().find(|line| line.starts_with("child ")).unwrap();
    let child = line.split(' ').nth(1).unwrap();
    assert_eq!(line, format!("child {child} status 0"));
    let (parent, own) =
        (explained(&file), explained(&file.with_file_name(format!("record.{child}"))));
    let (parent, own) = (&parent["record"], &own["record"]);
    assert_eq!(own["forked_from"], parent["pid"]);
    assert_eq!(numbers(&parent["queues"], "dispatches"), [4], "{parent:#}");
    assert_eq!(parent["allocations"].as_array().unwrap().len(), 1, "{parent:#}");
    // Of its parent's two kernels the child has looked up the second.
    assert_eq!(numbers(&own["queues"], "dispatches"), [2], "{own:#}");
    assert_eq!(own["queues"][0]["latest"][0]["kernel"], 0, "{own:#}");
    assert_eq!(own["kernels"].as_array().unwrap().len(), 1, "{own:#}");
    assert_eq!(own["kernels"][0]["name"], "kernel1040", "{own:#}");
    assert_eq!(own["agents"].as_array().unwrap().len(), 1, "{own:#}");
    assert_eq!(own["pools"].as_array().unwrap().len(), 2, "{own:#}");
    let allocations = own["allocations"].as_array().unwrap();
    assert_eq!((allocations.len(), &allocations[0]["pool"]), (1, &1.into()), "{own:#}");
    assert_eq!(own["lost"]["torn"], 0, "{own:#}");
    // The environment is read once: its lock may be held by a thread that is not in the child.
    assert_eq!(own["gfx_override"], Value::Null, "{own:#}");
}

/// Where the program has no function for errors, the runtime has its own, which says what has happened.
#[test]
fn a_queue_without_an_error_function_keeps_the_runtimes() {
    let said = said(command("callbacks", Path::new("off")));
    assert!(said.contains("callbacks none=0 given=1"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let said = self::said(command("callbacks", &folder.path().join("record")));
    assert!(said.contains("callbacks none=0 given=1"), "{said}");
}

#[test]
fn memory_is_redirected_also_where_nothing_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    for record in [folder.path().join("record"), PathBuf::from("off"), PathBuf::from("/dev/null")] {
        let mut command = command("pools", &record);
        command.env("RMCP_MEMORY", "coarse");
        let said = said(command);
        assert!(said.contains("pool 8\n"), "{}: {said}", record.display());
    }
}

/// The runtime may ask the library while it is asked; and what a kernel needs does not depend on a record.
#[test]
fn where_a_kernel_calls_the_processor_it_is_known_also_without_a_record() {
    let folder = tempfile::tempdir().unwrap();
    for record in [folder.path().join("record"), PathBuf::from("off")] {
        let mut command = command("code", &record);
        command.env("RMCP_MEMORY", "coarse");
        let said = said(command);
        assert!(said.contains("pool 7\n"), "{}: {said}", record.display());
    }
}

/// What is in the file may be anything.
#[test]
fn what_frees_need_is_not_read_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command("corrupted", &folder.path().join("record"));
    command.env("RMCP_GUARD", "1");
    let said = said(command);
    assert!(said.contains("guarded=1 same=1"), "{said}");
}

#[test]
fn the_runtimes_memory_that_is_locked_as_well_stays_what_it_is() {
    let record = recorded("locked");
    let allocations = record["allocations"].as_array().unwrap();
    assert_eq!(allocations.len(), 1, "{record:#}");
    let only = &allocations[0];
    assert_eq!((&only["bytes"], &only["marks"]), (&8192.into(), &Value::Array(vec![])), "{only:#}");
    assert!(only["freed"].is_u64(), "{only:#}");
    let events = record["events"].as_array().unwrap();
    let free = events.iter().find(|event| event["event"] == "free").unwrap();
    assert_eq!((&free["again"], &free["bytes"]), (&false.into(), &8192.into()), "{free:#}");
}

/// In a sandbox the library may not read the arguments: then none are kept, and none are said to be nowhere.
#[test]
fn arguments_that_may_not_be_read_are_not_said_to_be_nowhere() {
    let nowhere = recorded("arguments")["queues"][0]["latest"][0]["arguments"].take();
    assert_eq!((&nowhere["wanted"], &nowhere["words"]), (&8.into(), &Value::Array(vec![])));
    let denied = recorded("denied")["queues"][0]["latest"][0]["arguments"].take();
    assert_eq!(denied, Value::Null);
}

#[test]
fn a_queue_in_the_row_of_another_has_nothing_of_it() {
    let record = recorded("reused");
    let queue = &record["queues"][0];
    assert_eq!(queue["latest"].as_array().unwrap().len(), 1, "{queue:#}");
    assert_eq!(queue["latest"][0]["arguments"], Value::Null, "{queue:#}");
    assert_eq!(record["lost"]["torn"], 0, "{:#}", record["lost"]);
}

#[test]
fn threads_that_make_queues_at_once_lose_none() {
    for _ in 0..10 {
        let record = recorded("crowd");
        assert_eq!(record["lost"]["queues"], 0);
        assert_eq!(record["queues"].as_array().unwrap().len(), 64);
    }
}

/// The runtime takes a queue's memory away when it ends, not before a thread that reads it is done.
#[test]
fn the_runtime_ends_while_a_queue_is_read() {
    recorded("ending");
}

// ---- files ------------------------------------------------------------------------------------------------------------

/// Names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_that_is_no_record_of_ours_is_left_alone() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("letter"), "Dear all").unwrap();
    let record = "RMCPFLT\n and more";
    std::fs::write(at("linked"), record).unwrap();
    std::fs::hard_link(at("linked"), at("link")).unwrap();
    std::fs::write(at("shared"), record).unwrap();
    std::fs::set_permissions(at("shared"), std::fs::Permissions::from_mode(0o666)).unwrap();
    symlink(at("letter"), at("symbolic")).unwrap();
    let there = names(folder.path());
    for name in &there {
        said(command("locked", &at(name)));
        assert_eq!(names(folder.path()), there, "{name}");
        let expected = if matches!(&**name, "letter" | "symbolic") { "Dear all" } else { record };
        assert_eq!(std::fs::read_to_string(at(name)).unwrap(), expected, "{name}");
    }
    // Only root can give a file to somebody else.
    if rustix::process::geteuid().is_root() {
        std::fs::write(at("others"), record).unwrap();
        std::os::unix::fs::chown(at("others"), Some(65534), None).unwrap();
        said(command("locked", &at("others")));
        assert_eq!(std::fs::read_to_string(at("others")).unwrap(), record);
    }
}

#[test]
fn an_empty_file_and_an_older_record_give_way() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    std::fs::write(&record, "").unwrap();
    for what in ["locked", "callbacks"] {
        said(command(what, &record));
        let queues = explained(&record)["record"]["queues"].take();
        let expected = if what == "locked" { 0 } else { 2 };
        assert_eq!(queues.as_array().unwrap().len(), expected);
        assert_eq!(names(folder.path()), ["record"]);
    }
}

#[test]
fn records_that_are_being_written_are_not_removed() {
    use rustix::fs::{FlockOperation, flock};
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("rmcp/flight");
    std::fs::create_dir_all(&folder).unwrap();
    let held = folder.join("1.rec");
    let file = std::fs::File::create(&held).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    for number in 2..30 {
        // Records of children too.
        std::fs::write(folder.join(format!("{number}-5.rec.77")), "old").unwrap();
    }
    std::fs::write(folder.join("notes"), "mine").unwrap();
    let mut command = command("locked", Path::new(""));
    command.env_remove("RMCP_RECORD").env("XDG_STATE_HOME", home.path());
    said(command);
    assert!(held.exists() && folder.join("notes").exists());
    let names = names(&folder);
    assert_eq!(names.len(), 17, "{names:?}");
    // The process's number and when it began.
    let own = names.iter().find(|name| name.ends_with(".rec") && **name != "1.rec").unwrap();
    let (number, time) = own.strip_suffix(".rec").unwrap().split_once('-').expect(own);
    assert!(number.parse::<u32>().is_ok() && time.parse::<u64>().unwrap() > 1_500_000_000, "{own}");
}
