//! RMCP's library in programs on a simulated card: it changes nothing that a program says, works beside other tools and
//! however HIP was loaded, and redirects what it may.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start programs and read what they have written"
)]

#[path = "support/hip.rs"]
mod hip;
#[path = "interposer/situations.rs"]
mod situations;

use hip::{GUARDED, empty_runtime, explained, library, sim, text, watched};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every setting of the library, by name.
const MODES: [(&str, &[(&str, &str)]); 5] = [
    ("observe", &[]),
    ("coarse", &[("RMCP_MEMORY", "coarse")]),
    ("fine", &[("RMCP_MEMORY", "fine")]),
    ("system-default", &[("RMCP_MEMORY", "system-default")]),
    ("guard", &GUARDED),
];

fn program(name: &str) -> PathBuf {
    hip::hip(&format!("workloads/hip/{name}.hip"), name, &[])
}

fn pinned() -> PathBuf {
    hip::hip("workloads/hip/faults/pinned.hip", "pinned", &[])
}

/// Runs a program on a card, with the library where a record is named.
fn run(program: &Path, arguments: &[&str], record: Option<(&Path, &[(&str, &str)])>) -> Output {
    let mut command = sim(&[]);
    command.arg(program).args(arguments);
    if let Some((record, settings)) = record {
        watched(&mut command, record, settings);
    }
    command.output().unwrap()
}

/// What a program has said, but for how long it took.
fn without_times(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout);
    let lines = said.lines().filter(|line| !line.starts_with("ok events elapsed ms "));
    lines.collect::<Vec<_>>().join("\n")
}

/// A program says the same and ends the same in every mode.
fn says_the_same(name: &str) {
    let program = if name == "rocminfo" { PathBuf::from(name) } else { program(name) };
    let without = run(&program, &[], None);
    assert!(without.status.success(), "{name}: {}", text(&without));
    let folder = tempfile::tempdir().unwrap();
    for (mode, settings) in &MODES {
        let record = folder.path().join(mode);
        let with = run(&program, &[], Some((&record, settings)));
        assert_eq!(with.status, without.status, "{name} {mode}: {}", text(&with));
        assert_eq!(without_times(&with), without_times(&without), "{name} {mode}");
        let tells = explained(&record);
        let memory = if *mode == "guard" { "observe" } else { mode };
        assert_eq!(tells["record"]["memory"], memory);
        assert_eq!(tells["record"]["guard"], *mode == "guard");
        assert_eq!(tells["record"]["ended"], true, "{name} {mode}");
        assert_eq!(tells["explanation"]["fault"], Value::Null, "{name} {mode}");
        let lost = &tells["record"]["lost"];
        for what in ["queues", "allocations", "kernels", "texts", "torn"] {
            assert_eq!(lost[what], 0, "{name} {mode}: {lost}");
        }
    }
}

#[test]
fn rocminfo_says_the_same_in_every_mode() {
    says_the_same("rocminfo");
}

#[test]
fn the_suite_says_the_same_in_every_mode() {
    for name in [
        "runtime",
        "arithmetic",
        "reduce_scan",
        "gemm",
        "convolution",
        "normalise",
        "generic_pointer",
        "instructions",
    ] {
        says_the_same(name);
    }
}

/// Flags of the driver's allocations of some bytes or a little more, as the simulated card has seen them.
fn seen_by_the_card(settings: &[(&str, &str)], bytes: u64) -> (Vec<Vec<String>>, Value) {
    let folder = tempfile::tempdir().unwrap();
    let (trace, record) = (folder.path().join("trace"), folder.path().join("record"));
    let mut command = sim(&["--trace", trace.to_str().unwrap()]);
    command.arg(pinned());
    watched(&mut command, &record, settings);
    let output = command.output().unwrap();
    assert!(text(&output).contains("ok pinned"), "{}", text(&output));
    let trace = std::fs::read_to_string(&trace).unwrap();
    let lines = trace.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let of_size = lines.filter(|line| {
        line["event"] == "allocate"
            && line["bytes"].as_u64().is_some_and(|found| found / 4096 == bytes.div_ceil(4096))
    });
    let flags = of_size.map(|line| {
        let flags = line["flags"].as_array().unwrap();
        flags.iter().map(|flag| flag.as_str().unwrap().to_owned()).collect()
    });
    (flags.collect(), explained(&record))
}

