//! MIOpen's cache of compiled kernels and its choices of solvers, which outlive the software that made them.

use super::draft::Draft;
use super::{PlanError, Planner};
use rmcp_model::TakesEffect;

/// Where MIOpen keeps what it compiled, and what it found to be fastest, below the home folder; and the
/// variable that names another place.
///
/// Source: the rows of these variables in the knowledge base; MIOpen documentation, "Kernel cache" (6.1).
const FOLDERS: [(&str, &str); 2] =
    [(".cache/miopen", "MIOPEN_CUSTOM_CACHE_DIR"), (".config/miopen", "MIOPEN_USER_DB_PATH")];

/// Numbers that are tried for the name of what was moved aside.
const MAX_ASIDE: u32 = 1000;

pub(super) fn plan(planner: &Planner<'_>, draft: &mut Draft<'_>) -> Result<(), PlanError> {
    let home = planner.home()?;
    let mut done: Vec<String> = Vec::new();
    for (folder, variable) in FOLDERS {
        let usual = format!("{home}/{folder}");
        let named = planner.host.environment.get(variable).map(|path| path.trim_end_matches('/'));
        // Another place counts where it is a folder of the user's own.
        let from = match named.filter(|path| path.starts_with(&format!("{home}/"))) {
            Some(path) => path.to_owned(),
            None => usual,
        };
        // Both variables may name one place.
        if done.contains(&from) || !draft.exists(&from)? {
            continue;
        }
        let to = (1..MAX_ASIDE)
            .map(|number| format!("{from}.rmcp-{number}"))
            .find(|to| draft.exists(to).is_ok_and(|there| !there));
        let to = to.ok_or_else(|| {
            PlanError::Refused(format!("{from} was moved aside {MAX_ASIDE} times; remove some"))
        })?;
        draft.move_aside(&from, &to);
        draft.takes_effect(TakesEffect::NextStart);
        done.push(from);
    }
    Ok(())
}
