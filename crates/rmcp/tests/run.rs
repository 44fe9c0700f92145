//! Jobs that survive: what is handed through, what is worth another start, and what is kept for the next day.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start programs and read what they have written"
)]

#[path = "support/hip.rs"]
mod hip;
mod support;

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::User;

/// What ROCr prints at a bad address. Source: ROCr `core/runtime/amd_gpu_agent.cpp`, and HIP's `rocdevice.cpp`.
const FAULT: &str = ":0:rocdevice.cpp :2875: 100 us: Callback: Queue 0x7f00 aborting with error : HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: The agent attempted to access memory beyond the largest legal address. code: 0x29";

/// `rmcp run` with options and a command.
fn job(user: &User, options: &[&str], command: &[&str]) -> Command {
    user.rmcp(&[&["run"], options, &["--"], command].concat())
}

fn sh(user: &User, options: &[&str], script: &str) -> Output {
    job(user, options, &["sh", "-c", script]).output().unwrap()
}

fn status(user: &User) -> serde_json::Value {
    let output = user.rmcp(&["run", "--status", "--format", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_job_keeps_its_streams_and_its_exit_code() {
    let user = User::new();
    for code in [0, 1, 3, 77] {
        let output = sh(&user, &[], &format!("echo out; echo error >&2; exit {code}"));
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(
            (text(&output.stdout), text(&output.stderr)),
            ("out\n".into(), "error\n".into())
        );
    }
    let output = sh(&user, &[], "kill -TERM $$");
    assert_eq!(output.status.code(), Some(128 + 15));
    let mut piped =
        job(&user, &[], &["cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut piped.stdin.take().unwrap(), b"handed through").unwrap();
    assert_eq!(text(&piped.wait_with_output().unwrap().stdout), "handed through");
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_missing() {
    let user = User::new();
    let output = job(&user, &[], &["no-such-program-at-all"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("no-such-program-at-all"), "{}", text(&output.stderr));
}

#[test]
fn after_a_fault_it_goes_on_from_the_checkpoint_on_the_next_route() {
    let user = User::new();
    let script = format!(
        "echo start >> starts
         echo \"device $RMCP_DEVICE resume $RMCP_RESUME arguments $*\"
         [ \"$RMCP_DEVICE\" = cpu ] && exit 0
         mkdir -p \"$RMCP_CHECKPOINT_DIR\" && echo state > \"$RMCP_CHECKPOINT_DIR/step-5.pt\"
         [ -f tried ] && rm \"$RMCP_CHECKPOINT_DIR/step-5.pt\"
         touch tried
         echo '{FAULT}' >&2; kill -ABRT $$"
    );
    let options = ["--resume-arg=--resume={}"];
    let mut run = job(&user, &options, &["sh", "-c", &script, "job"]);
    let output = run.output().unwrap();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{out}{error}");
    let lines: Vec<&str> = out.lines().collect();
    // The first attempt left a checkpoint, so the route is kept; the second left none, so it is not.
    assert_eq!(lines.len(), 3, "{out}{error}");
    assert_eq!(lines[0], "device  resume  arguments ");
    assert!(lines[1].starts_with("device  resume /") && lines[1].contains("step-5.pt"), "{out}");
    assert!(lines[1].contains("arguments --resume=/"), "{out}");
    assert!(lines[2].starts_with("device cpu"), "{out}");
    assert!(error.contains("the GPU failed (aperture_violation)"), "{error}");
    let events = &status(&user)["jobs"][0]["events"];
    let endings: Vec<&str> =
        events.as_array().unwrap().iter().filter_map(|event| event["ending"].as_str()).collect();
    assert_eq!(endings, ["gpu-fault", "gpu-fault", "done"], "{events}");
}

#[test]
fn what_worked_is_where_the_next_day_begins() {
    let user = User::new();
    let script = format!(
        "echo start >> starts; [ \"$RMCP_DEVICE\" = cpu ] && exit 0; echo '{FAULT}' >&2; exit 134"
    );
    assert_eq!(sh(&user, &[], &script).status.code(), Some(0));
    assert_eq!(user.starts(), 2);
    let output = sh(&user, &[], &script);
    assert_eq!((output.status.code(), user.starts()), (Some(0), 3));
    assert!(text(&output.stderr).contains("without the GPU"), "{}", text(&output.stderr));
    // A route that is named comes before.
    sh(&user, &["--route", "as-is"], &script);
    assert_eq!(user.starts(), 5);
    let output = sh(&user, &["--route", "nonsense"], &script);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there are: as-is, cpu"), "{}", text(&output.stderr));
}

/// What `rmcp try` has measured comes before what `doctor` would have advised.
#[test]
fn what_was_tried_is_the_first_route() {
    let user = User::new();
    let needs = "[ \"$HSA_ENABLE_SDMA\" = 0 ]";
    let options = ["try", "--simulate", "rx5600xt", "--candidate", "sdma-off", "--repeats", "1"];
    let tried = user.rmcp(&[&options[..], &["--", "sh", "-c", needs]].concat()).output().unwrap();
    assert_eq!(tried.status.code(), Some(1), "{}", text(&tried.stdout));
    let simulated = sh(&user, &["--simulate", "rx5600xt"], needs);
    assert_eq!(simulated.status.code(), Some(0), "{}", text(&simulated.stderr));
    let said = text(&simulated.stderr);
    assert!(said.contains("what rmcp try found to be enough: copies without"), "{said}");
    // Of another card, and of a real one, it says nothing.
    assert_eq!(sh(&user, &["--simulate", "rx6700xt"], needs).status.code(), Some(1));
    assert_eq!(sh(&user, &[], needs).status.code(), Some(1));
}

#[test]
fn nothing_else_is_worth_another_start() {
    for script in [
        "python3 -c 'raise ValueError(3)'",
        "kill -TERM $$",
        "kill -INT $$",
        "kill -KILL $$",
        "kill -SEGV $$",
        "echo 'torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.00 GiB' >&2; exit 1",
        // What was said is no fault where the job ended well.
        &format!("echo '{FAULT}' >&2; exit 0"),
    ] {
        let user = User::new();
        let output = sh(&user, &[], &format!("echo start >> starts; {script}"));
        assert_eq!(user.starts(), 1, "{script}: {}", text(&output.stderr));
    }
}

#[test]
fn attempts_are_bounded_and_the_processor_can_be_refused() {
    let user = User::new();
    let script = format!(
        "echo start >> starts; mkdir -p \"$RMCP_CHECKPOINT_DIR\"; date +%N > \"$RMCP_CHECKPOINT_DIR/$$.pt\"
         echo '{FAULT}' >&2; exit 134"
    );
    let output = sh(&user, &["--attempts", "3"], &script);
    assert_eq!((output.status.code(), user.starts()), (Some(134), 3));
    assert!(text(&output.stderr).contains("bound on attempts"), "{}", text(&output.stderr));
    let other = User::new();
    let script = format!("echo start >> starts; echo '{FAULT}' >&2; exit 134");
    let output = sh(&other, &["--no-cpu"], &script);
    assert_eq!((output.status.code(), other.starts()), (Some(134), 1));
    assert!(text(&output.stderr).contains("no other route"), "{}", text(&output.stderr));
}

#[test]
fn a_job_that_hangs_is_ended_and_started_on_the_next_route() {
    let user = User::new();
    let script =
        "echo start >> starts; [ \"$RMCP_DEVICE\" = cpu ] && exit 0; echo begin; sleep 300";
    let start = Instant::now();
    let output = sh(&user, &["--hang-after", "1s"], script);
    assert_eq!((output.status.code(), user.starts()), (Some(0), 2), "{}", text(&output.stderr));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn what_we_were_started_to_ignore_the_job_ignores_too() {
    let user = User::new();
    let rmcp = env!("CARGO_BIN_EXE_rmcp");
    let ignored = |command: &str| {
        let script = format!("trap '' HUP INT; {command} grep SigIgn /proc/self/status");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("HOME", user.folder()).env_remove("XDG_STATE_HOME");
        text(&shell.output().unwrap().stdout)
    };
    let without = ignored("");
    assert_eq!(ignored(&format!("{rmcp} run --")), without);
    assert!(without.trim_end().ends_with('3') || without.trim_end().ends_with('7'), "{without}");
}

#[test]
fn a_signal_to_us_alone_reaches_the_job() {
    let user = User::new();
    let script =
        "trap 'echo got it; exit 9' TERM; echo start >> starts; while :; do sleep 0.05; done";
    let run = job(&user, &[], &["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let started = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        user.starts() == 1
    });
    assert!(started);
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(9), "got it\n".into()));
}

/// Steps and losses, of which a later one of the same step counts.
fn losses(output: &[u8]) -> BTreeMap<u32, String> {
    let parse = |line: &str| {
        let mut words = line.strip_prefix("step ")?.split(" loss ");
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    };
    text(output).lines().filter_map(parse).collect()
}

#[test]
fn a_training_on_the_simulated_card_loses_nothing_but_time() {
    const STEPS: &str = "45";
    let program = hip::hip("workloads/hip/training.hip", "training", &[]);
    let program = program.to_str().unwrap();
    let whole = Command::new(program).arg(STEPS).env("RMCP_DEVICE", "cpu").output().unwrap();
    let expected = losses(&whole.stdout);
    assert_eq!(expected.len(), 45);
    // A step is ten kernels. Before the first checkpoint the route is left, later it is kept.
    for (fault, device, again) in [
        ("page-fault@40", "processor", 0),
        ("aperture@137", "device", 10),
        ("illegal@330", "device", 30),
    ] {
        let user = User::new();
        let options = ["--simulate", "rx5600xt", "--inject", fault];
        let output = job(&user, &options, &[program, STEPS]).output().unwrap();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{fault}: {error}");
        assert!(error.contains("the GPU failed"), "{fault}: {error}");
        assert_eq!(losses(&output.stdout), expected, "{fault}: {out}");
        // The second attempt begins at the last checkpoint: less than one interval is lost.
        let second = format!("# on the {device}\nstep {again} ");
        assert!(out.matches("# on the").count() == 2 && out.contains(&second), "{fault}: {out}");
    }
}

/// A real terminal: Python's `pty` gives one, and says what came over it.
#[test]
fn at_a_terminal_everything_is_as_without_it() {
    let user = User::new();
    // A progress bar that looks whether it is at a terminal and how wide that is, a prompt, and Ctrl-C.
    let job = r#"
import os, sys, time
print("tty", sys.stdin.isatty(), sys.stdout.isatty(), sys.stderr.isatty(), os.get_terminal_size(2).columns, flush=True)
for step in (50, 100):
    sys.stderr.write(f"\r{step}%|"); sys.stderr.flush()
name = input("\nname? ")
try:
    print("hello", name, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted", flush=True); sys.exit(42)
"#;
    let terminal = r#"
import os, pty, select, signal, struct, sys, termios, fcntl, time
pid, fd = pty.fork()
if pid == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 123, 0, 0))
seen, answered, stopped, end = b"", False, False, time.time() + 30
while time.time() < end:
    ready, _, _ = select.select([fd], [], [], 1)
    if ready:
        try:
            data = os.read(fd, 4096)
        except OSError:
            break
        if not data:
            break
        seen += data
    if b"name? " in seen and not answered:
        answered = True; os.write(fd, b"Ada\n")
    if b"hello Ada" in seen and not stopped:
        stopped = True; time.sleep(0.3); os.write(fd, b"\x03")
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))
"#;
    let rmcp = env!("CARGO_BIN_EXE_rmcp");
    let run = |command: &[&str]| {
        // The size is set a moment after the start.
        let job = format!("import time; time.sleep(0.3)\n{job}");
        let mut python = Command::new("python3");
        python.args(["-c", terminal]).args(command).args(["python3", "-c", &job]);
        let output = python.current_dir(user.folder()).env("HOME", user.folder()).output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let with = run(&[rmcp, "run", "--"]);
    let without = run(&["env"]);
    assert_eq!(with, without);
    assert_eq!(with.0, Some(42), "{}", with.1);
    assert!(with.1.contains("tty True True True 123"), "{}", with.1);
    assert!(with.1.contains("\r100%|") && with.1.contains("interrupted"), "{}", with.1);
}
