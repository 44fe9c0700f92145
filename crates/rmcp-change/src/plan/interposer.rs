//! RMCP's own library inside programs that use the GPU, through the variable that ROCr reads for tools.

use super::draft::Draft;
use super::{PlanError, Planner, variable};
use rmcp_model::{Reader, Wish};

/// Libraries of tools that ROCr loads, separated by blanks.
/// Source: rocr-runtime `core/runtime/runtime.cpp`, `Runtime::LoadTools`.
const VARIABLE: &str = "HSA_TOOLS_LIB";

/// Returns the wish for the variable, which another process plans alike, whatever is set in its environment.
pub(super) fn plan(
    planner: &Planner<'_>,
    draft: &mut Draft<'_>,
    reader: &Reader,
) -> Result<Wish, PlanError> {
    let Some(library) = planner.interposer else {
        return Err(PlanError::Refused(
            "RMCP's library librmcp_hsa.so is not installed: it is looked for beside rmcp, and in \
             ../lib/rmcp and /usr/lib/rmcp"
                .to_owned(),
        ));
    };
    if library.contains(char::is_whitespace) {
        return Err(PlanError::Refused(format!(
            "{VARIABLE} separates its libraries by blanks, and `{library}` has one in its path"
        )));
    }
    // Tools of others stay, in front.
    let others = planner.host.environment.get(VARIABLE).map_or("", String::as_str);
    let mut libraries: Vec<&str> =
        others.split_whitespace().filter(|other| *other != library).collect();
    libraries.push(library);
    let value = libraries.join(" ");
    variable::plan_set(planner, draft, VARIABLE, &value, reader)?;
    Ok(Wish::Variable { name: VARIABLE.to_owned(), value, reader: reader.clone() })
}
