//! One child under limits, through the real keeper: whatever a test does, it is said, and nothing goes on running.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test looks at processes, and stops at whatever is not so"
)]

use rmcp_trial::isolation::{self, End, Ended, Invocation, IsolationError, Keeper, Limits};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn keeper() -> Keeper {
    Keeper { program: PathBuf::from(env!("CARGO_BIN_EXE_rmcp")), arguments: vec!["keep".into()] }
}

fn limits() -> Limits {
    Limits { wall: Duration::from_secs(60), silence: None, memory: None, output: 4096 }
}

fn script(text: &str) -> Invocation {
    Invocation {
        program: PathBuf::from("sh"),
        arguments: vec!["-c".into(), text.into()],
        ..Invocation::default()
    }
}

fn run(keeper: &Keeper, invocation: &Invocation, limits: &Limits) -> Result<Ended, IsolationError> {
    let folder = tempfile::tempdir().unwrap();
    isolation::run(keeper, invocation, limits, folder.path())
}

fn ended(text: &str, limits: &Limits) -> Ended {
    run(&keeper(), &script(text), limits).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a process with this word in its arguments runs; a zombie has none.
fn runs(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = |entry: std::fs::DirEntry| std::fs::read(entry.path().join("cmdline")).ok();
    let ours = std::process::id().to_string();
    processes
        .filter(|entry| *entry.file_name() != *ours)
        .filter_map(arguments)
        .any(|arguments| text(&arguments).contains(word))
}

/// Waits for a process to be gone, which the kernel does in its own time.
fn gone(word: &str) -> bool {
    (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !runs(word)
    })
}

#[test]
fn codes_and_signals_are_told_apart() {
    for (script, end) in [
        ("exit 0", End::Code(0)),
        ("exit 134", End::Code(134)),
        ("kill -ABRT $$", End::Signal(6)),
        ("kill -SEGV $$", End::Signal(11)),
        ("kill -KILL $$", End::Signal(9)),
    ] {
        let ended = ended(script, &limits());
        assert_eq!(ended.end, end, "{script}: {ended:?}");
        assert!(ended.left_behind.is_empty() && ended.stuck.is_empty(), "{script}: {ended:?}");
    }
}

#[test]
fn what_is_not_there_could_not_start() {
    let nothing = Invocation { program: "/no/such/program".into(), ..Invocation::default() };
    let ended = run(&keeper(), &nothing, &limits()).unwrap();
    let End::NotStarted(why) = ended.end else { panic!("{ended:?}") };
    assert!(why.contains("/no/such/program") && why.contains("No such file"), "{why}");
}

#[test]
fn a_keeper_that_is_none_is_no_end_of_the_test() {
    let keeper = Keeper { program: "/no/keeper".into(), arguments: Vec::new() };
    assert!(run(&keeper, &script("exit 0"), &limits()).is_err());
    let keeper = Keeper { program: "true".into(), arguments: Vec::new() };
    assert!(run(&keeper, &script("exit 0"), &limits()).is_err());
}

#[test]
fn environment_folder_and_results_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let invocation = Invocation {
        set: vec![("RMCP_A".to_owned(), "some words".to_owned())],
        unset: vec!["PATH".to_owned()],
        folder: Some(folder.path().to_owned()),
        program: "/bin/sh".into(),
        ..script(
            "echo \"$RMCP_A/$PWD\"; command -v env; echo line > \"$RMCP_RESULTS\"; echo error >&2",
        )
    };
    // A shell without PATH uses one of its own; what counts is that it was not ours.
    let ended = run(&keeper(), &invocation, &limits()).unwrap();
    let expected = format!("some words/{}", folder.path().display());
    assert!(text(&ended.stdout.bytes).starts_with(&expected), "{ended:?}");
    assert_eq!(text(&ended.stderr.bytes), "error\n");
    assert_eq!(text(&ended.results), "line\n");
}

#[test]
fn a_hang_costs_its_time_and_nothing_else() {
    let start = Instant::now();
    let second = Limits { wall: Duration::from_secs(1), ..limits() };
    // It does not listen to SIGTERM, and neither does what it has started.
    let stubborn = "trap '' TERM; sh -c \"trap '' TERM; while :; do sleep 0.1; done\" rmcp-hang-test & while :; do sleep 0.1; done";
    let ended = ended(stubborn, &second);
    assert_eq!(ended.end, End::TimeOver);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(gone("rmcp-hang-test"));
}

