//! The rules as data: name, severity, source, and a sentence for a person.

use crate::isa::Target;
pub use rmcp_model::RuleSeverity as Severity;

macro_rules! rules {
    ($($id:ident $name:literal $severity:ident $source:literal $sentence:literal,)*) => {
        /// What is looked for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $(#[doc = $sentence] $id,)* }

        /// Number of rules.
        pub const RULES: usize = Rule::ALL.len();

        impl Rule {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$id,)*];

            /// Short name, for programs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$id => $name,)* }
            }

            /// How certain its harm is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$id => Severity::$severity,)* }
            }

            /// Who says so.
            pub const fn source(self) -> &'static str {
                match self { $(Self::$id => $source,)* }
            }

            /// What it means, in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$id => $sentence,)* }
            }
        }
    };
}

rules! {
    MissingDot "missing-dot" Certain
        "LLVM AMDGPU.td: dot1-insts, dot2-insts, dot5-insts to dot7-insts and dot10-insts are not on this target"
        "Uses a dot-product instruction that this chip does not have.",
    MissingRayTracing "missing-ray-tracing" Certain
        "LLVM AMDGPU.td: gfx10_a-encoding is not on this target"
        "Uses an instruction for ray tracing or multisampled images that this chip does not have.",
    MissingAddtid "missing-addtid" Certain
        "LLVM AMDGPU.td: gfx10_b-encoding is not on this target"
        "Uses a memory instruction addressed by the thread's number that this chip does not have.",
    Undecodable "undecodable" Certain
        "LLVM's disassembler for this target"
        "Uses an instruction that this chip does not have.",
    Different "decodes-differently" Certain
        "LLVM's disassembler for this target"
        "Has an instruction that means something else on this chip.",
    FlatOffset "flat-offset" Certain
        "LLVM AMDGPU.td: flat-segment-offset-bug"
        "Uses a flat address with an offset, which this chip leaves out when the address is of global memory: it reads or writes elsewhere.",
    ScratchOffset "scratch-negative-offset" Certain
        "LLVM AMDGPU.td: negative-unaligned-scratch-offset-bug"
        "Uses a private address with a negative offset that is no multiple of 4, with which this chip reads other memory.",
    InstPrefetch "inst-prefetch" DocumentedHang
        "LLVM AMDGPU.td: inst-fwd-prefetch-bug (\"causes shader to hang\"); Mesa, ACO README-ISA.md"
        "Sets the instruction prefetch, which LLVM never does on this chip because it can hang.",
    NsaClause "nsa-clause" TimingHazard
        "LLVM AMDGPU.td: nsa-clause-bug"
        "Has an image instruction with separate addresses in a clause, which has unpredictable results on this chip.",
    NsaToVmem "nsa-to-vmem" TimingHazard
        "LLVM GCNHazardRecognizer, NSA-to-VMEM bug"
        "Has a buffer instruction right behind an image instruction with many separate addresses.",
    BranchOffset "branch-offset-3f" TimingHazard
        "LLVM AMDGPU.td: offset-3f-bug"
        "Has a branch over exactly 63 dwords, which LLVM avoids on this chip.",
    VmemToScalarWrite "vmem-to-scalar-write" TimingHazard
        "LLVM GCNHazardRecognizer, VMEM-to-scalar-write hazard"
        "Changes a scalar register that a memory instruction before it may not have read yet.",
    SmemToVectorWrite "smem-to-vector-write" TimingHazard
        "LLVM GCNHazardRecognizer, SMEM-to-vector-write hazard"
        "Changes a scalar register from the vector unit that a scalar load before it may not have read yet.",
    VcmpxExec "vcmpx-exec" TimingHazard
        "LLVM GCNHazardRecognizer, V_CMPX EXEC write-after-read hazard"
        "Changes the mask of lanes by a comparison while an instruction before it may not have read it yet.",
    VcmpxPermlane "vcmpx-permlane" TimingHazard
        "LLVM GCNHazardRecognizer, V_CMPX-to-V_PERMLANE hazard"
        "Permutes lanes right behind a comparison that changes the mask of lanes.",
    LdsBranchVmem "lds-branch-vmem" TimingHazard
        "LLVM GCNHazardRecognizer, LDS-branch-VMEM write-after-read hazard"
        "Goes from LDS to other memory, or back, over a branch without waiting in between.",
    LdsMultiDword "lds-multi-dword" Question
        "LLVM AMDGPU.td: lds-misaligned-bug"
        "Reads or writes several dwords of LDS at once in WGP mode, which goes wrong on this chip where the address is not aligned.",
    ShaderCycles "shader-cycles" Question
        "LLVM AMDGPU.td: shader-cycles-register is not on this target"
        "Reads the cycle counter's register, which this chip does not have.",
}

impl Rule {
    /// Returns whether the rule can hit where code built for one target runs on the other.
    ///
    /// Code built for a chip with the same faults was built around them; only what does not decode, or decodes
    /// differently, is looked for there as well as elsewhere.
    pub const fn applies(self, runs_on: Target) -> bool {
        match self {
            Self::MissingDot
            | Self::MissingRayTracing
            | Self::MissingAddtid
            | Self::Undecodable
            | Self::Different => true,
            _ => runs_on.has_gfx10_1_faults(),
        }
    }

    /// Returns whether an instruction of that kind goes wrong only at some addresses, which the code does not tell:
    /// a flat one must lead to global memory, one of several dwords of LDS must not be aligned.
    pub const fn asks_for_address(self) -> bool {
        matches!(self, Self::FlatOffset | Self::LdsMultiDword)
    }
}
