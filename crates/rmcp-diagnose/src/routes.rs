//! The ways to get a model to run on a card, best first.
//!
//! The ladder: native code, an override inside one instruction set, MIOpen steered or switched off,
//! convolutions elsewhere, the whole model on Vulkan, the processor.

use crate::evidence::fill_in;
use crate::gpu::Gpu;
use crate::software::{Software, targets_of};
use rmcp_knowledge::Knowledge;
use rmcp_knowledge::schema::StackStatus;
use rmcp_model::{CodeCoverage, Confidence, GfxTarget, Route, RouteStatus, Verdict};

/// Returns the routes of every distinct card, best first within each.
pub(crate) fn routes(
    gpus: &[Gpu<'_>],
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Vec<Route> {
    let mut seen: Vec<Option<GfxTarget>> = Vec::new();
    let mut routes = Vec::new();
    for (index, gpu) in gpus.iter().enumerate() {
        let known = gpu.report.gfx.filter(|gfx| knowledge.target(*gfx).is_some());
        // Two identical cards have one ladder.
        if seen.contains(&gpu.report.gfx) {
            continue;
        }
        seen.push(gpu.report.gfx);
        if let Some(gfx) = known {
            routes.extend(native(index, gpu, gfx, software, knowledge));
            if software.coverage(gfx) != Some(CodeCoverage::Full) {
                routes.push(same_isa(index, gpu, gfx, software, knowledge));
            }
            routes.extend(miopen(index, gpu, software, knowledge));
            routes.push(vulkan(index, knowledge));
        }
    }
    if !gpus.is_empty() {
        routes.push(cpu());
    }
    routes
}

fn route(
    id: &str,
    gpu: usize,
    status: RouteStatus,
    title: impl Into<String>,
    reason: impl Into<String>,
    sources: &[&str],
    knowledge: &Knowledge,
) -> Route {
    let sources: Vec<String> = sources.iter().map(|&source| source.to_owned()).collect();
    Route {
        id: id.to_owned(),
        gpu: Some(gpu),
        status,
        title: title.into(),
        reason: reason.into(),
        steps: Vec::new(),
        confidence: knowledge.confidence(&sources),
        sources,
    }
}

fn native(
    index: usize,
    gpu: &Gpu<'_>,
    gfx: GfxTarget,
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Vec<Route> {
    let overridden = gpu.report.gfx_override.is_some();
    if software.coverage(gfx) == Some(CodeCoverage::Full) {
        let status = if overridden { RouteStatus::Available } else { RouteStatus::Active };
        let mut route = route(
            "native",
            index,
            status,
            format!("native {gfx} code"),
            "the PyTorch here has it",
            &[],
            knowledge,
        );
        route.confidence = Confidence::High;
        if overridden {
            route.steps.push("unset HSA_OVERRIDE_GFX_VERSION".to_owned());
        }
        return vec![route];
    }
    let stacks = knowledge.stacks_for(gfx);
    if stacks.is_empty() {
        return vec![route(
            "native",
            index,
            RouteStatus::Impossible,
            format!("native {gfx} code"),
            "no build with code for this card is known",
            &["therock-releases", "pytorch-wheel-archs"],
            knowledge,
        )];
    }
    stacks
        .into_iter()
        .map(|stack| {
            let tested = match stack.status {
                StackStatus::Tested => "built and tested for it",
                StackStatus::Built => "built for it, tested by nobody upstream",
                StackStatus::Reported => "works by reports",
            };
            let mut steps: Vec<String> =
                stack.install.iter().map(|step| fill_in(step, Some(gfx))).collect();
            if overridden {
                steps.insert(0, "unset HSA_OVERRIDE_GFX_VERSION".to_owned());
            }
            let reason = match &stack.caveat {
                Some(caveat) => format!("{tested}; {caveat}"),
                None => tested.to_owned(),
            };
            Route {
                id: format!("native:{}", stack.id),
                gpu: Some(index),
                status: RouteStatus::NeedsChange,
                title: format!("native {gfx} code: {}", stack.title),
                reason,
                steps,
                confidence: knowledge.confidence(&stack.sources),
                sources: stack.sources.clone(),
            }
        })
        .collect()
}

fn same_isa(
    index: usize,
    gpu: &Gpu<'_>,
    gfx: GfxTarget,
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Route {
    let others = knowledge.target(gfx).map_or(&[][..], |target| &target.runs[..]);
    let sources = &["llvm-amdgpu-td", "isa-comparison"];
    let in_library = others
        .iter()
        .copied()
        .find(|&target| software.coverage(target) == Some(CodeCoverage::Full));
    let in_stack =
        others.iter().find_map(|&target| Some((target, *knowledge.stacks_for(target).first()?)));
    let Some(target) = in_library.or(in_stack.map(|(target, _)| target)) else {
        return route(
            "override-same-isa",
            index,
            RouteStatus::Impossible,
            "an override",
            match others {
                [] => format!("no other target has the instruction set of {gfx}"),
                _ => format!("no build with code of a target that {gfx} can run is known"),
            },
            sources,
            knowledge,
        );
    };
    let set = format!("HSA_OVERRIDE_GFX_VERSION={}", target.dotted());
    let active = gpu.report.gfx_override.as_deref() == Some(&target.dotted());
    let (status, reason) = match (in_library, active) {
        (Some(_), true) => (
            RouteStatus::Active,
            format!("{target} has the instruction set of {gfx}, and the library has its code"),
        ),
        (Some(_), false) => (
            RouteStatus::Available,
            format!("{target} has the instruction set of {gfx}, and the library has its code"),
        ),
        (None, _) => {
            let has = software.code().map_or("no library here was read".to_owned(), |code| {
                format!("the library here has {}", targets_of(code))
            });
            (RouteStatus::NeedsChange, format!("right where a library has {target} code; {has}"))
        }
    };
    let mut route = route(
        "override-same-isa",
        index,
        status,
        format!("{target} code, under the override {set}"),
        reason,
        sources,
        knowledge,
    );
    if let (None, Some((target, stack))) = (in_library, in_stack) {
        route.steps.extend(stack.install.iter().map(|step| fill_in(step, Some(target))));
    }
    if !active {
        route.steps.push(format!("export {set}"));
    }
    route
}

/// Steering MIOpen helps where code that the card can run is there and a convolution fails all the same.
fn miopen(
    index: usize,
    gpu: &Gpu<'_>,
    software: &Software<'_>,
    knowledge: &Knowledge,
) -> Vec<Route> {
    if !software.is_rocm() {
        return Vec::new();
    }
    let runs = matches!(gpu.report.verdict, Verdict::Native | Verdict::SameIsa);
    let (status, reason) = if runs {
        (
            RouteStatus::Available,
            "where a convolution fails although the code is right: solver families off one by one, or MIOpen off altogether",
        )
    } else {
        (
            RouteStatus::NeedsChange,
            "only once PyTorch has code that this card can run: rocBLAS and PyTorch's own kernels are of the same set",
        )
    };
    let mut steer = route(
        "miopen-steering",
        index,
        status,
        "MIOpen steered or switched off",
        reason,
        &["log-miopen-3540"],
        knowledge,
    );
    steer.steps = vec![
        "MIOPEN_DEBUG_CONV_GEMM=0 python your_program.py".to_owned(),
        "in Python: torch.backends.cudnn.enabled = False".to_owned(),
    ];
    vec![steer]
}

fn vulkan(index: usize, knowledge: &Knowledge) -> Route {
    let mut route = route(
        "vulkan",
        index,
        RouteStatus::NeedsChange,
        "the whole model on Vulkan (torchvulkan)",
        "needs neither ROCm nor its code; slower, and not every operation is there",
        &["torchvulkan"],
        knowledge,
    );
    route.steps.push("pip install torchvulkan (in an environment of its own)".to_owned());
    route
}

fn cpu() -> Route {
    Route {
        id: "cpu".to_owned(),
        gpu: None,
        status: RouteStatus::Available,
        title: "the processor".to_owned(),
        reason: "always works, slowly".to_owned(),
        steps: vec!["in Python: device = \"cpu\"".to_owned()],
        confidence: Confidence::High,
        sources: Vec::new(),
    }
}
