//! Unmodified HIP programs on simulated cards, with Debian's runtime and compiler.
//!
//! The programs are those of `workloads/hip`, compiled once for gfx1010 and gfx1030. `cargo xtask test` installs what
//! this needs; without it these tests fail and say so.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start programs and read what they have written"
)]

#[path = "support/hip.rs"]
mod hip;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Programs of `workloads/hip` that compute and are done in seconds.
const PROGRAMS: [&str; 8] = [
    "runtime",
    "arithmetic",
    "reduce_scan",
    "gemm",
    "convolution",
    "normalise",
    "generic_pointer",
    "instructions",
];

/// Lanes of a wavefront that the compiler is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wave {
    Wave32,
    Wave64,
}

/// Compiles a program of `workloads/hip`, once for all tests.
fn program(name: &str, wave: Wave) -> PathBuf {
    let source = format!("workloads/hip/{name}.hip");
    match wave {
        Wave::Wave32 => hip::hip(&source, name, &[]),
        Wave::Wave64 => hip::hip(&source, &format!("{name}-wave64"), &["-mwavefrontsize64"]),
    }
}

/// What a program said and how it ended.
struct Said {
    output: Output,
    text: String,
}

impl Said {
    fn ends_with(self, code: i32) -> String {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.text);
        self.text
    }

    fn killed_by(self, signal: i32) -> String {
        let status = self.output.status;
        assert_eq!(status.signal(), Some(signal), "{status:?} {}", self.text);
        self.text
    }

    /// Ended by itself, as the runtime does after a fault.
    fn aborted(self) -> String {
        self.killed_by(6)
    }
}

fn rmcp_sim(options: &[&str]) -> Command {
    let rmcp = Path::new(env!("CARGO_BIN_EXE_rmcp"));
    let library = rmcp.with_file_name("librmcp_sim_preload.so");
    assert!(
        library.is_file(),
        "{} is missing; `cargo xtask test` builds it first",
        library.display()
    );
    let mut command = Command::new(rmcp);
    command.arg("sim").args(options).arg("--");
    // What the person who runs the tests has set for a card of his own.
    for name in ["HSA_OVERRIDE_GFX_VERSION", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"] {
        command.env_remove(name);
    }
    command
}

fn run(mut command: Command) -> Said {
    let output = command.output().unwrap();
    let text =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Said { text: text.concat(), output }
}

/// Runs a program with arguments and variables on a card.
fn on(card: &str, program: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let mut command = rmcp_sim(&["--card", card]);
    command.arg(program).args(arguments).envs(variables.iter().copied());
    run(command)
}

/// The variable that makes a card run code for gfx1030.
const AS_GFX1030: [(&str, &str); 1] = [("HSA_OVERRIDE_GFX_VERSION", "10.3.0")];

/// All tests of a program pass, natively and in gfx1030 code on a card of that set.
fn all_pass(name: &str, wave: Wave) {
    let program = program(name, wave);
    for (card, variables) in [("rx5600xt", &[][..]), ("rx6700xt", &AS_GFX1030)] {
        let text = on(card, &program, &[], variables).ends_with(0);
        assert!(text.contains(" failed=0"), "{card}: {text}");
        assert!(!text.contains("FAIL"), "{card}: {text}");
    }
}

