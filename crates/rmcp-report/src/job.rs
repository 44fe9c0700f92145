//! Jobs and what happened to them.

use crate::clean::clean;
use rmcp_model::{Ending, JobEvent, JobRecord};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Returns jobs as `rmcp.run/1`.
pub fn job_json(jobs: &[JobRecord]) -> Value {
    let job = |job: &JobRecord| {
        let events = job.events.iter().map(|(time, event)| {
            let mut event = json!(event);
            event["time"] = json!(time);
            event
        });
        json!({
            "id": job.id,
            "command": serde_json::from_str::<Value>(&job.command).unwrap_or_else(|_| json!(job.command)),
            "stack": job.stack,
            "started": job.started,
            "events": events.collect::<Vec<_>>(),
        })
    };
    json!({ "schema": "rmcp.run/1", "jobs": jobs.iter().map(job).collect::<Vec<_>>() })
}

/// Returns jobs as a page.
pub fn job_text(jobs: &[JobRecord]) -> String {
    if jobs.is_empty() {
        return "no job was ever run here\n".to_owned();
    }
    let mut text = String::new();
    for job in jobs {
        let command: Value = serde_json::from_str(&job.command).unwrap_or_default();
        let words = command["command"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let words = words.collect::<Vec<_>>().join(" ");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "job {}  {}  {}", job.id, job.started, clean(&words));
        for (_, event) in &job.events {
            let _ = writeln!(text, "  {}", clean(&event_text(event)));
        }
    }
    text
}

fn event_text(event: &JobEvent) -> String {
    match event {
        JobEvent::Started { attempt, route, checkpoint } => {
            let from = checkpoint.as_ref().map(|path| format!(", from {path}")).unwrap_or_default();
            format!("{attempt}. {} ({}){from}", route.title, route.id)
        }
        JobEvent::Ended { ending, code, seconds, .. } => {
            format!("   {} after {seconds:.1} s (code {code})", ending_text(ending))
        }
        JobEvent::GaveUp { why } => format!("   nothing more was tried: {why}"),
    }
}

fn ending_text(ending: &Ending) -> String {
    match ending {
        Ending::Done => "ended well".to_owned(),
        Ending::Interrupted { signal } => format!("was ended by somebody (signal {signal})"),
        Ending::OutOfMemory => "was killed by the kernel for want of memory".to_owned(),
        Ending::Error => "ended with an error of its own".to_owned(),
        Ending::GpuFault { kind } => format!("the GPU failed it: {kind}"),
        Ending::Hang => "hung and was ended".to_owned(),
    }
}
