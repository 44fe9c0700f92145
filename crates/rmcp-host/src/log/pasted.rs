//! Facts that people paste beside a crash: rocminfo, rocm-smi, `collect_env`, `export` lines.

use rmcp_model::{GfxTarget, PastedFacts, PastedGpu, Version};

/// Most bytes of the front of a log that are looked at: reports stand at the top of an issue, and this is
/// not what a gigabyte of training output is read for.
const MAX_BYTES: usize = 1 << 20;

/// Most GPUs kept.
const MAX_GPUS: usize = 64;

/// Collects the front of a stream, line by line.
#[derive(Default)]
pub(crate) struct PastedReader {
    front: Vec<u8>,
}

impl PastedReader {
    pub(crate) fn read(&mut self, bytes: &[u8], _line: u64) {
        let room = MAX_BYTES - self.front.len();
        self.front.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(crate) fn finish(self) -> PastedFacts {
        parse_pasted(&String::from_utf8_lossy(&self.front))
    }
}

/// Returns the facts in a text.
///
/// Understood are rocminfo's agents (`Name: gfx1030` with its `Marketing Name`, but not the `Name:
/// amdgcn-amd-amdhsa--gfx1030` of its ISA block), the bare list of `rocm_agent_enumerator`, the `GFX
/// Version` column of rocm-smi, `collect_env`, and `HSA_OVERRIDE_GFX_VERSION=`.
pub fn parse_pasted(text: &str) -> PastedFacts {
    let mut facts = PastedFacts::default();
    let mut in_isa = false;
    let mut marketing: Option<String> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with("Agent ") || line.starts_with("*******") {
            in_isa = false;
            marketing = None;
        }
        if line.starts_with("ISA Info") || line.starts_with("ISA ") {
            in_isa = true;
        }
        let add = |facts: &mut PastedFacts, gfx: GfxTarget, name: Option<String>| {
            if gfx != GfxTarget::new(0, 0, 0) && facts.gpus.len() < MAX_GPUS {
                facts.gpus.push(PastedGpu { gfx: Some(gfx), name, line: number });
            }
        };
        if let Some((key, value)) = line.split_once(':') {
            let value = value.trim();
            match key.trim() {
                "Name" if !in_isa => {
                    if let Some((gfx, _)) = GfxTarget::parse_prefix(value) {
                        add(&mut facts, gfx, marketing.take());
                    }
                }
                "Marketing Name" => {
                    if let Some(last) = facts.gpus.last_mut().filter(|gpu| gpu.name.is_none()) {
                        last.name = Some(value.to_owned()).filter(|name| !name.is_empty());
                    }
                }
                "GPU models and configuration" => read_collect_env_gpu(value, number, &mut facts),
                "PyTorch version" => facts.torch = known(value),
                "ROCM used to build PyTorch" | "HIP runtime version" if facts.rocm.is_none() => {
                    facts.rocm = Version::parse_prefix(value);
                }
                "HSA_OVERRIDE_GFX_VERSION" => facts.gfx_override = known(value),
                _ => {}
            }
        } else if let Ok(gfx) = line.parse::<GfxTarget>() {
            add(&mut facts, gfx, None);
        } else if let Some(gfx) = smi_row(line) {
            add(&mut facts, gfx, None);
        }
        read_override(line, &mut facts);
    }
    facts
}

fn known(value: &str) -> Option<String> {
    (!value.is_empty() && value != "N/A" && value != "Could not collect")
        .then(|| crate::log::printable(value, 80))
}

/// `AMD Radeon RX 5700 XT (gfx1010:xnack-)`; the name alone where the paste is cut.
fn read_collect_env_gpu(value: &str, line: u64, facts: &mut PastedFacts) {
    let Some(name) = known(value) else { return };
    let (name, gfx) = match name.rsplit_once('(') {
        Some((front, target)) => {
            let gfx = GfxTarget::parse_prefix(target);
            // `(gfx11` is a target cut off, not gfx11.
            let whole =
                gfx.filter(|&(_, len)| matches!(target.as_bytes().get(len), Some(b':' | b')')));
            (front.trim().to_owned(), whole.map(|(gfx, _)| gfx))
        }
        None => (name, None),
    };
    if facts.gpus.len() < MAX_GPUS {
        facts.gpus.push(PastedGpu { gfx, name: Some(name), line });
    }
}