macro_rules! suites {
    ($($test:ident $name:literal $wave:ident;)*) => {
        $(#[test] fn $test() { all_pass($name, Wave::$wave); })*
    };
}

suites! {
    runtime "runtime" Wave32;
    arithmetic "arithmetic" Wave32;
    reduce_scan "reduce_scan" Wave32;
    gemm "gemm" Wave32;
    convolution "convolution" Wave32;
    normalise "normalise" Wave32;
    generic_pointer "generic_pointer" Wave32;
    instructions "instructions" Wave32;
    runtime_wave64 "runtime" Wave64;
    arithmetic_wave64 "arithmetic" Wave64;
    reduce_scan_wave64 "reduce_scan" Wave64;
    gemm_wave64 "gemm" Wave64;
    convolution_wave64 "convolution" Wave64;
    normalise_wave64 "normalise" Wave64;
    generic_pointer_wave64 "generic_pointer" Wave64;
    instructions_wave64 "instructions" Wave64;
}

/// Resident memory is the card's memory in use and 200 MB at most, and nothing grows with what has come and gone.
#[test]
fn a_long_lived_process_stays_as_large_as_what_it_holds() {
    let text = on("rx5600xt", &program("endurance", Wave::Wave32), &[], &[]).ends_with(0);
    for line in ["memory_in_use large", "queues threads", "allocations resident_kib"] {
        assert!(text.contains(&format!("ok {line}")), "{line} in {text}");
    }
}

/// The same looks at a program that does lose something in every turn.
#[test]
fn leaks_are_found() {
    let program = program("endurance", Wave::Wave32);
    let text = on("rx5600xt", &program, &["leaks"], &[]).ends_with(1);
    for what in ["threads", "files", "mappings", "resident_kib"] {
        assert!(text.contains(&format!("FAIL leaks {what}=")), "{what} in {text}");
    }
}

/// What a user's own rocminfo said of his RX 5600 XT (<https://github.com/ROCm/ROCm/issues/1759>), but for the bus.
#[test]
fn rocminfo_says_of_the_simulated_card_what_it_said_of_a_real_one() {
    let mut command = rmcp_sim(&["--card", "rx5600xt"]);
    command.arg("rocminfo");
    let text = run(command).ends_with(0);
    assert!(
        text.starts_with("\u{1b}[37mROCk module is loaded")
            || text.contains("ROCk module is loaded")
    );
    let (_, card) = text.split_once("Agent 2").expect(&text);
    for (name, value) in [
        ("Name:", "gfx1010"),
        ("Marketing Name:", "AMD Radeon RX 5600 XT"),
        ("Feature:", "KERNEL_DISPATCH"),
        ("Max Queue Number:", "128(0x80)"),
        ("Queue Max Size:", "131072(0x20000)"),
        ("L1:", "16(0x10) KB"),
        ("L2:", "4096(0x1000) KB"),
        ("Chip ID:", "29471(0x731f)"),
        ("Cacheline Size:", "64(0x40)"),
        ("Max Clock Freq. (MHz):", "1780"),
        ("Compute Unit:", "36"),
        ("SIMDs per CU:", "2"),
        ("Shader Engines:", "4"),
        ("Shader Arrs. per Eng.:", "2"),
        ("Wavefront Size:", "32(0x20)"),
        ("Max Waves Per CU:", "40(0x28)"),
        ("Size:", "6275072(0x5fc000) KB"),
        ("Name:", "amdgcn-amd-amdhsa--gfx1010:xnack-"),
    ] {
        let found = card
            .lines()
            .any(|line| line.trim().strip_prefix(name).is_some_and(|found| found.trim() == value));
        assert!(found, "{name} {value} in\n{card}");
    }
    assert!(text.contains(
        "a simulated AMD Radeon RX 5600 XT (gfx1010); nothing that follows was measured"
    ));
}

/// The heart of the matter: gfx1030 code on a gfx1010 card. What the older card lacks is an illegal instruction, what
/// it gets wrong is wrong, and plain arithmetic is right.
#[test]
fn code_for_gfx1030_fails_on_gfx1010_where_it_must_and_nowhere_else() {
    let gemm = program("gemm", Wave::Wave32);
    let convolution = program("convolution", Wave::Wave32);
    for (program, test) in
        [(&gemm, "gemm_i8"), (&gemm, "gemm_f16_dot"), (&convolution, "direct_i8")]
    {
        let text = on("rx5600xt", program, &[test], &AS_GFX1030).aborted();
        assert!(text.contains("HSA_STATUS_ERROR_ILLEGAL_INSTRUCTION"), "{text}");
        assert!(text.contains("code: 0x2a"), "{text}");
        assert!(text.contains("v_dot") && text.contains(" of gfx10"), "{text}");
    }
    for (name, test) in [
        ("gemm", "gemm_f32"),
        ("convolution", "direct_f32"),
        ("convolution", "winograd"),
        ("normalise", "softmax"),
        ("arithmetic", "vector_add"),
    ] {
        let text = on("rx5600xt", &program(name, Wave::Wave32), &[test], &AS_GFX1030).ends_with(0);
        assert!(text.contains(" failed=0"), "{text}");
    }
    let pointers = program("generic_pointer", Wave::Wave32);
    let text = on("rx5600xt", &pointers, &["fields"], &AS_GFX1030).ends_with(1);
    assert!(text.contains("FAIL fields read n=300 wrong=300"), "{text}");
    // A list is followed through an offset that the card drops, to where there is nothing.
    let text = on("rx5600xt", &pointers, &["linked_list"], &AS_GFX1030).aborted();
    assert!(text.contains("flat_load"), "{text}");
}

/// What `rmcp scan` finds in the gfx1030 kernels of a program: rules and their sites, by kernel.
fn scanned(program: &Path) -> serde_json::Value {
    let output = Command::new(env!("CARGO_BIN_EXE_rmcp"))
        .args(["scan", "--format", "json", "--no-cache", "--card", "rx5600xt", "--kernels", "--"])
        .arg(program)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kernels = report["libraries"][0]["kernels"].as_array().unwrap();
    let own = kernels.iter().filter(|kernel| kernel["target"] == "gfx1030");
    own.map(|kernel| (kernel["name"].as_str().unwrap().to_owned(), kernel["rules"].clone()))
        .collect()
}

/// Kernels that compute rightly meet hazards all the same: those that the scan finds in them, and no others.
#[test]
fn strict_meets_what_the_scan_finds_in_code_for_gfx1030() {
    let folder = tempfile::tempdir().unwrap();
    for (name, test, expected) in [
        ("gemm", "gemm_f32", ["vmem-to-scalar-write", "lds-branch-vmem"]),
        ("convolution", "direct_f32", ["inst-prefetch", "smem-to-vector-write"]),
        ("normalise", "softmax", ["vmem-to-scalar-write", "lds-branch-vmem"]),
    ] {
        let (program, trace) = (program(name, Wave::Wave32), folder.path().join(name));
        let mut command = rmcp_sim(&["--strict", "--trace", trace.to_str().unwrap()]);
        command.arg(&program).arg(test).envs(AS_GFX1030);
        let text = run(command).ends_with(0);
        assert!(text.contains(" failed=0"), "{text}");
        assert!(text.contains("hazards of gfx10.1 were met in 1 kernels"), "{text}");
        let scanned = scanned(&program);
        let mut sites = std::collections::BTreeMap::<_, std::collections::BTreeSet<_>>::new();
        for line in std::fs::read_to_string(&trace).unwrap().lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            if line["event"] == "hazard" {
                assert!(line["times"].as_u64() > Some(0) && line["bitten"] == 0, "{line}");
                let text = |key: &str| line[key].as_str().unwrap().to_owned();
                let of_rule = sites.entry((text("kernel"), text("rule"))).or_default();
                of_rule.insert(line["offset"].as_i64().unwrap());
            }
        }
        for ((kernel, rule), sites) in &sites {
            let found = scanned[kernel][rule].as_u64().unwrap_or(0);
            assert!(sites.len() as u64 <= found, "{kernel} {rule}: {sites:x?} of {found}");
        }
        for rule in expected {
            assert!(sites.keys().any(|(_, met)| met == rule), "{rule}: {sites:?}");
            assert!(text.contains(rule), "{rule}: {text}");
        }
    }
    // A struct behind a flat pointer: wrong, and counted.
    let mut command = rmcp_sim(&["--strict"]);
    command.arg(program("generic_pointer", Wave::Wave32)).arg("fields").envs(AS_GFX1030);
    let text = run(command).ends_with(1);
    assert!(text.contains("flat-offset") && text.contains("] offset:"), "{text}");
}

