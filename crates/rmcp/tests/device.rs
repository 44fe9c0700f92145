//! `rmcp device` beside a made-up torch that goes wrong: always an answer, always the right reason, always in time.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs, and stops at whatever is not so"
)]

use proptest::sample::subsequence;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What can go wrong, in the order in which the probe comes to it, and what is said of it.
const FAULTS: [(&str, &str); 20] = [
    ("leaves", "importing torch was ended by SIGABRT"),
    ("import-abort", "importing torch was ended by SIGABRT"),
    ("import-segv", "importing torch was ended by SIGSEGV"),
    ("import-sleep", "importing torch did not end within"),
    ("import-exit", "importing torch ended the process with exit code 0"),
    ("import-raise", "importing torch failed: RuntimeError: made up at import"),
    ("cpu-build", "is a build for the processor alone"),
    ("available-abort", "torch.cuda.is_available() was ended by SIGABRT"),
    ("available-segv", "torch.cuda.is_available() was ended by SIGSEGV"),
    ("available-sleep", "torch.cuda.is_available() did not end within"),
    ("unavailable", "torch.cuda.is_available() is False"),
    ("none", "torch sees 0 devices"),
    ("lies", "No HIP GPUs are available"),
    ("stays", "a tensor sent to cuda:0 is on"),
    ("convolution-abort", "a convolution in float32 was ended by SIGABRT"),
    ("convolution-sleep", "a convolution in float32 did not end within"),
    ("nan", "the convolution in float32 computes a wrong result: off by nan"),
    ("wrong", "the convolution in float32 computes a wrong result"),
    ("wrong-gradient", "the convolution in float32 computes a wrong input gradient"),
    ("wrong-fp16", "the convolution in float16 computes a wrong result"),
];

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

/// `rmcp device` on a machine with an RX 5600 XT and the made-up torch, with caches of its own.
struct Asked {
    cache: TempDir,
    machine: &'static str,
}

impl Asked {
    fn new() -> Self {
        Self { cache: tempfile::tempdir().unwrap(), machine: "machines/rx5600xt-native-therock" }
    }

    /// The Python itself, and no script that looks for it first.
    fn python() -> &'static Path {
        static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| {
            let mut python = Command::new("python3");
            let output = python.args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
            PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
        });
        &PYTHON
    }

    fn command(&self, faults: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rmcp"));
        command.args(["device", "--format", "json"]);
        if !arguments.contains(&"--python") {
            command.arg("--python").arg(Self::python());
        }
        command.args(arguments);
        for name in ["RMCP_DEVICE", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "VIRTUAL_ENV"] {
            command.env_remove(name);
        }
        command
            .env("XDG_CACHE_HOME", self.cache.path())
            .env("RMCP_ROOT", testdata(self.machine))
            .env("PYTHONPATH", testdata("fake-torch"))
            .env("FAKE_TORCH", faults);
        command
    }

    fn answer(&self, faults: &str, arguments: &[&str]) -> (Value, i32) {
        run(self.command(faults, arguments))
    }
}

fn run(mut command: Command) -> (Value, i32) {
    let output = command.output().unwrap();
    let answer = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (answer, output.status.code().unwrap())
}

fn text<'a>(answer: &'a Value, field: &str) -> &'a str {
    answer[field].as_str().unwrap()
}

/// Time for a probe whose torch sleeps, and for one that only has to be quick.
fn timeout(faults: &str) -> &'static str {
    if faults.contains("sleep") { "5" } else { "60" }
}

#[test]
fn a_torch_that_works_is_used() {
    let (answer, code) = Asked::new().answer("", &[]);
    assert_eq!((text(&answer, "device"), code), ("cuda", 0), "{answer:#}");
    assert_eq!(answer["schema"], "rmcp.device/1");
    assert_eq!(answer["basis"], "probe");
    assert_eq!(answer["route"], "native");
    assert_eq!(answer["provenance"], "synthetic");
}

#[test]
fn whatever_goes_wrong_is_the_reason_and_in_time() {
    for (fault, reason) in FAULTS {
        let start = Instant::now();
        let (answer, code) = Asked::new().answer(fault, &["--timeout", timeout(fault)]);
        let time = start.elapsed();
        assert_eq!((text(&answer, "device"), code), ("cpu", 1), "{fault}: {answer:#}");
        assert!(text(&answer, "reason").contains(reason), "{fault}: {answer:#}");
        let limit: u64 = timeout(fault).parse().unwrap();
        assert!(time < Duration::from_secs(limit), "{fault}: {time:?}");
    }
}