/// A row of rocm-smi's table: `0  1  0x7480  53458  gfx1102  0x...`. Old versions print gfx1102 as gfx11002.
fn smi_row(line: &str) -> Option<GfxTarget> {
    let mut words = line.split_whitespace();
    words.next()?.parse::<u32>().ok()?;
    words.find_map(|word| match word {
        "gfx11002" => Some(GfxTarget::new(11, 0, 2)),
        "gfx11001" => Some(GfxTarget::new(11, 0, 1)),
        "gfx11000" => Some(GfxTarget::new(11, 0, 0)),
        word => word.parse().ok(),
    })
}

/// Returns whether words in front of an assignment leave it one: a prompt, `export`, other assignments,
/// the option of a container. Prose and comments do not.
fn sets_what_follows(front: &str) -> bool {
    let words = front.trim_end_matches(['"', '\'']);
    // Behind a prompt a command begins.
    let command = ["$ ", "> ", "% ", "# "].iter().filter_map(|prompt| words.rfind(prompt)).max();
    let words = &words[command.map_or(0, |at| at + 2)..];
    let option = words.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
    matches!(option, "-e" | "--env")
        || words.split_whitespace().all(|word| {
            matches!(word, "export" | "env" | "sudo" | "-" | "set" | "$") || word.contains('=')
        })
}

fn read_override(line: &str, facts: &mut PastedFacts) {
    let Some((front, rest)) = line.split_once("HSA_OVERRIDE_GFX_VERSION=") else { return };
    if !sets_what_follows(front) {
        return;
    }
    let end = rest.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(rest.len());
    let value = rest[..end].trim_matches(['"', '\'', '`']);
    if facts.gfx_override.is_none() && !value.is_empty() {
        facts.gfx_override = Some(crate::log::printable(value, 40));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_isa_block_does_not_hide_its_agent() {
        let text = "Agent 2\n  Name:                    gfx1010\n  Marketing Name:          AMD Radeon RX 5600 XT\n  ISA Info:\n    ISA 1\n      Name:                    amdgcn-amd-amdhsa--gfx1010:xnack-\n*** Done ***\n";
        let facts = parse_pasted(text);
        assert_eq!(facts.gpus.len(), 1);
        assert_eq!(facts.gpus[0].gfx, Some(GfxTarget::new(10, 1, 0)));
        assert_eq!(facts.gpus[0].name.as_deref(), Some("AMD Radeon RX 5600 XT"));
    }

    #[test]
    fn collect_env_and_export_lines() {
        let text = "PyTorch version: 2.5.1+rocm6.2\nROCM used to build PyTorch: 6.2.41133-dd7f95766\nGPU models and configuration: AMD Radeon RX 6700 XT (gfx1031)\n$ HSA_OVERRIDE_GFX_VERSION=10.3.0 python train.py\n";
        let facts = parse_pasted(text);
        assert_eq!(facts.torch.as_deref(), Some("2.5.1+rocm6.2"));
        assert_eq!(facts.rocm.unwrap().to_string(), "6.2.41133");
        assert_eq!(facts.gpus[0].gfx, Some(GfxTarget::new(10, 3, 1)));
        assert_eq!(facts.gfx_override.as_deref(), Some("10.3.0"));
    }

    #[test]
    fn prose_and_comments_set_nothing() {
        for (line, expected) in [
            ("export HSA_OVERRIDE_GFX_VERSION=10.3.0", Some("10.3.0")),
            (
                "me@host:~$ HSA_ENABLE_SDMA=0 HSA_OVERRIDE_GFX_VERSION=10.3.0 python x.py",
                Some("10.3.0"),
            ),
            (
                "docker run --device /dev/kfd -e HSA_OVERRIDE_GFX_VERSION=10.3.0 image",
                Some("10.3.0"),
            ),
            ("Environment=\"HSA_OVERRIDE_GFX_VERSION=10.3.0\"", Some("10.3.0")),
            ("I stopped setting HSA_OVERRIDE_GFX_VERSION=10.3.0 last year", None),
            ("#export HSA_OVERRIDE_GFX_VERSION=10.3.0", None),
            ("as said, HSA_OVERRIDE_GFX_VERSION=10.3.0 helped him", None),
        ] {
            assert_eq!(parse_pasted(line).gfx_override.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn a_target_cut_off_is_not_another_target() {
        let facts = parse_pasted("GPU models and configuration: AMD Radeon RX 7900 XTX (gfx11");
        assert_eq!(facts.gpus[0].gfx, None);
    }
}