/// Also with any seed: what is held back changes nothing where no hazard is.
#[test]
fn code_for_gfx1010_meets_no_hazard() {
    for (wave, seed) in [(Wave::Wave32, &["--seed", "7"][..]), (Wave::Wave64, &[])] {
        for name in PROGRAMS {
            if wave == Wave::Wave64 && matches!(name, "runtime" | "arithmetic") {
                continue;
            }
            let mut command = rmcp_sim(&[&["--strict"], seed].concat());
            command.arg(program(name, wave));
            let text = run(command).ends_with(0);
            assert!(text.contains(" failed=0"), "{name}: {text}");
            assert!(text.contains("no hazard of gfx10.1 was met in "), "{name}: {text}");
        }
    }
}

#[test]
fn with_a_seed_hazards_bite_and_the_same_ones_again() {
    let bitten = |seed: &str| {
        let mut command = rmcp_sim(&["--strict", "--seed", seed]);
        command.arg(program("normalise", Wave::Wave32)).arg("softmax").envs(AS_GFX1030);
        let text = run(command).text;
        let rows = text.lines().filter(|line| line.contains("to-scalar-write")).map(str::to_owned);
        rows.collect::<Vec<_>>()
    };
    let once = bitten("1");
    let number = |row: &String| row.split_whitespace().nth(3).unwrap().parse::<u64>().unwrap();
    assert!(once.iter().map(number).sum::<u64>() > 0, "{once:?}");
    assert_eq!(once, bitten("1"));
    // A scalar load through a pointer that has been overwritten ends the program, which is told why.
    let mut command = rmcp_sim(&["--strict", "--seed", "1"]);
    command.arg(program("convolution", Wave::Wave32)).arg("direct_f32").envs(AS_GFX1030);
    let text = run(command).aborted();
    assert!(text.contains("(s_load_dword") && text.contains("smem-to-vector-write"), "{text}");
}

