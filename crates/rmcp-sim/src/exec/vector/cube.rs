//! Directions to the faces of a cube, as textures of six sides are looked up. Compilers make them on request without images too.
//!
//! Source: "RDNA 2 ISA" (AMD), `V_CUBEID_F32` and the three behind it.

use super::{floats, words};
use crate::exec::exec_state::Exec;
use crate::exec::lower::{Table, add};
use crate::exec::number::quiet;
use crate::exec::op::{Handler, Number, Op};

/// The axis of which a direction has most: z before y before x, where they are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    X,
    Y,
    Z,
}

fn axis(x: f32, y: f32, z: f32) -> Axis {
    let (x, y, z) = (x.abs(), y.abs(), z.abs());
    if z >= x && z >= y {
        Axis::Z
    } else if y >= x {
        Axis::Y
    } else {
        Axis::X
    }
}

fn face(x: f32, y: f32, z: f32) -> f32 {
    let (first, along) = match axis(x, y, z) {
        Axis::X => (0.0, x),
        Axis::Y => (2.0, y),
        Axis::Z => (4.0, z),
    };
    if along < 0.0 { first + 1.0 } else { first }
}

fn across(x: f32, y: f32, z: f32) -> f32 {
    quiet(match axis(x, y, z) {
        Axis::X if x < 0.0 => z,
        Axis::X => -z,
        Axis::Y => x,
        Axis::Z if z < 0.0 => -x,
        Axis::Z => x,
    })
}

fn down(x: f32, y: f32, z: f32) -> f32 {
    quiet(match axis(x, y, z) {
        Axis::Y if y < 0.0 => -z,
        Axis::Y => z,
        Axis::X | Axis::Z => -y,
    })
}

fn twice_along(x: f32, y: f32, z: f32) -> f32 {
    quiet(match axis(x, y, z) {
        Axis::X => 2.0 * x,
        Axis::Y => 2.0 * y,
        Axis::Z => 2.0 * z,
    })
}

/// Adds the instructions of cubes.
pub(super) fn add_to(table: &mut Table) {
    let rows: &[(&'static str, Handler)] = &[
        ("v_cubeid_f32", floats!(|x, y, z| face(x, y, z))),
        ("v_cubesc_f32", floats!(|x, y, z| across(x, y, z))),
        ("v_cubetc_f32", floats!(|x, y, z| down(x, y, z))),
        ("v_cubema_f32", floats!(|x, y, z| twice_along(x, y, z))),
    ];
    add(table, Number::F32, Number::F32, 0, rows);
}
