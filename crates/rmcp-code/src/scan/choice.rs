//! Which code objects of a bundle are judged.

use crate::container::Member;
use crate::isa::Target;
use crate::object_file::CodeTarget;
use rmcp_model::{GfxTarget, ScanCard};

/// Returns whether the runtime takes code of this target for the card without an override.
pub(super) fn is_native(card: &ScanCard, target: CodeTarget) -> bool {
    match target {
        CodeTarget::Gfx(gfx) => gfx == card.gfx,
        CodeTarget::Generic(name) => card.generic.as_deref() == Some(name),
        CodeTarget::Unknown(_) => false,
    }
}

/// Returns the places of the members that are to be judged.
pub(super) fn judged(card: &ScanCard, members: &[Member]) -> Vec<usize> {
    if Target::from_gfx(card.gfx).is_none() {
        return Vec::new();
    }
    let targets = || members.iter().filter(|member| member.bytes > 0).filter_map(|m| m.target);
    let native = |target: &CodeTarget| is_native(card, *target);
    let gfx = |gfx: GfxTarget| targets().find(|target| *target == CodeTarget::Gfx(gfx));
    let own = match targets().find(native) {
        Some(_) => None,
        None => card.runs.iter().find_map(|&target| gfx(target)),
    };
    let other = targets()
        .filter(|&target| target.instructions().is_some() && !native(&target))
        .filter(|target| !target.gfx().is_some_and(|gfx| card.runs.contains(&gfx)))
        .min_by_key(|target| {
            // What an override is set to in practice is a target of another generation.
            let gfx = target.gfx();
            let near = gfx.is_none_or(|gfx| gfx.minor == card.gfx.minor);
            (near, gfx)
        });
    let wanted = |member: &Member| {
        member.bytes > 0
            && member.target.is_some_and(|target| {
                native(&target) || Some(target) == own || Some(target) == other
            })
    };
    (0..members.len()).filter(|&at| wanted(&members[at])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(names: &[&str]) -> Vec<Member> {
        let target = |name: &str| match name.parse() {
            Ok(gfx) => Some(CodeTarget::Gfx(gfx)),
            Err(_) => CodeTarget::generic_of_bundle_id(&format!("hipv4-amdgcn-amd-amdhsa--{name}")),
        };
        let member = |&name: &&str| Member { target: target(name), id: name.to_owned(), bytes: 1 };
        names.iter().map(member).collect()
    }

    fn card(gfx: &str, runs: &[&str], generic: &str) -> ScanCard {
        ScanCard {
            gfx: gfx.parse().unwrap(),
            runs: runs.iter().map(|gfx| gfx.parse().unwrap()).collect(),
            generic: Some(generic.to_owned()),
        }
    }

    #[test]
    fn own_code_the_same_set_and_one_other() {
        let navi10 = card("gfx1010", &[], "gfx10-1-generic");
        let navi22 = card("gfx1031", &["gfx1030", "gfx1032"], "gfx10-3-generic");
        let vega = card("gfx906", &[], "gfx9-generic");
        let every = ["host", "gfx906", "gfx1010", "gfx1012", "gfx1030", "gfx1031", "gfx1100"];
        let few = ["gfx1012", "gfx1030", "gfx1032"];
        let family = ["gfx10-1-generic", "gfx10-3-generic"];
        for (card, names, expected) in [
            (&navi10, &every[..], &["gfx1010", "gfx1030"][..]),
            (&navi22, &every, &["gfx1010", "gfx1031"]),
            (&navi10, &few, &["gfx1030"]),
            (&navi22, &few, &["gfx1012", "gfx1030"]),
            (&navi10, &family, &["gfx10-1-generic", "gfx10-3-generic"]),
            (&navi10, &["gfx1011", "gfx1100"], &["gfx1011"]),
            (&vega, &every, &[]),
        ] {
            let members = members(names);
            let judged: Vec<&str> =
                judged(card, &members).into_iter().map(|at| members[at].id.as_str()).collect();
            assert_eq!(judged, expected, "{} of {names:?}", card.gfx);
        }
    }
}
