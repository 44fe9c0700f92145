//! GPU code objects from bytes.
//!
//! Where code is kept ([`container`]), and which targets a library holds code for, read from the headers of its
//! offload bundles alone ([`summarize_bundles`]); the kernels of one code object ([`CodeObject`]); their
//! instructions, for RDNA1 and RDNA2 ([`isa`]); what can go wrong when they run on another card ([`rules`]); and
//! what all of that means for one card ([`scan`]). Nothing here trusts a byte: every offset, size and count in a
//! file is checked against the file and against a limit whose reason is written beside it.

mod bundle;
mod ccob;
pub mod container;
pub mod isa;
mod object_file;
pub mod rules;
pub mod scan;

pub use bundle::{BundleEntry, BundleError, parse_bundle_header};
pub use ccob::{CompressedHeader, Method, parse_compressed_header};
pub use container::summarize_bundles;
pub use object_file::{
    CodeObject, CodeTarget, DESCRIPTOR_BYTES, Function, KernelDescriptor, ObjectError,
};
