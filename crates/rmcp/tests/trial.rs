//! `rmcp try` with commands of a user: the search end to end, what a hang costs, and what is left of a session that was
//! killed.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start programs and read what they have written"
)]

mod support;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::User;

/// The program of a user who has set the override that most pages advise.
fn overridden(user: &User, arguments: &[&str]) -> Command {
    let mut rmcp = user.rmcp(arguments);
    rmcp.env("HSA_OVERRIDE_GFX_VERSION", "10.3.0");
    rmcp
}

/// `rmcp try` of a shell script, as JSON.
fn tried(user: &User, options: &[&str], script: &str) -> Value {
    let start = ["try", "--simulate", "rx5600xt", "--format", "json"];
    let arguments = [&start[..], options, &["--", "sh", "-c", script]].concat();
    document(&overridden(user, &arguments).output().unwrap())
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn minimal(document: &Value) -> Vec<&str> {
    document["minimal"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect()
}

/// The first cell of the row of a candidate.
fn cell<'d>(document: &'d Value, candidate: &str) -> &'d Value {
    let rows = document["rows"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["candidate"]["id"] == candidate || row["candidate"] == candidate);
    &row.unwrap_or_else(|| panic!("no row {candidate}: {document:#}"))["cells"][0]
}

/// Dies as a program does whose code is for another card, as long as the override is there.
const NEEDS_OWN_CODE: &str = "[ -z \"$HSA_OVERRIDE_GFX_VERSION\" ] || {
    echo 'HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION: code: 0x29' >&2; kill -ABRT $$; }";

#[test]
fn what_works_already_is_said_to_work() {
    let user = User::new();
    let found = tried(&user, &[], "exit 0");
    assert_eq!((found["verdict"].as_str(), minimal(&found).len()), (Some("works-already"), 0));
    assert_eq!(found["simulated"], true);
    assert_eq!(
        (&cell(&found, "as-is")["k"], &cell(&found, "as-is")["n"]),
        (&Value::from(3), &Value::from(3))
    );
}

#[test]
fn the_override_is_found_to_be_the_fault() {
    let user = User::new();
    let found = tried(&user, &["--all"], NEEDS_OWN_CODE);
    assert_eq!(
        (found["verdict"].as_str(), minimal(&found)),
        (Some("fixed"), vec!["unset-override"])
    );
    let baseline = cell(&found, "as-is");
    assert_eq!(
        (baseline["outcome"].as_str(), baseline["kind"].as_str()),
        (Some("crashed"), Some("aperture_violation"))
    );
    // What the earlier investigation advised changes nothing, and neither does a test of its theory.
    for id in ["earlier-environment", "cache-off", "sdma-off"] {
        assert_eq!(cell(&found, id)["outcome"], "crashed", "{id}");
    }
    assert_eq!(cell(&found, "unset-override")["outcome"], "passed");
}

#[test]
fn two_faults_need_two_fixes() {
    let user = User::new();
    let script = format!("{NEEDS_OWN_CODE}; [ \"$HSA_ENABLE_SDMA\" = 0 ]");
    let found = tried(&user, &[], &script);
    assert_eq!(found["verdict"], "fixed");
    let mut ids = minimal(&found);
    ids.sort_unstable();
    assert_eq!(ids, ["sdma-off", "unset-override"]);
}

#[test]
fn nothing_helps_where_nothing_helps() {
    let user = User::new();
    let found = tried(&user, &[], "exit 7");
    assert_eq!((found["verdict"].as_str(), minimal(&found).len()), (Some("nothing-helps"), 0));
    assert_eq!(cell(&found, "as-is")["outcome"], "failed");
}

