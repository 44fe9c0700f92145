//! What isolation costs beyond the child's own time, and how soon a dry plan is there.

use crate::bench::missed;
use crate::measure::median;
use crate::run::release_binary;
use anyhow::{Result, ensure};
use rmcp_trial::isolation::{End, Invocation, Keeper, Limits, run};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of each; the median is printed.
const RUNS: usize = 101;

/// Bars of the product: isolation of one test, and a whole dry plan.
const ISOLATION_MS: f64 = 15.0;
const DRY_RUN_MS: f64 = 50.0;

/// Measures and prints; gives the bars that are missed.
pub(crate) fn trials() -> Result<Vec<String>> {
    let keeper = Keeper { program: release_binary(), arguments: vec!["keep".into()] };
    let limits = Limits {
        wall: Duration::from_secs(60),
        silence: Some(Duration::from_secs(60)),
        memory: None,
        output: 256 << 10,
    };
    let child = Invocation { program: "true".into(), ..Invocation::default() };
    let (mut bare, mut isolated, mut plans) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let start = Instant::now();
        ensure!(Command::new("true").status()?.success(), "true is not true");
        bare.push(start.elapsed());
        let start = Instant::now();
        let folder = tempfile::tempdir()?;
        let ended = run(&keeper, &child, &limits, folder.path())?;
        isolated.push(start.elapsed());
        ensure!(ended.end == End::Code(0), "true under the keeper: {:?}", ended.end);
        let mut plan = Command::new(release_binary());
        plan.args(["try", "--dry-run", "--simulate", "rx5600xt"]).stdout(Stdio::null());
        let start = Instant::now();
        ensure!(plan.status()?.success(), "rmcp try --dry-run failed");
        plans.push(start.elapsed());
    }
    let [bare, isolated, plan] =
        [bare, isolated, plans].map(|times| median(times).as_secs_f64() * 1e3);
    let cost = isolated - bare;
    println!("try: median of {RUNS} runs each, taken in turn");
    println!("  {:<44} {bare:7.2} ms", "true");
    println!("  {:<44} {isolated:7.2} ms  {cost:.2} ms more", "true, isolated");
    println!("  {:<44} {plan:7.2} ms", "rmcp try --dry-run");
    let slow = format!("isolation takes {cost:.1} ms, the bar is {ISOLATION_MS} ms");
    let late = format!("a dry plan takes {plan:.1} ms, the bar is {DRY_RUN_MS} ms");
    Ok([missed(cost < ISOLATION_MS, slow), missed(plan < DRY_RUN_MS, late)].concat())
}