/// Where the record says that the allocation of some bytes went, and why.
fn of_bytes(tells: &Value, bytes: u64) -> (String, bool, String) {
    let events = tells["record"]["events"].as_array().unwrap();
    let found = events.iter().find(|event| event["event"] == "allocate" && event["bytes"] == bytes);
    let found = found.unwrap_or_else(|| panic!("{tells:#}"));
    let pool = usize::try_from(found["pool"].as_u64().unwrap()).unwrap();
    let kind = tells["record"]["pools"][pool]["kind"].as_str().unwrap().to_owned();
    let why = found["why"].as_str().unwrap().to_owned();
    (kind, found["redirected"].as_bool().unwrap(), why)
}

#[test]
fn what_is_redirected_the_card_sees_redirected() {
    let bytes = 1_234_567 * 4;
    let coherent = |flags: &[Vec<String>]| {
        assert_eq!(flags.len(), 1, "one allocation of this size: {flags:?}");
        flags[0].iter().any(|flag| flag == "coherent")
    };
    let (flags, tells) = seen_by_the_card(&[], bytes);
    assert!(coherent(&flags), "{flags:?}");
    assert_eq!(
        of_bytes(&tells, bytes),
        ("fine-grained".into(), false, "nothing is redirected".into())
    );
    let (flags, tells) = seen_by_the_card(&[("RMCP_MEMORY", "coarse")], bytes);
    assert!(!coherent(&flags), "{flags:?}");
    let (kind, redirected, why) = of_bytes(&tells, bytes);
    assert_eq!((&*kind, redirected), ("coarse-grained", true), "{why}");
    // What HIP keeps for itself is not touched, and the page says why.
    let redirected = tells["explanation"]["redirected"].to_string();
    assert!(redirected.contains("left alone: less than a page"), "{redirected}");
}

/// A kernel that asks the processor for something waits for its answer: in coarse memory it would wait for ever.
#[test]
fn where_a_kernel_calls_the_processor_host_memory_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let output =
        run(&program("runtime"), &["host_memory"], Some((&record, &[("RMCP_MEMORY", "coarse")])));
    assert!(output.status.success(), "{}", text(&output));
    let redirected = explained(&record)["explanation"]["redirected"].to_string();
    assert!(redirected.contains("talks to the processor while it runs"), "{redirected}");
}

#[test]
fn it_works_beside_another_tool_in_either_order() {
    let second = hip::c("second_tool.c", "libsecond_tool.so", &["-shared", "-fPIC"]);
    let folder = tempfile::tempdir().unwrap();
    let (ours, second) = (library().display().to_string(), second.display().to_string());
    let mut counted = Vec::new();
    for tools in [format!("{ours} {second}"), format!("{second} {ours}"), second.clone()] {
        let record = folder.path().join(counted.len().to_string());
        let mut command = sim(&[]);
        command.arg(program("gemm")).arg("gemm_i8");
        watched(&mut command, &record, &[]);
        let said = text(&command.env("HSA_TOOLS_LIB", &tools).output().unwrap());
        assert!(said.contains(" failed=0"), "{tools}: {said}");
        let count = said.lines().find_map(|line| line.strip_prefix("second tool: ")).expect(&said);
        counted.push(count.to_owned());
        if tools.contains(&ours) {
            let tells = explained(&record);
            assert_eq!(tells["record"]["queues"][0]["dispatches"], 12, "{tools}: {tells:#}");
        }
    }
    assert!(counted.iter().all(|count| *count == counted[2]), "{counted:?}");
}