#[test]
fn strict_says_where_there_is_nothing_to_look_for() {
    let mut command = rmcp_sim(&["--card", "rx6700xt", "--strict"]);
    command.arg(program("gemm", Wave::Wave32)).arg("gemm_i8").envs(AS_GFX1030);
    let text = run(command).ends_with(0);
    assert!(text.contains("hazards of gfx10.1, which this card does not have"), "{text}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmcp"));
    command.args(["sim", "--seed", "1", "--", "true"]);
    assert!(run(command).ends_with(2).contains("--strict"));
}

#[test]
fn a_card_without_code_for_it_finds_no_binary() {
    let text = on("rx6700xt", &program("gemm", Wave::Wave32), &["gemm_f32"], &[]);
    assert!(text.text.contains("hipErrorNoBinaryForGpu"), "{}", text.text);
    assert!(!text.output.status.success());
}

#[test]
fn faults_end_a_program_with_the_runtimes_own_words() {
    let program = program("runtime", Wave::Wave32);
    for (test, words, ours) in [
        ("fault_aperture", "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION", "aperture violation"),
        ("fault_aperture", "code: 0x29", "global_store"),
        ("fault_illegal", "HSA_STATUS_ERROR_ILLEGAL_INSTRUCTION", "illegal instruction"),
        ("fault_trap", "HSA_STATUS_ERROR_EXCEPTION", "trap 2"),
        ("fault_unmapped", "Memory access fault by GPU node-1", "page fault writing"),
        ("assert", "Device-side assertion", "trap 2"),
    ] {
        let text = on("rx5600xt", &program, &[test], &[]).aborted();
        assert!(text.contains(words), "{test}: no {words} in {text}");
        assert!(text.contains(ours) && text.contains("(simulated)"), "{test}: {text}");
    }
    let text = on("rx5600xt", &program, &["fault_readonly"], &[]).ends_with(1);
    assert!(text.contains("register=hipErrorOutOfMemory"), "{text}");
}

