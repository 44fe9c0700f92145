//! Records of jobs: what was started, on which route, how it ended. So the next start begins with what worked.

use crate::database::{Database, DatabaseError};
use rmcp_model::{JobEvent, JobRecord, JobRoute};
use rusqlite::{OptionalExtension, params};

/// What worked the last time.
#[derive(Debug, Clone, PartialEq)]
pub struct LastTime {
    /// The route on which the job ended well.
    pub route: JobRoute,
    /// What decided how it ran.
    pub stack: String,
}

/// The records.
#[derive(Debug)]
pub struct JobRecords {
    database: Database,
}

impl JobRecords {
    /// Keeps records in a file.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes down that a job begins, and gives its number.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be written.
    pub fn begin(&self, command: &str, stack: &str, time: &str) -> Result<i64, DatabaseError> {
        let insert = "INSERT INTO job (command, stack, started) VALUES (?1, ?2, ?3)";
        self.database.execute(insert, params![command, stack, time])
    }

    /// Writes down what happened.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be written.
    pub fn add(&self, job: i64, event: &JobEvent, time: &str) -> Result<(), DatabaseError> {
        let text = self.database.json(event, || format!("an event of job {job}"))?;
        let insert = "INSERT INTO job_event (job, time, event) VALUES (?1, ?2, ?3)";
        self.database.execute(insert, params![job, time, text]).map(|_| ())
    }

    /// Returns the latest jobs, the last one first.
    ///
    /// # Errors
    /// [`DatabaseError`] when they cannot be read.
    pub fn latest(&self, count: u32) -> Result<Vec<JobRecord>, DatabaseError> {
        let rows: Vec<(i64, String, String, String)> = self
            .database
            .connection
            .prepare("SELECT id, command, stack, started FROM job ORDER BY id DESC LIMIT ?1")
            .and_then(|mut statement| {
                statement
                    .query_map([count], |row| {
                        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                    })?
                    .collect()
            })
            .map_err(|error| self.database.sqlite(error))?;
        rows.into_iter()
            .map(|(id, command, stack, started)| {
                Ok(JobRecord { id, command, stack, started, events: self.events(id)? })
            })
            .collect()
    }

    fn events(&self, job: i64) -> Result<Vec<(String, JobEvent)>, DatabaseError> {
        let rows: Vec<(String, String)> = self
            .database
            .connection
            .prepare("SELECT time, event FROM job_event WHERE job = ?1 ORDER BY id")
            .and_then(|mut statement| {
                statement.query_map([job], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .map_err(|error| self.database.sqlite(error))?;
        rows.into_iter()
            .map(|(time, text)| {
                Ok((time, self.database.parse(&text, || format!("an event of job {job}"))?))
            })
            .collect()
    }

    /// Returns what worked the last time that this command ended well.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be read.
    pub fn last_time(&self, command: &str) -> Result<Option<LastTime>, DatabaseError> {
        let job: Option<(i64, String)> = self
            .database
            .connection
            .query_row(
                "SELECT id, stack FROM job WHERE command = ?1 AND EXISTS (
                     SELECT 1 FROM job_event WHERE job = job.id
                     AND json_extract(event, '$.ending') = 'done')
                 ORDER BY id DESC LIMIT 1",
                [command],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(|error| self.database.sqlite(error))?;
        let Some((job, stack)) = job else { return Ok(None) };
        let mut started = self.events(job)?.into_iter().filter_map(|(_, event)| match event {
            JobEvent::Started { route, .. } => Some(route),
            _ => None,
        });
        Ok(started.next_back().map(|route| LastTime { route, stack }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::{Ending, Knob, LogKind};

    const NOW: &str = "2026-01-01T00:00:00Z";

    fn route(id: &str) -> JobRoute {
        JobRoute { id: id.to_owned(), title: id.to_owned(), knobs: vec![Knob::Processor] }
    }

    fn attempt(records: &JobRecords, job: i64, attempt: u32, id: &str, ending: Ending) {
        let started = JobEvent::Started { attempt, route: route(id), checkpoint: None };
        let route = id.to_owned();
        let ended = JobEvent::Ended { attempt, route, ending, code: 0, seconds: 1.5 };
        records.add(job, &started, NOW).unwrap();
        records.add(job, &ended, NOW).unwrap();
    }

    #[test]
    fn the_next_start_knows_what_worked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("records.sqlite");
        let records = JobRecords::new(Database::open(&path).unwrap());
        assert_eq!(records.last_time("train").unwrap(), None);
        let job = records.begin("train", "stack 1", NOW).unwrap();
        let fault = Ending::GpuFault { kind: LogKind::PageFault };
        attempt(&records, job, 1, "as-is", fault.clone());
        attempt(&records, job, 2, "cpu", Ending::Done);
        let failed = records.begin("train", "stack 2", NOW).unwrap();
        attempt(&records, failed, 1, "as-is", fault);
        let expected = LastTime { route: route("cpu"), stack: "stack 1".to_owned() };
        assert_eq!(records.last_time("train").unwrap(), Some(expected));
        assert_eq!(records.last_time("other").unwrap(), None);
        let latest = records.latest(10).unwrap();
        assert_eq!((latest[0].id, latest[1].id, latest[1].events.len()), (failed, job, 4));
    }
}
