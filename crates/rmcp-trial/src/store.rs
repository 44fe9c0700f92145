//! Records of trials: which tests were run under which changes, and what became of them.
//!
//! A row says that an attempt begins before its process is started, and is completed when it is over. A row that was
//! never completed names the test that was running when the machine went down, or when `rmcp` was killed.

use crate::database::{Database, DatabaseError, Moment};
use crate::search::Question;
use rmcp_model::{Attempt, Outcome, Test, TrialMatrix};
use rusqlite::{OptionalExtension, params};

/// What the records say to a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// It was answered before.
    Answered(Box<Attempt>),
    /// It is to be run; the record of that is on the disk.
    Run(AttemptId),
}

/// A row that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptId(i64);

/// A whole session.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its number.
    pub id: i64,
    /// When it began, as RFC 3339.
    pub started: String,
    /// What was asked for.
    pub request: serde_json::Value,
    /// What came of it; none where it did not come to its end.
    pub matrix: Option<TrialMatrix>,
}

/// An attempt that was never completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    /// What was being asked.
    pub question: Question,
    /// Whether the machine was started anew since.
    pub machine_went_down: bool,
    /// Whether it is not run again.
    pub is_over: bool,
}

/// The records.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

impl Store {
    /// Keeps records in a file.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Writes down that a session begins, and gives its number.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be written.
    pub fn begin(&self, now: &Moment, request: &serde_json::Value) -> Result<i64, DatabaseError> {
        self.database.execute(
            "INSERT INTO session (started, boot, request) VALUES (?1, ?2, ?3)",
            params![now.time, now.boot, request.to_string()],
        )
    }