#[test]
fn without_copy_engines_kernels_copy() {
    let program = program("runtime", Wave::Wave32);
    let text = on("rx5600xt", &program, &[], &[("HSA_ENABLE_SDMA", "0")]).ends_with(0);
    assert!(text.contains(" failed=0"), "{text}");
}

#[test]
fn several_cards_are_seen_and_chosen() {
    let rocminfo = |options: &[&str], variables: &[(&str, &str)]| {
        let mut command = rmcp_sim(options);
        command.arg("rocminfo").envs(variables.iter().copied());
        let text = run(command).ends_with(0);
        text.lines()
            .filter_map(|line| line.trim().strip_prefix("Marketing Name:"))
            .map(|name| name.trim().to_owned())
            .filter(|name| name.starts_with("AMD Radeon"))
            .collect::<Vec<_>>()
    };
    let (old, small) = ("AMD Radeon RX 5600 XT", "AMD Radeon RX 5500 XT");
    assert_eq!(rocminfo(&["--card", "rx5600xt", "--card", "rx5600xt"], &[]), [old, old]);
    let two = ["--card", "rx5600xt", "--card", "rx5500xt"];
    assert_eq!(rocminfo(&two, &[]), [old, small]);
    assert_eq!(rocminfo(&two, &[("ROCR_VISIBLE_DEVICES", "1")]), [small]);
    let program = program("gemm", Wave::Wave32);
    let mut command = rmcp_sim(&["--card", "rx5500xt", "--card", "rx5600xt"]);
    command.arg(program).arg("gemm_f32").env("HIP_VISIBLE_DEVICES", "1");
    assert!(run(command).ends_with(0).contains(old));
}

#[test]
fn injected_faults_happen_once_and_where_they_were_asked_for() {
    let program = program("gemm", Wave::Wave32);
    let with = |injection: &str, test: &str| {
        let mut command = rmcp_sim(&["--inject", injection]);
        command.args(["timeout", "--signal=KILL", "20"]).arg(&program).arg(test);
        run(command)
    };
    for (injection, words) in [
        ("aperture@0", "HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION"),
        ("illegal@1", "HSA_STATUS_ERROR_ILLEGAL_INSTRUCTION"),
        ("trap@0", "HSA_STATUS_ERROR_EXCEPTION"),
        ("page-fault@0", "Memory access fault by GPU node-1"),
        ("ecc@0", "Memory access fault by GPU node-1"),
        ("reset@0", "Memory access fault by GPU node-1"),
    ] {
        let said = with(injection, "gemm_i8");
        assert!(said.text.contains(words), "{injection}: {}", said.text);
        assert!(said.text.contains("injected fault"), "{injection}: {}", said.text);
    }
    let text = with("out-of-memory@4", "gemm_i8").ends_with(2);
    assert!(text.contains("error hipError"), "{text}");
    // Only where the copy engine copies.
    let text = with("lost-copy@0", "gemm_i8").ends_with(1);
    assert!(text.contains("FAIL") && text.contains("injected fault LostCopy"), "{text}");
    let mut command = rmcp_sim(&["--inject", "lost-copy@0"]);
    command.arg(&program).arg("gemm_i8").env("HSA_ENABLE_SDMA", "0");
    run(command).ends_with(0);
    // A kernel whose name is not there.
    with("hang@0:no_such_kernel", "gemm_i8").ends_with(0);
}

#[test]
fn an_injected_hang_hangs() {
    let mut command = rmcp_sim(&["--inject", "hang@0"]);
    command
        .args(["timeout", "--signal=KILL", "2"])
        .arg(program("gemm", Wave::Wave32))
        .arg("gemm_i8");
    let text = run(command).killed_by(9);
    assert!(text.contains("injected fault Hang"), "{text}");
}

