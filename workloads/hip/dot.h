//! Products of bytes and of halves, with the instruction where the target has one. A card that lacks it and runs code for one that
//! has it meets an illegal instruction.

#pragma once
#include <hip/hip_runtime.h>
#include <hip/hip_fp16.h>
#include <cstdint>

/// Which instructions the target has. Source: LLVM, AMDGPU.td: dot1, dot2, dot5 and dot6 of gfx1011, gfx1012 and gfx1030 to gfx1036.
#if defined(__gfx1011__) || defined(__gfx1012__) || defined(__gfx1030__) || defined(__gfx1031__) || defined(__gfx1032__) || \
    defined(__gfx1033__) || defined(__gfx1034__) || defined(__gfx1035__) || defined(__gfx1036__)
#define HAS_DOT 1
#else
#define HAS_DOT 0
#endif

/// Sum of four products of bytes, added to `sum`.
__device__ int dot_bytes(int a, int b, int sum) {
#if HAS_DOT
    return __builtin_amdgcn_sdot4(a, b, sum, false);
#else
    for (int byte = 0; byte < 4; ++byte) sum += static_cast<int8_t>(a >> (8 * byte)) * static_cast<int8_t>(b >> (8 * byte));
    return sum;
#endif
}

/// The sum of the products of both halves, added to `sum` in float.
__device__ float dot_halves(__half2 a, __half2 b, float sum) {
#if HAS_DOT
    typedef _Float16 Pair __attribute__((ext_vector_type(2)));
    Pair left, right;
    __builtin_memcpy(&left, &a, 4);
    __builtin_memcpy(&right, &b, 4);
    return __builtin_amdgcn_fdot2(left, right, sum, false);
#else
    return __low2float(a) * __low2float(b) + (__high2float(a) * __high2float(b) + sum);
#endif
}
