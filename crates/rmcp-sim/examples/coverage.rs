//! Prints which instructions of code objects are not simulated: `cargo run -p rmcp-sim --example coverage FILE...`
#![allow(clippy::unwrap_used, reason = "a tool that stops where something is wrong")]
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "that is what it is for")]

use rmcp_code::CodeObject;
use rmcp_code::isa::{Isa, Target, Wave, words_of};
use rmcp_sim::exec::check;
use std::collections::BTreeMap;

fn main() {
    let mut missing: BTreeMap<String, (u64, String)> = BTreeMap::new();
    let (mut all, mut objects) = (0_u64, 0);
    for path in std::env::args().skip(1) {
        let Ok(file) = std::fs::read(&path) else { continue };
        // Objects are looked for wherever they are in the file.
        let starts = (0..file.len().saturating_sub(64))
            .filter(|&at| file[at..].starts_with(b"\x7fELF\x02\x01\x01\x40"));
        for start in starts {
            let Ok(object) = CodeObject::parse(&file[start..]) else { continue };
            let name = object.target().to_string();
            let Some(target) = Target::ALL.into_iter().find(|target| name.contains(target.name()))
            else {
                continue;
            };
            objects += 1;
            for function in object.functions() {
                let wave = function
                    .kernel
                    .as_ref()
                    .map_or(Wave::Wave32, rmcp_code::KernelDescriptor::wave);
                let words = words_of(function.code);
                let mut at = 0;
                while at < words.len() {
                    let Ok(instruction) = Isa::of(target).decode(&words[at..]) else {
                        at += 1;
                        continue;
                    };
                    at += usize::from(instruction.dwords());
                    all += 1;
                    if check(&instruction, wave).is_err() {
                        let text = instruction.text(wave).to_string();
                        let name = instruction.name().to_owned();
                        missing.entry(name).or_insert((0, text)).0 += 1;
                    }
                }
            }
        }
    }
    println!("{all} instructions of {objects} objects");
    for (name, (count, text)) in missing {
        println!("{count:8} {name}: {text}");
    }
}