/// Programs that reach HIP in four ways, and what is to be started for each.
fn four_ways() -> Vec<(&'static str, Vec<String>)> {
    let late = hip::hip("workloads/hip/faults/late.hip", "liblate.so", &["-shared", "-fPIC"]);
    let loader = hip::c("loader.c", "loader", &["-ldl"]).display().to_string();
    let folder = late.parent().unwrap().display().to_string();
    let search = (format!("-L{folder}"), format!("-Wl,-rpath,{folder}"));
    let linked = hip::c("linked.c", "linked", &[&search.0, &search.1, "-llate"]);
    let late = late.display().to_string();
    let script = hip::top().join("crates/rmcp/tests/interposer/by_name.py").display().to_string();
    vec![
        ("linked", vec![linked.display().to_string()]),
        ("RTLD_LOCAL", vec![loader.clone(), "local".into(), late.clone()]),
        ("RTLD_GLOBAL", vec![loader, "global".into(), late]),
        ("ctypes", vec!["python3".into(), script, "libamdhip64.so.5".into()]),
    ]
}

/// The wrapper of the earlier system finds HIP only where it is linked or global, and is not asked at all by ctypes. The
/// runtime's own door is the same for all.
#[test]
fn the_naive_wrapper_fails_where_this_works() {
    let wrapper = hip::c("naive_wrapper.c", "libnaive.so", &["-shared", "-fPIC", "-ldl"]);
    let folder = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for (way, words) in four_ways() {
        let record = folder.path().join(way);
        let mut command = sim(&[]);
        command.args(&words);
        watched(&mut command, &record, &[]);
        let output = command.output().unwrap();
        assert!(text(&output).contains("allocated 0"), "{way}: {}", text(&output));
        let (_, _, why) = of_bytes(&explained(&record), 7_654_321);
        assert_eq!(why, "nothing is redirected", "{way}");
        // The wrapper goes in front of the program alone, not of what simulates the card.
        let mut command = sim(&[]);
        let preload = format!("LD_PRELOAD={} $LD_PRELOAD", wrapper.display()).replace(' ', ":");
        command.args(["sh", "-c", &format!("{preload} exec \"$@\""), "sh"]).args(&words);
        let said = text(&command.output().unwrap());
        let wrapped = match said.lines().find(|line| line.starts_with("naive wrapper")) {
            Some(line) if line.ends_with("not found") => "not found",
            Some(_) => "found",
            None => "not asked",
        };
        seen.push((way, wrapped));
    }
    let expected = [
        ("linked", "found"),
        ("RTLD_LOCAL", "not found"),
        ("RTLD_GLOBAL", "found"),
        ("ctypes", "not asked"),
    ];
    assert_eq!(seen, expected);
}

/// Lines of the runtime that does nothing.
fn empty(what: &[&str], record: &Path) -> String {
    let output = Command::new(empty_runtime())
        .arg(library())
        .args(what)
        .env("RMCP_RECORD", record)
        .env_remove("RMCP_GUARD")
        .env_remove("RMCP_MEMORY")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// Entries are found by their number; that they are the ones that are meant is checked with the runtime's own headers.
#[test]
fn of_tables_that_are_not_known_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let said = empty(&["tables"], &folder.path().join("record"));
    let line = |name: &str| {
        said.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).unwrap_or_default()
    };
    let all = "loaded=1 core: 5 7 9 33 34 35 38 41 42 43 44 84 93 115 116 117 120";
    assert_eq!(line("rocr-5.2"), format!("{all} ext: 13 14 15 20 21 22 29 30 34 38 40 44"));
    assert_eq!(line("rocr-6.4"), format!("{all} ext: 13 14 15 16 22 23 24 31 32 36 40 42 46"));
    assert_eq!(line("longer"), line("rocr-6.4"));
    assert_eq!(line("unsure"), format!("{all} ext: 13 14 15"));
    assert_eq!(line("short"), "loaded=1 core: 5 7 9 ext: 13");
    for newer in ["newer-root", "newer-core", "newer-extensions"] {
        assert_eq!(line(newer), "loaded=1 core: ext:");
    }
    assert_eq!(line("null"), "loaded=1");
    assert_eq!(line("names").split(' ').count(), 29, "{said}");
}