#[test]
fn trace_and_kernel_log_say_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, log) = (folder.path().join("trace.jsonl"), folder.path().join("kernel.log"));
    let files = ["--trace", trace.to_str().unwrap(), "--kernel-log", log.to_str().unwrap()];
    let mut command = rmcp_sim(&files);
    command.arg(program("runtime", Wave::Wave32)).arg("fault_unmapped");
    run(command).aborted();
    let trace = std::fs::read_to_string(&trace).unwrap();
    let lines: Vec<serde_json::Value> =
        trace.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["simulated"] == true), "{trace}");
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert!(of("allocate").iter().any(|line| line["flags"][0] == "vram"), "{trace}");
    let [fault] = of("fault")[..] else { panic!("{trace}") };
    assert!(fault["kernel"].as_str().unwrap().contains("store"), "{fault}");
    let dispatch = of("dispatch").pop().unwrap();
    assert_eq!(dispatch["workgroup"], serde_json::json!([32, 1, 1]), "{dispatch}");
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains("amdgpu: [gfxhub] page fault (src_id:0 ring:24 vmid:8"), "{text}");
    // What the driver would have written is recognised as what it is.
    let explained = Command::new(env!("CARGO_BIN_EXE_rmcp"))
        .args(["explain", "--no-host", "--format", "json"])
        .arg(&log)
        .output()
        .unwrap();
    let explained = String::from_utf8_lossy(&explained.stdout);
    assert!(explained.contains(r#""kind": "dmesg_gcvm""#), "{explained}");
}

#[test]
fn several_processes_do_not_meet() {
    let program = program("reduce_scan", Wave::Wave32);
    let start = || {
        let mut command = rmcp_sim(&["--threads", "1"]);
        command.arg(&program).arg("scan").stdout(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let children: Vec<_> = (0..8).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains(" failed=0"), "{text}");
    }
}

/// Two processes that want two thirds of it each: the second gets none, and what the first had is free when it is killed,
/// though a program that starts others, such as this shell, may close what it has inherited.
#[test]
fn processes_of_one_session_share_the_cards_memory() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
        mkfifo wait
        "$0" most_of_memory < wait > first & first=$!
        exec 9> wait
        until grep -q '^ok' first; do kill -0 $first || exit 7; sleep 0.1; done
        "$0" most_of_memory < /dev/null; echo "second $?"
        bash -c 'for fd in /proc/self/fd/*; do fd=${fd##*/}; [ $fd -lt 3 ] || eval "exec $fd>&-"; done; exec "$0" most_of_memory < /dev/null' "$0"
        echo "closed $?"
        kill -KILL $first; wait $first
        "$0" most_of_memory < /dev/null; echo "third $?""#;
    let mut command = rmcp_sim(&[]);
    command.current_dir(folder.path()).args(["bash", "-c", script]);
    command.arg(program("endurance", Wave::Wave32));
    let text = run(command).ends_with(0);
    for words in ["second 2", "closed 2", "third 0", "hipErrorOutOfMemory"] {
        assert!(text.contains(words), "no {words} in {text}");
    }
}

/// A child that is forked and then starts a program has queues of its own.
#[test]
fn a_child_has_queues_of_its_own() {
    let gemm = program("gemm", Wave::Wave32);
    let mut command = rmcp_sim(&[]);
    let script = format!("{0} gemm_i8 && {0} gemm_i8 & {0} gemm_i8; wait $!", gemm.display());
    command.args(["sh", "-c", &script]);
    let text = run(command).ends_with(0);
    assert_eq!(text.matches(" failed=0").count(), 3, "{text}");
}

#[test]
fn what_cannot_be_simulated_is_said() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmcp"));
    command.args(["sim", "--card", "rx9070xt", "--", "true"]);
    let text = run(command).ends_with(2);
    assert!(
        text.contains("no simulated card is called `rx9070xt`; there are rx5600xt, "),
        "{text}"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_rmcp"));
    command.args(["sim", "--inject", "boom@1", "--", "true"]);
    assert!(run(command).ends_with(2).contains("`boom` is no fault"));
    let mut command = rmcp_sim(&[]);
    command.arg("no-such-program");
    assert!(run(command).ends_with(3).contains("cannot start no-such-program"));
}
