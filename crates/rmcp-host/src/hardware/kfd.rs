//! The KFD topology: what ROCm sees of a machine.
//!
//! Source of the format: Linux `drivers/gpu/drm/amd/amdkfd/kfd_topology.c`, the sysfs show functions.

use crate::host_root::{HostRoot, join};
use rmcp_model::{Fact, IoLink, KfdCache, KfdNode, MemoryBank};
use std::collections::BTreeMap;

/// Where the topology is. The second path is the same folder without the class link, which some containers
/// and recordings have alone.
const TOPOLOGY: [&str; 2] =
    ["/sys/class/kfd/kfd/topology/nodes", "/sys/devices/virtual/kfd/kfd/topology/nodes"];

/// Longest `properties` file: 40 lines of 40 bytes today.
const MAX_PROPERTIES_BYTES: u64 = 64 << 10;

/// Most nodes read. The largest machines have ten.
const MAX_NODES: usize = 128;

/// Most caches, banks and links read of a node.
const MAX_PARTS: usize = 1024;

/// Reads every node of the topology.
pub fn read_topology(root: &HostRoot) -> Fact<Vec<KfdNode>> {
    let mut found = Fact::Absent;
    for nodes in TOPOLOGY {
        found = root.list(nodes, |name| name.parse::<u32>().is_ok());
        if !found.is_absent() {
            break;
        }
    }
    let Fact::Known { value: names, origin } = found else {
        return found.map(|_| Vec::new());
    };
    let mut numbers: Vec<u32> = names.iter().filter_map(|(name, _)| name.parse().ok()).collect();
    numbers.sort_unstable();
    if numbers.len() > MAX_NODES {
        return Fact::unreadable(format!(
            "{}: {} nodes, expected at most {MAX_NODES}",
            origin.path,
            numbers.len()
        ));
    }
    let nodes = numbers.into_iter().map(|node| read_node(root, &origin.path, node)).collect();
    Fact::known(nodes, origin)
}

fn read_node(root: &HostRoot, nodes: &str, node: u32) -> KfdNode {
    let path = join(nodes, &node.to_string());
    let gpu_id = root.read_value(&join(&path, "gpu_id")).parse(|text| parse_number(text));
    KfdNode {
        node,
        gpu_id,
        name: root.read_value(&join(&path, "name")),
        properties: read_properties(root, &join(&path, "properties")),
        memory_banks: read_parts(root, &join(&path, "mem_banks"))
            .map(|banks| banks.iter().map(memory_bank).collect()),
        caches: read_parts(root, &join(&path, "caches")).map(|caches| count_caches(&caches)),
        io_links: read_parts(root, &join(&path, "io_links"))
            .map(|links| links.iter().map(io_link).collect()),
    }
}

fn read_properties(root: &HostRoot, path: &str) -> Fact<BTreeMap<String, u64>> {
    root.read_up_to(path, MAX_PROPERTIES_BYTES).parse(|bytes| parse_properties(bytes))
}

/// Reads `folder/*/properties`. One that cannot be read makes the whole list unreadable: a list with a hole
/// would count wrongly.
fn read_parts(root: &HostRoot, folder: &str) -> Fact<Vec<BTreeMap<String, u64>>> {
    let listed = root.list(folder, |name| name.parse::<u32>().is_ok());
    let Fact::Known { value: mut names, origin } = listed else {
        return listed.map(|_| Vec::new());
    };
    if names.len() > MAX_PARTS {
        return Fact::unreadable(format!(
            "{folder}: {} entries, expected at most {MAX_PARTS}",
            names.len()
        ));
    }
    names.sort_by_key(|(name, _)| name.parse::<u32>().unwrap_or(u32::MAX));
    let mut parts = Vec::with_capacity(names.len());
    for (name, _) in names {
        match read_properties(root, &join(&join(folder, &name), "properties")) {
            Fact::Known { value, .. } => parts.push(value),
            Fact::Absent => {}
            Fact::Unreadable { why } => return Fact::unreadable(why),
        }
    }
    Fact::known(parts, origin)
}

/// Parses a `properties` file: a name, a blank and a number on each line. Lists such as `sibling_map` keep
/// their first number.
///
/// # Errors
/// The line and what was expected, for text that is no such list.
pub fn parse_properties(bytes: &[u8]) -> Result<BTreeMap<String, u64>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 at byte {}", error.valid_up_to()))?;
    let mut properties = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let expected = || {
            format!(
                "line {}: expected a name and a number, found `{}`",
                index + 1,
                crate::log::printable(line, 60)
            )
        };
        let (name, value) = line.split_once(char::is_whitespace).ok_or_else(expected)?;
        let first = value.trim().split(',').next().unwrap_or_default();
        let value = parse_number(first).map_err(|_| expected())?;
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(expected());
        }
        properties.insert(name.to_owned(), value);
    }
    Ok(properties)
}

fn parse_number(text: &str) -> Result<u64, String> {
    // Some kernels print 32-bit fields as signed numbers.
    let text = text.trim();
    text.parse::<u64>()
        .or_else(|_| text.parse::<i64>().map(i64::cast_unsigned))
        .map_err(|_| format!("expected a number, found `{}`", crate::log::printable(text, 40)))
}

fn get(part: &BTreeMap<String, u64>, name: &str) -> u64 {
    part.get(name).copied().unwrap_or(0)
}

fn memory_bank(part: &BTreeMap<String, u64>) -> MemoryBank {
    MemoryBank {
        heap_type: get(part, "heap_type"),
        size_bytes: get(part, "size_in_bytes"),
        width_bits: get(part, "width"),
        clock_mhz: get(part, "mem_clk_max"),
    }
}

fn io_link(part: &BTreeMap<String, u64>) -> IoLink {
    IoLink {
        from: get(part, "node_from"),
        to: get(part, "node_to"),
        link_type: get(part, "type"),
        flags: get(part, "flags"),
    }
}

fn count_caches(parts: &[BTreeMap<String, u64>]) -> Vec<KfdCache> {
    let mut counts = BTreeMap::new();
    for part in parts {
        *counts
            .entry((get(part, "level"), get(part, "size"), get(part, "cache_line_size")))
            .or_insert(0) += 1;
    }
    counts
        .into_iter()
        .map(|((level, size_kib, line_bytes), count)| KfdCache {
            level,
            size_kib,
            line_bytes,
            count,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_all_kernels() {
        let parsed = parse_properties(b"simd_count 80\ngfx_target_version 100100\nunique_id 11529215046068469760\nsibling_map 1,0,0\nweight -1\n\n").unwrap();
        assert_eq!(parsed["gfx_target_version"], 100_100);
        assert_eq!(parsed["sibling_map"], 1);
        assert_eq!(parsed["weight"], u64::MAX);
    }

    #[test]
    fn damage_is_named_by_its_line() {
        for (bytes, why) in [
            (
                &b"simd_count 80\ngarbage\n"[..],
                "line 2: expected a name and a number, found `garbage`",
            ),
            (
                b"simd_count eighty",
                "line 1: expected a name and a number, found `simd_count eighty`",
            ),
            (b"simd\x00 1", "line 1: expected a name and a number, found `simd\u{fffd} 1`"),
            (
                b"a 99999999999999999999999",
                "line 1: expected a name and a number, found `a 99999999999999999999999`",
            ),
            (b"a \xff", "not UTF-8 at byte 2"),
        ] {
            assert_eq!(parse_properties(bytes).unwrap_err(), why);
        }
    }
}