#[test]
fn threads_that_share_queues_leave_every_packet_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let said = empty(&["order", "480000"], &record);
    assert!(said.contains("order queues=12 dispatches=480000"), "{said}");
    let tells = explained(&record);
    let queues = tells["record"]["queues"].as_array().unwrap();
    assert_eq!(queues.len(), 12);
    let mut all_missed = 0;
    for queue in queues {
        let count = |name: &str| queue[name].as_u64().unwrap();
        // A thread that loses its processor while it reads may lose packets that others overwrite, which is said.
        let (missed, dispatches) = (count("missed"), count("dispatches"));
        assert_eq!(missed + dispatches, 40_000, "queue {}", queue["row"]);
        assert_eq!(count("written"), 40_000, "queue {}", queue["row"]);
        all_missed += missed;
        let latest = queue["latest"].as_array().unwrap();
        assert!((512 - missed..=512).contains(&(latest.len() as u64)), "{}", latest.len());
        let mut least = 40_000 - 512;
        for packet in latest {
            let number = packet["packet"].as_u64().unwrap();
            assert!(number >= least, "{packet:#}");
            least = number + 1;
            // What was written into a packet stands in its row.
            assert_eq!(packet["grid"][0], number, "{packet:#}");
            assert_eq!(packet["kernarg"], number, "{packet:#}");
            // Four threads use this queue, each with a kernel of its own.
            let kernel = usize::try_from(packet["kernel"].as_u64().unwrap()).unwrap();
            assert_eq!(kernel as u64 % 12, queue["row"].as_u64().unwrap(), "{packet:#}");
        }
    }
    assert!(all_missed < 4_800, "{all_missed} of 480000 were missed");
}

/// A program may shut the runtime down and start it again; what the first had is gone, and nothing of it is looked at.
#[test]
fn the_runtime_may_be_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let said = empty(&["again"], &record);
    assert!(said.contains("again ended"), "{said}");
    let tells = explained(&record);
    let queues = tells["record"]["queues"].as_array().unwrap();
    let dispatches: Vec<_> = queues.iter().map(|queue| queue["dispatches"].as_u64()).collect();
    assert!(dispatches.contains(&Some(3)), "{queues:#?}");
}

#[test]
fn several_cards_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let mut command = sim(&["--card", "rx5500xt", "--card", "rx5600xt"]);
    command.arg(program("gemm")).arg("gemm_i8").env("HIP_VISIBLE_DEVICES", "1");
    watched(&mut command, &record, &[]);
    let output = command.output().unwrap();
    assert!(text(&output).contains(" failed=0"), "{}", text(&output));
    let tells = explained(&record);
    let agents = tells["record"]["agents"].as_array().unwrap();
    let names: Vec<_> = agents.iter().filter_map(|agent| agent["name"].as_str()).collect();
    assert_eq!(names[1..], ["gfx1012", "gfx1010"]);
    let used = tells["record"]["queues"].as_array().unwrap();
    let used: Vec<_> = used.iter().filter(|queue| queue["dispatches"] != 0).collect();
    assert_eq!((used.len(), &used[0]["agent"]), (1, &Value::from(2)), "{used:#?}");
}

/// Each process has a file of its own, whatever the variable says.
#[test]
fn every_process_has_a_record_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let mut command = sim(&[]);
    let script = format!("{0} gemm_i8 & {0} gemm_i8; wait $!", program("gemm").display());
    command.args(["sh", "-c", &script]);
    watched(&mut command, &record, &[]);
    let output = command.output().unwrap();
    assert_eq!(text(&output).matches(" failed=0").count(), 2, "{}", text(&output));
    let records: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert_eq!(records.len(), 2, "{records:?}");
    for record in records {
        let tells = explained(&record.unwrap().path());
        assert_eq!(tells["record"]["queues"][0]["dispatches"], 12);
    }
}

