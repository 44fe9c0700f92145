//! A variable for one Python environment: for its Python, whoever starts it, and for shells in which the
//! environment is activated.

use super::draft::Draft;
use super::{PlanError, Planner, edit_error};
use crate::edit::activate;
use rmcp_model::TakesEffect;

/// Plans to set a variable in an environment of `venv`, `virtualenv` or conda.
pub(super) fn set(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    prefix: &str,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let prefix = prefix.trim_end_matches('/');
    if planner.is_elsewhere(prefix) {
        return Ok(());
    }
    let (packages, is_environment) = site_packages(draft, prefix)?;
    if !is_environment {
        return Err(PlanError::Refused(format!(
            "{prefix} is no environment of its own (neither pyvenv.cfg nor conda-meta is there); use --everybody, or make an environment"
        )));
    }
    let file = name.to_lowercase().replace('_', "-");
    let path = format!("{packages}/rmcp-{file}.pth");
    draft.write(&path, activate::pth_for(name, value).map_err(edit_error(&path))?)?;
    if draft.exists(&format!("{prefix}/conda-meta"))? {
        for (folder, text) in activate::conda_hooks(name, value).map_err(edit_error(&path))? {
            draft.write(&format!("{prefix}/etc/conda/{folder}/60-rmcp-{file}.sh"), text)?;
        }
    } else {
        hook(draft, &format!("{prefix}/bin/activate"), activate::set_in_sh, name, value)?;
        hook(draft, &format!("{prefix}/bin/activate.fish"), activate::set_in_fish, name, value)?;
    }
    draft.takes_effect(TakesEffect::NextStart);
    Ok(())
}

fn hook(
    draft: &mut Draft<'_>,
    path: &str,
    edit: fn(&str, &str, &str) -> Result<String, crate::edit::EditError>,
    name: &str,
    value: &str,
) -> Result<(), PlanError> {
    let Some(before) = draft.read(path)? else { return Ok(()) };
    let after = edit(&before, name, value).map_err(edit_error(path))?;
    draft.write(path, after)
}

/// Returns the folder of packages, and whether the folder is an environment of its own.
fn site_packages(draft: &Draft<'_>, prefix: &str) -> Result<(String, bool), PlanError> {
    let own = draft.exists(&format!("{prefix}/pyvenv.cfg"))?
        || draft.exists(&format!("{prefix}/conda-meta"))?;
    let lib = format!("{prefix}/lib");
    let mut found = Vec::new();
    for name in draft.list(&lib)?.iter().filter(|name| name.starts_with("python3.")) {
        let packages = format!("{lib}/{name}/site-packages");
        if draft.exists(&packages)? {
            found.push(packages);
        }
    }
    match found.as_slice() {
        [one] => Ok((one.clone(), own)),
        [] => Err(PlanError::Refused(format!(
            "{prefix} holds no Python: expected {lib}/python3.*/site-packages"
        ))),
        _ => Err(PlanError::Refused(format!(
            "{prefix} holds several Pythons ({}); which one is meant?",
            found.join(", ")
        ))),
    }
}