    /// Returns a session, or the latest one.
    ///
    /// # Errors
    /// [`DatabaseError::NoSession`] when there is none of that number; [`DatabaseError`] when it cannot be read.
    pub fn session(&self, id: Option<i64>) -> Result<Option<Session>, DatabaseError> {
        let read = |row: &rusqlite::Row<'_>| {
            let texts: (String, Option<String>) = (row.get(2)?, row.get(3)?);
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, texts))
        };
        const COLUMNS: &str = "SELECT id, started, request, matrix FROM session";
        let found = match id {
            Some(id) => self
                .database
                .connection
                .query_row(&format!("{COLUMNS} WHERE id = ?1"), [id], read)
                .optional()
                .map_err(|error| self.database.sqlite(error))?
                .ok_or_else(|| DatabaseError::NoSession {
                    path: self.database.path().to_owned(),
                    id,
                })
                .map(Some)?,
            None => self
                .database
                .connection
                .query_row(&format!("{COLUMNS} ORDER BY id DESC LIMIT 1"), [], read)
                .optional()
                .map_err(|error| self.database.sqlite(error))?,
        };
        let Some((id, started, (request, matrix))) = found else { return Ok(None) };
        let matrix =
            matrix.as_deref().map(|text| self.database.parse(text, || format!("session {id}")));
        Ok(Some(Session {
            id,
            started,
            request: self.database.parse(&request, || format!("session {id}"))?,
            matrix: matrix.transpose()?,
        }))
    }

    /// Writes down what came of a session.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be written.
    pub fn end(&self, session: i64, matrix: &TrialMatrix) -> Result<(), DatabaseError> {
        let text = self.database.json(matrix, || format!("session {session}"))?;
        let update = "UPDATE session SET matrix = ?2 WHERE id = ?1";
        self.database.execute(update, params![session, text]).map(|_| ())
    }

    /// Sees to the rows of a session that nobody will complete, and gives them. What ran when the machine went down is
    /// not run again; what ran when `rmcp` alone was ended is, once.
    ///
    /// # Errors
    /// [`DatabaseError`] when they cannot be read or written.
    pub fn close_interrupted(
        &self,
        session: i64,
        now: &Moment,
    ) -> Result<Vec<Interrupted>, DatabaseError> {
        let mut statement = self
            .database
            .connection
            .prepare(
                "SELECT id, knobs, workload, tool, repeat, boot, interrupted FROM attempt
                 WHERE session = ?1 AND result IS NULL ORDER BY id",
            )
            .map_err(|error| self.database.sqlite(error))?;
        let rows = statement
            .query_map([session], |row| {
                let question: (String, String, String, u32) =
                    (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                let when: (String, u32) = (row.get(5)?, row.get(6)?);
                Ok((row.get::<_, i64>(0)?, question, when))
            })
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| self.database.sqlite(error))?;
        let mut interrupted = Vec::new();
        for (id, (knobs, workload, tool, repeat), (boot, before)) in rows {
            let machine_went_down = boot != now.boot;
            let outcome = match (machine_went_down, before) {
                (true, _) => Some(Outcome::Crashed {
                    signal: None,
                    what: "the machine went down with it".to_owned(),
                }),
                // Once may be chance: somebody else may have ended rmcp.
                (false, 0) => None,
                (false, _) => {
                    Some(Outcome::NotRun { what: "rmcp was ended twice while it ran".to_owned() })
                }
            };
            let is_over = outcome.is_some();
            match outcome {
                Some(outcome) => self.finish(AttemptId(id), &Attempt::without_run(outcome), "")?,
                None => {
                    let update = "UPDATE attempt SET interrupted = interrupted + 1 WHERE id = ?1";
                    self.database.execute(update, params![id])?;
                }
            }
            let test = Test {
                workload,
                tool: self.database.parse(&format!("\"{tool}\""), || format!("attempt {id}"))?,
            };
            let knobs = self.database.parse(&knobs, || format!("attempt {id}"))?;
            interrupted.push(Interrupted {
                question: Question { knobs, test, repeat },
                machine_went_down,
                is_over,
            });
        }
        Ok(interrupted)
    }

    /// Asks for the answer to a question, and writes down that it is being looked for where there is none.
    ///
    /// A test that once took the machine down under the same changes is answered by that: it is not run again.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be read or written.
    pub fn start(
        &self,
        session: i64,
        question: &Question,
        now: &Moment,
    ) -> Result<Begun, DatabaseError> {
        let knobs = self.database.json(&question.knobs, || question.test.to_string())?;
        let (workload, tool) = (&question.test.workload, question.test.tool.name());
        let found: Vec<(u32, Option<String>)> = self
            .database
            .connection
            .prepare_cached(
                "SELECT repeat, result FROM attempt
                 WHERE session = ?1 AND knobs = ?2 AND workload = ?3 AND tool = ?4",
            )
            .and_then(|mut statement| {
                statement
                    .query_map(params![session, knobs, workload, tool], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?
                    .collect()
            })
            .map_err(|error| self.database.sqlite(error))?;
        let mut culprit = false;
        for (repeat, result) in found {
            let Some(result) = result else { continue };
            let attempt: Attempt = self.database.parse(&result, || question.test.to_string())?;
            if repeat == question.repeat {
                return Ok(Begun::Answered(Box::new(attempt)));
            }
            culprit |= matches!(attempt.outcome, Outcome::Crashed { signal: None, .. });
        }
        if culprit {
            let what = "it took the machine down before; it is not run again".to_owned();
            return Ok(Begun::Answered(Box::new(Attempt::without_run(Outcome::NotRun { what }))));
        }
        // A row that is there was interrupted.
        self.database
            .connection
            .prepare_cached(
                "INSERT INTO attempt (session, knobs, workload, tool, repeat, started, boot)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT DO UPDATE SET started = excluded.started, boot = excluded.boot
                 RETURNING id",
            )
            .and_then(|mut statement| {
                let values =
                    params![session, knobs, workload, tool, question.repeat, now.time, now.boot];
                statement.query_row(values, |row| row.get(0))
            })
            .map(|id| Begun::Run(AttemptId(id)))
            .map_err(|error| self.database.sqlite(error))
    }

    /// Writes down what became of an attempt, with the end of what it said.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be written.
    pub fn finish(
        &self,
        attempt: AttemptId,
        result: &Attempt,
        output: &str,
    ) -> Result<(), DatabaseError> {
        let text = self.database.json(result, || format!("attempt {}", attempt.0))?;
        let update = "UPDATE attempt SET result = ?2, output = ?3 WHERE id = ?1";
        self.database.execute(update, params![attempt.0, text, output]).map(|_| ())
    }

    /// Returns how long each test took on the average in all sessions, in seconds.
    ///
    /// # Errors
    /// [`DatabaseError`] when it cannot be read.
    pub fn usual_seconds(&self) -> Result<Vec<(String, String, f64)>, DatabaseError> {
        self.database
            .connection
            .prepare(
                "SELECT workload, tool, avg(json_extract(result, '$.seconds')) FROM attempt
                 WHERE json_extract(result, '$.seconds') > 0 GROUP BY workload, tool",
            )
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect()
            })
            .map_err(|error| self.database.sqlite(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmcp_model::{Knob, Tool};

    fn open(path: &std::path::Path) -> Store {
        Store::new(Database::open(path).unwrap())
    }

    fn moment(boot: &str) -> Moment {
        Moment { time: "2026-01-01T00:00:00Z".to_owned(), boot: boot.to_owned() }
    }

    fn question(repeat: u32) -> Question {
        let test = Test { workload: "basic".to_owned(), tool: Tool::Hip };
        Question { knobs: vec![Knob::Unset { name: "A".to_owned() }], test, repeat }
    }

    fn run(begun: Begun) -> AttemptId {
        match begun {
            Begun::Run(id) => id,
            Begun::Answered(attempt) => panic!("answered: {attempt:?}"),
        }
    }

    fn answered(begun: Begun) -> Outcome {
        match begun {
            Begun::Answered(attempt) => attempt.outcome,
            Begun::Run(_) => panic!("it is run again"),
        }
    }

    #[test]
    fn what_is_finished_is_not_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/trials.sqlite");
        let store = open(&path);
        let session = store.begin(&moment("a"), &serde_json::json!({"n": 3})).unwrap();
        let id = run(store.start(session, &question(0), &moment("a")).unwrap());
        store.finish(id, &Attempt::without_run(Outcome::Passed), "all is well").unwrap();
        drop(store);
        let store = open(&path);
        assert!(store.close_interrupted(session, &moment("b")).unwrap().is_empty());
        assert_eq!(
            answered(store.start(session, &question(0), &moment("b")).unwrap()),
            Outcome::Passed
        );
        let other = store.begin(&moment("b"), &serde_json::json!({})).unwrap();
        run(store.start(other, &question(0), &moment("b")).unwrap());
        assert_eq!(store.session(None).unwrap().unwrap().id, other);
        assert_eq!(store.session(Some(session)).unwrap().unwrap().request["n"], 3);
        assert!(matches!(store.session(Some(99)), Err(DatabaseError::NoSession { id: 99, .. })));
    }

    #[test]
    fn what_took_the_machine_down_is_named_and_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.sqlite");
        let store = open(&path);
        let session = store.begin(&moment("a"), &serde_json::json!({})).unwrap();
        run(store.start(session, &question(0), &moment("a")).unwrap());
        drop(store);
        let store = open(&path);
        let interrupted = store.close_interrupted(session, &moment("b")).unwrap();
        let question_0 =
            Interrupted { question: question(0), machine_went_down: true, is_over: true };
        assert_eq!(interrupted, [question_0]);
        let first = answered(store.start(session, &question(0), &moment("b")).unwrap());
        assert!(matches!(first, Outcome::Crashed { signal: None, .. }), "{first:?}");
        let second = answered(store.start(session, &question(1), &moment("b")).unwrap());
        assert!(matches!(second, Outcome::NotRun { .. }), "{second:?}");
    }

    #[test]
    fn what_ran_when_rmcp_was_ended_has_one_more_chance() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.sqlite");
        let store = open(&path);
        let session = store.begin(&moment("a"), &serde_json::json!({})).unwrap();
        for is_over in [false, true] {
            run(store.start(session, &question(0), &moment("a")).unwrap());
            let interrupted = store.close_interrupted(session, &moment("a")).unwrap();
            assert!(!interrupted[0].machine_went_down && interrupted[0].is_over == is_over);
        }
        let first = answered(store.start(session, &question(0), &moment("a")).unwrap());
        assert!(matches!(first, Outcome::NotRun { .. }), "{first:?}");
        run(store.start(session, &question(1), &moment("a")).unwrap());
    }
}