#[test]
fn where_nothing_can_be_written_the_program_goes_on() {
    // Nothing is written beside a device either, which root could.
    let devices = || {
        let entries = Path::new("/dev").read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let names = entries.map(|name| name.to_string_lossy().into_owned());
        let mut names: Vec<_> =
            names.filter(|name| name.starts_with("null") || name.starts_with("full")).collect();
        names.sort();
        names
    };
    let before = devices();
    for record in ["/proc/no/such/folder", "/dev/full", "/dev/null", "off"] {
        let output = run(&program("gemm"), &["gemm_i8"], Some((Path::new(record), &[])));
        assert!(text(&output).contains(" failed=0"), "{record}: {}", text(&output));
        assert!(!Path::new(record).is_file());
        assert_eq!(devices(), before, "{record}");
    }
}

/// Without a name the record goes to the user's own folder, which nobody else may enter, and old ones go.
#[test]
fn by_default_records_are_kept_privately_and_not_for_ever() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("rmcp/flight");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::remove_dir(&folder).unwrap();
    for _ in 0..3 {
        let mut command = Command::new(empty_runtime());
        command.arg(library()).arg("load").env_remove("RMCP_RECORD");
        command.env("XDG_STATE_HOME", home.path()).output().unwrap();
    }
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(folder.read_dir().unwrap().count(), 3);
    for number in 0..40 {
        std::fs::write(folder.join(format!("{number}.rec")), "old").unwrap();
    }
    let mut command = Command::new(empty_runtime());
    command.arg(library()).arg("load").env_remove("RMCP_RECORD");
    command.env("XDG_STATE_HOME", home.path()).output().unwrap();
    assert_eq!(folder.read_dir().unwrap().count(), 16);
}

/// A program with the rights of somebody else must not be told where to write.
#[test]
fn programs_with_the_rights_of_others_are_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder =
        tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let (copy, record) = (folder.path().join("runtime"), folder.path().join("record"));
    let ours = folder.path().join("library.so");
    std::fs::copy(empty_runtime(), &copy).unwrap();
    std::fs::copy(library(), &ours).unwrap();
    let load = |copy: &Path| {
        let mut command = Command::new(copy);
        text(&command.arg(&ours).arg("load").env("RMCP_RECORD", &record).output().unwrap())
    };
    assert_eq!(load(&copy), "loaded=1\n");
    std::fs::remove_file(&record).unwrap();
    // Only root can give a file to somebody else; who is not root gives it another group of his own.
    let nobody = if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&copy, Some(65534), Some(65534)).unwrap();
        true
    } else {
        let groups = rustix::process::getgroups().unwrap();
        let own = rustix::process::getegid();
        let other = groups.into_iter().find(|group| *group != own);
        other.is_some_and(|group| {
            std::os::unix::fs::chown(&copy, None, Some(group.as_raw())).is_ok()
        })
    };
    assert!(nobody, "this needs root, or a user in two groups");
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o6755)).unwrap();
    assert_eq!(load(&copy), "loaded=0\n");
    assert!(!record.exists());
}

/// Of the settings of the library `try` makes candidates, each of which it can find to be what helps.
#[test]
fn try_has_the_library_and_its_settings_among_its_candidates() {
    let home = tempfile::tempdir().unwrap();
    let script = format!("test \"$RMCP_MEMORY\" = coarse && exec {}", pinned().display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmcp"));
    command
        .args(["try", "--simulate", "rx5600xt", "--format", "json"])
        .args(["--candidate", "interposer", "--candidate", "interposer:coarse"])
        .args(["--", "sh", "-c", &script])
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME");
    for name in ["HSA_TOOLS_LIB", "RMCP_MEMORY", "RMCP_RECORD", "HSA_OVERRIDE_GFX_VERSION"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let matrix: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    let outcome = |id: &str| {
        let rows = matrix["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["candidate"]["id"] == id).expect(id);
        row["cells"][0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(outcome("as-is"), "failed", "{matrix:#}");
    assert_eq!(outcome("interposer"), "failed", "{matrix:#}");
    assert_eq!(outcome("interposer:coarse"), "passed", "{matrix:#}");
    // What was recorded of the test that passed.
    let flight = home.path().join(".local/state/rmcp/flight");
    let records: Vec<_> = flight.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    let coarse = records.iter().map(|record| explained(record)["record"]["memory"].clone());
    assert!(coarse.into_iter().any(|memory| memory == "coarse"), "{records:?}");
}