#[test]
fn silence_is_noticed_and_any_sign_of_life_counts() {
    let silent = Limits { silence: Some(Duration::from_millis(1500)), ..limits() };
    assert_eq!(ended("echo begin; sleep 50", &silent).end, End::Silent);
    let speaks = "for i in 1 2 3 4 5 6; do sleep 0.5; echo $i; done";
    assert_eq!(ended(speaks, &silent).end, End::Code(0));
    let writes = "for i in 1 2 3 4 5 6; do sleep 0.5; echo $i >> \"$RMCP_RESULTS\"; done";
    assert_eq!(ended(writes, &silent).end, End::Code(0));
}

#[test]
fn what_outlives_a_test_is_named_and_ended() {
    // In a session of its own, and an orphan: out of the reach of process groups.
    let daemon =
        "setsid sh -c 'sleep 300; exit rmcp-daemon-test' < /dev/null > /dev/null 2>&1 & exit 0";
    let ended = ended(daemon, &limits());
    assert_eq!(ended.end, End::Code(0));
    assert!(ended.left_behind.iter().any(|name| name.contains("sh")), "{ended:?}");
    assert!(ended.time < Duration::from_secs(5), "{ended:?}");
    assert!(gone("rmcp-daemon-test"));
}

#[test]
fn what_ends_a_moment_later_is_not_left_behind() {
    let ended = ended("sleep 0.05 & exit 0", &limits());
    assert_eq!((ended.end, ended.left_behind), (End::Code(0), Vec::new()));
}

#[test]
fn a_flood_is_counted_and_its_ends_are_kept() {
    let flood = "echo begin >&2; head -c 1000000000 /dev/zero | tr '\\0' x >&2; echo end >&2";
    let ended = ended(flood, &limits());
    assert_eq!(ended.stderr.total, 1_000_000_000 + 10);
    let kept = text(&ended.stderr.bytes);
    assert!(kept.starts_with("begin\n") && kept.ends_with("xend\n"), "{kept}");
    assert!(kept.len() < 2 * limits().output && kept.contains("bytes left out"), "{}", kept.len());
}

#[test]
fn memory_is_limited_and_measured() {
    let python = |code: &str| Invocation {
        program: "python3".into(),
        arguments: vec!["-c".into(), code.into()],
        ..Invocation::default()
    };
    let limited = Limits { memory: Some(200 << 20), ..limits() };
    let greedy = run(&keeper(), &python("x = bytearray(400 << 20)"), &limited).unwrap();
    assert!(text(&greedy.stderr.bytes).contains("MemoryError"), "{greedy:?}");
    let peak = run(&keeper(), &python("x = bytearray(b'x') * (100 << 20)"), &limits()).unwrap();
    let peak = peak.peak_bytes.unwrap();
    assert!((100 << 20..200 << 20).contains(&peak), "{peak}");
}

#[test]
fn no_core_is_dumped() {
    let limit = ended("ulimit -c", &limits());
    assert_eq!(text(&limit.stdout.bytes), "0\n");
}

/// Closes the keeper's input in the midst of a test, as the kernel does when `rmcp` is killed, and returns what is left in
/// the folder of the test.
fn left_by_a_keeper_of(caller: u32, word: &str) -> Option<Vec<PathBuf>> {
    let above = tempfile::tempdir().unwrap();
    let folder = above.path().join("test");
    std::fs::create_dir(&folder).unwrap();
    let request = serde_json::json!({
        "invocation": script(&format!("setsid sleep 307 & sleep 307; exit {word}")),
        "memory": null,
        "report": folder.join("report"),
        "caller": caller,
        "folder": folder,
    });
    let mut keeper =
        Command::new(env!("CARGO_BIN_EXE_rmcp")).arg("keep").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = keeper.stdin.take().unwrap();
    writeln!(stdin, "{request}").unwrap();
    assert!((0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        runs(word)
    }));
    drop(stdin);
    assert!(keeper.wait().unwrap().success());
    assert!(gone(word) && !runs("sleep\u{0}307"));
    let files = std::fs::read_dir(&folder).ok()?;
    Some(files.map(|file| file.unwrap().file_name().into()).collect())
}

#[test]
fn when_rmcp_is_gone_so_are_the_test_and_its_files() {
    let here = left_by_a_keeper_of(std::process::id(), "rmcp-stopped-test");
    assert_eq!(here, Some(vec![PathBuf::from("report")]));
    let gone = left_by_a_keeper_of(std::process::id() + 1, "rmcp-killed-test");
    assert_eq!(gone, None);
}