#[test]
fn the_fault_in_the_probes_output_is_named() {
    let (answer, _) = Asked::new().answer("convolution-abort", &[]);
    let evidence = answer["evidence"].to_string();
    assert!(evidence.contains("HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION"), "{answer:#}");
}

#[test]
fn what_torch_leaves_behind_is_ended() {
    let word = format!("0.{}", std::process::id());
    let asked = Asked::new();
    let mut command = asked.command("leaves", &[]);
    let (answer, _) = run({
        command.env("FAKE_TORCH_WORD", &word);
        command
    });
    assert!(answer["evidence"].to_string().contains("left behind"), "{answer:#}");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let runs = processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|arguments| String::from_utf8_lossy(&arguments).contains(&format!("600\0{word}")));
    assert!(!runs);
}

#[test]
fn without_torch_it_is_the_processor() {
    let asked = Asked::new();
    // No folder of packages is looked at.
    let python = asked.cache.path().join("python");
    let isolated = format!("#!/bin/sh\nexec '{}' -I -S \"$@\"\n", Asked::python().display());
    std::fs::write(&python, isolated).unwrap();
    std::fs::set_permissions(&python, PermissionsExt::from_mode(0o700)).unwrap();
    let (answer, code) = asked.answer("", &["--python", python.to_str().unwrap()]);
    assert_eq!((text(&answer, "device"), code), ("cpu", 1), "{answer:#}");
    assert!(text(&answer, "reason").contains("torch is not installed"), "{answer:#}");
}

#[test]
fn a_verdict_is_kept_until_something_changes() {
    let asked = Asked::new();
    let basis = |faults: &str, arguments: &[&str]| {
        let (answer, _) = asked.answer(faults, arguments);
        (text(&answer, "device").to_owned(), text(&answer, "basis").to_owned())
    };
    let of = |device: &str, basis: &str| (device.to_owned(), basis.to_owned());
    assert_eq!(basis("", &[]), of("cuda", "probe"));
    // The made-up torch is another one, but nothing that is looked at has changed.
    assert_eq!(basis("import-abort", &[]), of("cuda", "cache"));
    assert_eq!(basis("import-abort", &["--probe", "never"]), of("cuda", "cache"));
    assert_eq!(basis("import-abort", &["--probe", "always"]), of("cpu", "probe"));
    assert_eq!(basis("", &[]), of("cpu", "cache"));
    let folder = tempfile::tempdir().unwrap();
    let package = folder.path().join("torch");
    std::fs::create_dir(&package).unwrap();
    let source = testdata("fake-torch/torch/__init__.py");
    std::fs::copy(&source, package.join("__init__.py")).unwrap();
    let elsewhere = |faults: &str| {
        let mut command = asked.command(faults, &[]);
        command.env("PYTHONPATH", folder.path());
        let (answer, _) = run(command);
        (text(&answer, "device").to_owned(), text(&answer, "basis").to_owned())
    };
    assert_eq!(elsewhere(""), of("cuda", "probe"));
    assert_eq!(elsewhere("wrong"), of("cuda", "cache"));
    std::fs::write(package.join("version.py"), "").unwrap();
    assert_eq!(elsewhere("wrong"), of("cpu", "probe"));
}

#[test]
fn many_that_ask_at_once_share_one_probe() {
    let asked = Asked::new();
    let children: Vec<_> = (0..6)
        .map(|_| asked.command("", &[]).stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    let mut probes = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(text(&answer, "device"), "cuda", "{answer:#}");
        probes += usize::from(answer["basis"] == "probe");
    }
    assert_eq!(probes, 1);
}