#[test]
fn a_hang_costs_its_time_once() {
    let user = User::new();
    let script = "[ -n \"$HSA_OVERRIDE_GFX_VERSION\" ] && sleep 300; exit 0";
    let start = Instant::now();
    let found = tried(&user, &["--limit", "1s", "--candidate", "unset-override"], script);
    assert_eq!(
        (found["verdict"].as_str(), minimal(&found)),
        (Some("fixed"), vec!["unset-override"])
    );
    assert_eq!(cell(&found, "as-is")["outcome"], "hung");
    assert_eq!(cell(&found, "as-is")["n"], 1);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

/// `rmcp try` of our HIP programs on the simulated card, as JSON.
fn tried_hip(user: &User, options: &[&str]) -> Value {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("try-cache");
    let start = ["try", "--simulate", "rx5600xt", "--tool", "hip", "--format", "json"];
    let mut rmcp = overridden(user, &[&start[..], options].concat());
    // Compiled once for all tests.
    document(&rmcp.env("XDG_CACHE_HOME", cache).output().unwrap())
}

#[test]
fn the_earlier_matrix_is_measured_on_the_simulated_card() {
    let user = User::new();
    let found = tried_hip(
        &user,
        &[
            &["--workload", "mixed-precision", "--workload", "training", "--all"][..],
            &["--candidate", "unset-override", "--candidate", "earlier-environment"],
            &["--candidate", "cache-off", "--candidate", "earlier-kernel-extended"],
            &["--candidate", "single-precision"],
        ]
        .concat(),
    );
    assert_eq!(
        (found["verdict"].as_str(), minimal(&found)),
        (Some("fixed"), vec!["unset-override"])
    );
    let outcome = |candidate: &str, workload: &str| {
        let rows = found["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["candidate"]["id"] == candidate).unwrap();
        let cells = row["cells"].as_array().unwrap();
        let cell = cells.iter().find(|cell| cell["workload"] == workload).unwrap();
        format!(
            "{}{}",
            cell["outcome"].as_str().unwrap(),
            cell["kind"].as_str().map_or(String::new(), |kind| format!(" {kind}"))
        )
    };
    // Half precision uses an instruction that the card lacks; single precision is right under the override too.
    assert_eq!(outcome("single-precision", "mixed-precision"), "passed");
    for candidate in ["as-is", "earlier-environment", "cache-off"] {
        assert_eq!(
            outcome(candidate, "mixed-precision"),
            "crashed illegal_instruction",
            "{candidate}"
        );
        assert_eq!(outcome(candidate, "training"), "passed", "{candidate}");
    }
    assert_eq!(outcome("unset-override", "mixed-precision"), "passed");
    // What needs a change of the machine is not measured, and is not called a failure.
    assert_eq!(outcome("earlier-kernel-extended", "training"), "not-run");
}

#[test]
fn a_broken_copy_engine_beside_the_override_is_found_too() {
    let user = User::new();
    let found = tried_hip(
        &user,
        &["--workload", "mixed-precision", "--inject", "lost-copy@0", "--repeats", "1"],
    );
    assert_eq!(found["verdict"], "fixed", "{found:#}");
    let mut ids = minimal(&found);
    ids.sort_unstable();
    assert_eq!(ids, ["sdma-off", "unset-override"]);
}

#[test]
fn the_result_is_kept_and_shown_again_and_compared() {
    let user = User::new();
    let first = tried(&user, &["--candidate", "unset-override"], NEEDS_OWN_CODE);
    let second = tried(&user, &["--candidate", "unset-override"], "exit 0");
    let last =
        document(&overridden(&user, &["try", "--last", "--format", "json"]).output().unwrap());
    assert_eq!(last, second);
    let last =
        document(&overridden(&user, &["try", "--last", "1", "--format", "json"]).output().unwrap());
    assert_eq!(last, first);
    for (form, words) in
        [("markdown", "| candidate |"), ("csv", "device,simulated,"), ("junit", "<testsuites")]
    {
        let output = overridden(&user, &["try", "--last", "1", "--as", form]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(words), "{form}: {text}");
    }
    let diff = overridden(&user, &["try", "--diff", "1", "2"]).output().unwrap();
    assert!(String::from_utf8_lossy(&diff.stdout).contains("crashed"), "{diff:?}");
    // What was found can be made to last.
    std::fs::write(user.folder().join("found.json"), first.to_string()).unwrap();
    let apply =
        overridden(&user, &["apply", "--from", "found.json", "--dry-run"]).output().unwrap();
    let said = [&apply.stdout[..], &apply.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("expected what"), "{said}");
}

#[test]
fn a_budget_ends_a_session_and_a_plan_writes_nothing() {
    let user = User::new();
    let found = tried(&user, &["--budget", "1s"], "sleep 0.6; exit 7");
    assert_eq!(found["verdict"], "unknown", "{found:#}");
    let other = User::new();
    let plan = overridden(
        &other,
        &["try", "--dry-run", "--simulate", "rx5600xt", "--", "sh", "-c", "echo >> starts"],
    );
    let output = { plan }.output().unwrap();
    assert!(output.status.success() && other.starts() == 0, "{output:?}");
    assert_eq!(std::fs::read_dir(other.folder()).unwrap().count(), 0);
}

/// A session that is killed again and again, each time a little later in a question, and gone on with.
struct Killed {
    user: User,
    kills: u64,
    found: Output,
}

impl Killed {
    /// Runs it. `between` is called after each kill.
    fn session(between: impl Fn(&User)) -> Self {
        let user = User::new();
        let script = format!("echo start >> starts; sleep 0.05; {NEEDS_OWN_CODE}");
        let start = ["try", "--simulate", "rx5600xt", "--all", "--", "sh", "-c", &script];
        let mut kills = 0;
        let mut arguments: &[&str] = &start;
        loop {
            let mut session = overridden(&user, arguments);
            let mut session =
                session.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            // Once a question is answered and the next is asked, so that there is some progress, and a little later
            // each time, so that every moment of a question is met by some kill.
            let before = user.starts();
            let mut later = None;
            while session.try_wait().unwrap().is_none()
                && later.is_none_or(|end| Instant::now() < end)
            {
                if later.is_none() && user.starts() >= before + 2 {
                    later = Some(Instant::now() + Duration::from_millis(17 * kills % 120));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            if session.try_wait().unwrap().is_some() {
                let found = session.wait_with_output().unwrap();
                return Self { user, kills, found };
            }
            session.kill().unwrap();
            session.wait().unwrap();
            kills += 1;
            between(&user);
            // Only a session that was begun can be gone on with.
            arguments = if user.starts() > 0 { &["try", "--resume"] } else { &start };
            assert!(kills < 200);
        }
    }

    /// How many attempts of the session that came to its end are so: in earlier ones nothing was started.
    fn count(&self, condition: &str) -> usize {
        let sql = format!(
            "SELECT count(*) FROM attempt
             WHERE session = (SELECT max(id) FROM session) AND {condition}"
        );
        let count: rusqlite::Result<i64> =
            records(&self.user).and_then(|all| all.query_row(&sql, [], |row| row.get(0)));
        let count = count.unwrap();
        usize::try_from(count).unwrap()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.found.stderr).into_owned()
    }
}

/// The records, where there are some already.
fn records(user: &User) -> rusqlite::Result<rusqlite::Connection> {
    let path = user.folder().join(".local/state/rmcp/records.sqlite");
    rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE)
}

#[test]
fn a_session_that_is_killed_loses_no_result_and_repeats_no_culprit() {
    let session = Killed::session(|_| {});
    assert!(session.kills >= 5, "{}: {}", session.kills, session.said());
    assert_eq!(session.found.status.code(), Some(1), "{}", session.said());
    // A row is written before its process starts; one that was interrupted starts it once more, and no other does.
    let (all, again) = (session.count("true"), session.count("interrupted > 0"));
    assert!(again >= 1 && again as u64 <= session.kills, "{again} of {}", session.kills);
    let starts = session.user.starts();
    assert!(starts <= all + again, "{starts} starts, {all} rows, {again} again");
    assert_eq!(session.count("result IS NULL"), 0);
}

/// A machine that froze and was started anew has another boot id than the rows that were begun before.
#[test]
fn what_took_the_machine_down_is_named_and_never_run_again() {
    let session = Killed::session(|user| {
        let update = "UPDATE attempt SET boot = 'an earlier start'";
        // A kill before the first attempt leaves nothing to alter.
        let _ = records(user).and_then(|records| records.execute(update, []));
    });
    assert!(session.kills >= 5, "{}: {}", session.kills, session.said());
    let (all, down) = (session.count("true"), session.count("result LIKE '%machine went down%'"));
    assert!(down >= 1 && down as u64 <= session.kills, "{down} of {}", session.kills);
    assert_eq!(session.count("interrupted > 0 OR result IS NULL"), 0);
    let starts = session.user.starts();
    assert!(starts <= all, "{starts} starts, {all} rows");
    let last = overridden(&session.user, &["try", "--last", "--format", "json"]).output().unwrap();
    let document = document(&last);
    assert!(document.to_string().contains("the machine went down with it"), "{document:#}");
}

#[test]
fn a_dirty_kernel_log_is_no_pass() {
    let user = User::new();
    // What stands for the kernel log on a simulated card; the test itself sees nothing of the fault.
    let script = r#"log=$(expr "$RMCP_SIM" : '.*"kernel_log":"\([^"]*\)"')
        echo '[   95.1] amdgpu 0000:03:00.0: amdgpu: GPU reset begin!' >> "$log""#;
    let found = tried(&user, &["--repeats", "1", "--candidate", "sdma-off"], script);
    let cell = cell(&found, "as-is");
    assert_eq!(
        (cell["outcome"].as_str(), cell["kind"].as_str()),
        (Some("failed"), Some("hang_timeout")),
        "{cell:#}"
    );
    let what = cell["what"].as_str().unwrap();
    assert!(what.contains("the kernel log") && what.contains("GPU reset begin"), "{what}");
}
