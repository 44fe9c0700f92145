// Kernels from which the code objects beside this file are made: `cargo xtask make-objects`.
// Each shows something that the rules of rmcp-code look for; no device library is linked.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define LANE __builtin_amdgcn_workitem_id_x()
#define GROUP __builtin_amdgcn_workgroup_id_x()
typedef int int4_ __attribute__((ext_vector_type(4)));
typedef half half2_ __attribute__((ext_vector_type(2)));

// Nothing to find: one load, one store.
kernel void copy(global const float *from, global float *to) {
  uint at = GROUP * 64 + LANE;
  to[at] = from[at];
}

// A loop whose lanes end at different times: comparisons that write EXEC.
kernel void collatz(global const uint *from, global uint *steps) {
  uint at = GROUP * 64 + LANE, value = from[at], count = 0;
  while (value > 1) {
    value = value & 1 ? 3 * value + 1 : value / 2;
    count++;
  }
  steps[at] = count;
}

// LDS and global memory in turn, with branches between.
kernel void reduce(global const float *from, global float *to, uint length) {
  local float sums[256];
  float sum = 0;
  for (uint at = LANE; at < length; at += 256) sum += from[GROUP * length + at];
  sums[LANE] = sum;
  for (uint half_ = 128; half_ > 0; half_ /= 2) {
    __builtin_amdgcn_s_barrier();
    if (LANE < half_) sums[LANE] += sums[LANE + half_];
  }
  __builtin_amdgcn_s_barrier();
  if (LANE == 0) to[GROUP] = sums[0];
}

// Four dwords of LDS at once.
kernel void wide(global const int4_ *from, global int4_ *to, uint shift) {
  local int4_ tile[64];
  tile[LANE] = from[GROUP * 64 + LANE];
  __builtin_amdgcn_s_barrier();
  to[GROUP * 64 + LANE] = tile[(LANE + shift) & 63];
}

// A pointer that may be of either memory, and a field behind its start: a flat address with an offset.
struct pair { float first, second; };
kernel void either(global struct pair *there, global float *to, uint which) {
  local struct pair here[64];
  here[LANE].second = LANE;
  __builtin_amdgcn_s_barrier();
  struct pair *one = which >> (LANE & 31) & 1 ? (struct pair *)&there[LANE] : (struct pair *)&here[LANE];
  to[LANE] = one->second;
}

// A call: what the function does is charged to the kernel.
__attribute__((noinline)) float polynomial(global const float *factors, float x) {
  float value = 0;
  for (uint at = 0; factors[at] != 0; at++) value = value * x + factors[at];
  return value;
}
kernel void caller(global const float *factors, global float *values) {
  values[LANE] = polynomial(factors, values[LANE]);
}

// Half precision and packed arithmetic, 64-bit integers and floats, atomics, bit fields.
kernel void mixed(global half2_ *halves, global double *doubles, global long *longs, global uint *counters) {
  half2_ pair = halves[LANE];
  halves[LANE] = pair * (half2_)(1.5h, -2.0h) + (half2_)(0.5h, 65504.0h);
  double wide = doubles[LANE];
  doubles[LANE] = __builtin_fma(wide, 0.15915494309189532, -1.0) / (double)longs[LANE];
  longs[LANE] = longs[LANE] * 1000003 >> 7;
  __atomic_fetch_add(&counters[longs[LANE] & 15], 1, __ATOMIC_RELAXED);
  counters[16 + LANE] = __builtin_amdgcn_ubfe(counters[LANE], 5, 9);
}

#ifdef DOT
// An instruction that gfx1010 lacks.
kernel void dot4(global const int *a, global const int *b, global int *to, uint length) {
  int sum = 0;
  for (uint at = 0; at < length; at++) sum = __builtin_amdgcn_sdot4(a[at], b[LANE], sum, false);
  to[LANE] = sum;
}
#endif
