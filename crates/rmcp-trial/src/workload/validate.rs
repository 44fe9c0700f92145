//! What the schema cannot say. All problems are returned at once.

use super::schema::{Check, Convolution, Operation, Step, Workload};
use std::collections::BTreeSet;

/// Returns what is wrong with a workload, with its name in front.
pub fn problems_of(workload: &Workload) -> Vec<String> {
    let mut problems = Vec::new();
    let mut say = |what: String| problems.push(format!("{}: {what}", workload.name));
    if workload.sources.is_empty() {
        say("it has no source".to_owned());
    }
    if workload.check.is_empty() {
        say("nothing is computed".to_owned());
    }
    if workload.seconds == 0 || workload.silence == 0 || workload.silence > workload.seconds {
        say("its silence is to be at least a second, and within its time".to_owned());
    }
    for row in &workload.tolerance {
        if !(row.bound.is_finite() && row.bound >= 0.0) || row.reason.is_empty() {
            say(format!("the tolerance of {} is no number or has no reason", row.dtype.name()));
        }
    }
    let mut names = BTreeSet::new();
    for check in &workload.check {
        if !names.insert(&check.name) {
            say(format!("two checks are called {}", check.name));
        }
        for what in problems_of_check(workload, check) {
            say(format!("{}: {what}", check.name));
        }
    }
    problems
}

fn problems_of_check(workload: &Workload, check: &Check) -> Vec<String> {
    let mut problems = Vec::new();
    match (&check.operation, &check.program) {
        (Some(operation), None) => {
            if check.dtypes.is_empty() {
                problems.push("no type is named".to_owned());
            }
            let bounds = workload.bounds();
            for dtype in &check.dtypes {
                if !bounds.contains_key(dtype) {
                    problems.push(format!("there is no tolerance for {}", dtype.name()));
                }
            }
            problems.extend(problem_of_shape(operation));
        }
        (None, Some(_)) => {
            if !check.dtypes.is_empty() || check.gradients {
                problems.push("types and gradients are of operations".to_owned());
            }
        }
        _ => problems.push("it is to have an operation or a program".to_owned()),
    }
    problems
}

/// Shapes that do not fit each other.
fn problem_of_shape(operation: &Operation) -> Option<String> {
    let fits = match operation {
        Operation::Conv1d(it) => fits(it, 3, false),
        Operation::Conv2d(it) => fits(it, 4, false),
        Operation::ConvTranspose2d(it) => fits(it, 4, true),
        Operation::Matmul(it) => {
            it.input[1] == it.weight[0]
                && (!it.plus_transposed || it.input[0] == it.input[1] && it.input == it.weight)
        }
        Operation::Rearrange(it) => rearranges(&it.input, &it.steps),
        Operation::Softmax(it) => it.dim < it.input.len(),
        Operation::MaxPool2d(it) => {
            it.input.len() == 4
                && it.size > 0
                && it.input[2..].iter().all(|n| n.is_multiple_of(it.size))
        }
        Operation::BatchNorm(it) => it.input.len() == 4,
        Operation::Attention(_)
        | Operation::Scale(_)
        | Operation::Relu(_)
        | Operation::LeakyRelu(_)
        | Operation::Sigmoid(_) => true,
    };
    (!fits).then(|| "its shapes do not fit".to_owned())
}

fn fits(it: &Convolution, dims: usize, transposed: bool) -> bool {
    let lengths = |list: &[u64]| list.is_empty() || list.len() == dims - 2;
    let whole = it.input.len() == dims && it.weight.len() == dims;
    if !whole || it.groups == 0 || !lengths(&it.stride) || !lengths(&it.padding) {
        return false;
    }
    let channels = if transposed { it.weight[0] } else { it.weight[1] * it.groups };
    it.input[1] == channels && it.weight[0].is_multiple_of(it.groups)
}

fn rearranges(input: &[u64], steps: &[Step]) -> bool {
    let mut shape = input.to_vec();
    for step in steps {
        match step {
            Step::View(view) if view.iter().product::<u64>() == shape.iter().product::<u64>() => {
                shape.clone_from(view);
            }
            Step::Permute(order) => {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                if !sorted.into_iter().eq(0..shape.len() as u64) {
                    return false;
                }
                // All of them are smaller than the number of dimensions, as was just seen.
                let from = order.iter().filter_map(|at| shape.get(usize::try_from(*at).ok()?));
                shape = from.copied().collect();
            }
            Step::View(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "a"
        title = "b"
        suite = "workloads"
        sources = ["c"]
        seconds = 2
        silence = 1
        memory_mib = 1
        tolerance = [{ dtype = "float32", bound = 1e-5, reason = "d" }]
        [[check]]
        name = "e"
        operation.conv2d = { input = [1, 2, 3, 3], weight = [4, 2, 3, 3] }
        dtypes = ["float32"]
    "#;

    fn problems(from: &str, to: &str) -> Vec<String> {
        let text = GOOD.replacen(from, to, 1);
        assert!(from.is_empty() || text != GOOD, "{from}");
        problems_of(&toml::from_str(&text).unwrap())
    }

    #[test]
    fn each_problem_is_found() {
        assert_eq!(problems("", ""), Vec::<String>::new());
        for (from, to, words) in [
            (r#"["c"]"#, "[]", "it has no source"),
            ("silence = 1", "silence = 3", "silence"),
            ("1e-5", "nan", "is no number"),
            (r#"dtypes = ["float32"]"#, "", "no type is named"),
            (r#"dtypes = ["float32"]"#, r#"dtypes = ["float16"]"#, "no tolerance for float16"),
            ("[4, 2, 3, 3]", "[4, 3, 3, 3]", "shapes do not fit"),
            ("[4, 2, 3, 3]", "[4, 2, 3]", "shapes do not fit"),
            (
                "operation.conv2d",
                "program.yolo_backbone = { input = [] }\noperation.conv2d",
                "or a program",
            ),
            (
                "operation.conv2d = { input = [1, 2, 3, 3], weight = [4, 2, 3, 3] }",
                "operation.rearrange = { input = [4, 6], steps = [{ view = [5, 5] }] }",
                "shapes do not fit",
            ),
        ] {
            let found = problems(from, to);
            assert!(found.len() == 1 && found[0].contains(words), "{to}: {found:?}");
        }
    }

    #[test]
    fn unknown_keys_are_refused() {
        for (from, to) in [("title", "titel"), ("gradients", "x"), ("weight =", "wait =")] {
            let text = GOOD.replacen(from, to, 1);
            if text != GOOD {
                assert!(toml::from_str::<Workload>(&text).is_err(), "{to}");
            }
        }
    }
}