#[test]
fn what_was_asked_for_is_given() {
    let asked = Asked::new();
    let mut command = asked.command("import-abort", &[]);
    command.env("RMCP_DEVICE", "cuda:1");
    let (answer, code) = run(command);
    assert_eq!((text(&answer, "device"), text(&answer, "basis"), code), ("cuda:1", "asked", 0));
    let (answer, _) = asked.answer("", &["--prefer", "cpu"]);
    assert_eq!((text(&answer, "device"), text(&answer, "basis")), ("cpu", "asked"));
    let output = asked.command("", &["--prefer", "gpu"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn certain_answers_need_no_probe() {
    for (machine, reason, code) in [
        ("machines/no-gpu", "no GPU of AMD or NVIDIA", 4),
        ("machines/intel-only", "no GPU of AMD or NVIDIA", 4),
        ("machines/rx6600-no-permission", "you may not open /dev/kfd", 1),
    ] {
        let asked = Asked { machine, ..Asked::new() };
        let (answer, got) = asked.answer("", &[]);
        assert_eq!((text(&answer, "device"), got), ("cpu", code), "{answer:#}");
        assert_eq!(text(&answer, "basis"), "machine", "{answer:#}");
        assert!(text(&answer, "reason").contains(reason), "{answer:#}");
    }
    let asked = Asked { machine: "machines/no-gpu", ..Asked::new() };
    let (answer, _) = asked.answer("import-abort", &["--probe", "always"]);
    assert!(text(&answer, "reason").contains("importing torch was ended"), "{answer:#}");
    let (answer, code) = Asked::new().answer("", &["--probe", "never"]);
    assert_eq!((text(&answer, "device"), text(&answer, "outcome"), code), ("cpu", "unknown", 3));
}

#[test]
fn of_two_cards_each_is_tried() {
    let asked = Asked { machine: "machines/two-rx6600-identical", ..Asked::new() };
    let (answer, _) = asked.answer("", &["--all"]);
    let devices: Vec<&str> =
        answer["tried"].as_array().unwrap().iter().map(|one| text(one, "device")).collect();
    assert_eq!(devices, ["cuda", "cuda:1"], "{answer:#}");
    let mut command = asked.command("", &["--all"]);
    command.env("HIP_VISIBLE_DEVICES", "1");
    let (answer, _) = run(command);
    assert_eq!(answer["tried"].as_array().unwrap().len(), 1, "{answer:#}");
}

#[test]
fn vulkan_is_used_where_the_versions_are_known_to_work_together() {
    let with = |faults: &str, version: &str, prefer: &[&str]| {
        let asked = Asked::new();
        let mut command = asked.command(faults, prefer);
        command.env("FAKE_TORCH_VERSION", version);
        run(command).0
    };
    let answer = with("", "2.13.0", &["--prefer", "vulkan"]);
    assert_eq!(
        (text(&answer, "device"), text(&answer, "route")),
        ("vulkan", "vulkan"),
        "{answer:#}"
    );
    let answer = with("", "2.15.0", &["--prefer", "vulkan"]);
    assert_eq!(text(&answer, "device"), "cuda", "{answer:#}");
    let why = "torchvulkan 0.2.1 is not known to work with torch 2.15.0";
    assert!(answer["tried"][0].to_string().contains(why), "{answer:#}");
    let answer = with("wrong", "2.14.1", &["--prefer", "vulkan"]);
    assert_eq!(text(&answer, "device"), "cpu", "{answer:#}");
}

/// Every combination of faults gives the processor, for the reason of the first that is met. As many combinations as
/// RMCP_COMBINATIONS says.
#[test]
fn combinations_of_faults() {
    let count = std::env::var("RMCP_COMBINATIONS").ok().and_then(|count| count.parse().ok());
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, b"rmcp device and made-up torches!"),
    );
    let some = subsequence(FAULTS.to_vec(), 0..4);
    let mut next = || some.new_tree(&mut runner).unwrap().current();
    let combinations: Vec<_> = (0..count.unwrap_or(40)).map(|_| next()).collect();
    // Most of their time they wait.
    let (at_once, next) =
        (std::thread::available_parallelism().unwrap().get(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(faults) = combinations.get(next.fetch_add(1, Ordering::Relaxed)) {
                    expect_the_processor(faults);
                }
            });
        }
    });
}

/// Expects the processor for the reason of one of the faults; the card where there is none.
fn expect_the_processor(faults: &[(&str, &str)]) {
    let words: Vec<&str> = faults.iter().map(|(word, _)| *word).collect();
    let words = words.join(" ");
    let (answer, _) = Asked::new().answer(&words, &["--timeout", timeout(&words)]);
    let expected = if faults.is_empty() { "cuda" } else { "cpu" };
    assert_eq!(text(&answer, "device"), expected, "{words}: {answer:#}");
    let reason = text(&answer, "reason");
    let said = faults.iter().any(|(_, said)| reason.contains(said));
    assert!(said || faults.is_empty(), "{words}: {answer:#}");
}
