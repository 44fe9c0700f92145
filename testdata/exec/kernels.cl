// Kernels that the tests of rmcp-sim run: `cargo xtask make-objects` compiles them.
// Each goes through one part of the instruction set; no device library is linked.
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
#pragma OPENCL EXTENSION cl_khr_fp64 : enable

#define X __builtin_amdgcn_workitem_id_x()
#define Y __builtin_amdgcn_workitem_id_y()
#define Z __builtin_amdgcn_workitem_id_z()
#define GX __builtin_amdgcn_workgroup_id_x()
#define GY __builtin_amdgcn_workgroup_id_y()
#define GZ __builtin_amdgcn_workgroup_id_z()
#define AT (GX * 64 + X)
#define BARRIER __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, "workgroup"); __builtin_amdgcn_s_barrier(); __builtin_amdgcn_fence(__ATOMIC_SEQ_CST, "workgroup")
typedef half half2_ __attribute__((ext_vector_type(2)));
typedef short short2_ __attribute__((ext_vector_type(2)));
typedef ushort ushort2_ __attribute__((ext_vector_type(2)));

kernel void add(global const float *a, global const float *b, global float *c, uint n) {
  uint at = AT;
  if (at < n) c[at] = a[at] + b[at];
}

// Where each work-item is, in a grid of three dimensions with a ragged edge.
kernel void where(global uint *to, uint width, uint height, uint sx, uint sy, uint sz) {
  uint x = GX * sx + X, y = GY * sy + Y, z = GZ * sz + Z;
  to[(z * height + y) * width + x] = x | y << 8 | z << 16;
}

// c = a * b, 16 x 16 tiles in LDS, square matrices of n.
kernel void gemm(global const float *a, global const float *b, global float *c, uint n) {
  local float left[16][16], right[16][16];
  uint row = GY * 16 + Y, column = GX * 16 + X;
  float sum = 0;
  for (uint k = 0; k < n; k += 16) {
    left[Y][X] = a[row * n + k + X];
    right[Y][X] = b[(k + Y) * n + column];
    BARRIER;
    for (uint i = 0; i < 16; i++) sum = __builtin_fmaf(left[Y][i], right[i][X], sum);
    BARRIER;
  }
  c[row * n + column] = sum;
}

kernel void reduce(global const float *from, global float *to, uint length) {
  local float sums[256];
  float sum = 0;
  for (uint at = X; at < length; at += 256) sum += from[GX * length + at];
  sums[X] = sum;
  for (uint half_ = 128; half_ > 0; half_ /= 2) {
    BARRIER;
    if (X < half_) sums[X] += sums[X + half_];
  }
  BARRIER;
  if (X == 0) to[GX] = sums[0];
}

// Results of each operation stand 64 apart for each group: out[op * 64 * groups + at].
#define PUT(value) do { to[slot * n + at] = (value); slot++; } while (0)

kernel void floats(global const float *from, global const float *other, global float *to, uint n) {
  uint at = AT, slot = 0;
  float a = from[at], b = other[at];
  PUT(a + b); PUT(a - b); PUT(a * b); PUT(a / b); PUT(__builtin_sqrtf(a));
  PUT(__builtin_fmaf(a, b, 1.5f)); PUT(__builtin_fmaxf(a, b)); PUT(__builtin_fminf(a, b));
  PUT(__builtin_floorf(a)); PUT(__builtin_ceilf(a)); PUT(__builtin_truncf(a)); PUT(__builtin_rintf(a));
  PUT(__builtin_fabsf(a)); PUT(-a); PUT(a < b ? a : -b); PUT((float)(int)a); PUT((float)(uint)b);
  PUT((float)(double)a); PUT((float)(long)a); PUT(__builtin_amdgcn_fmed3f(a, b, 1.0f));
  PUT(__builtin_ldexpf(a, 3)); PUT(__builtin_copysignf(a, b)); PUT(__builtin_fmaxf(__builtin_fminf(a + b, 1.0f), 0.0f));
  PUT(__builtin_isnan(a) ? 1.0f : 0.0f); PUT((a + b) * 2.0f);
}

kernel void doubles(global const double *from, global const double *other, global double *to, uint n) {
  uint at = AT, slot = 0;
  double a = from[at], b = other[at];
  PUT(a + b); PUT(a - b); PUT(a * b); PUT(a / b); PUT(__builtin_sqrt(a)); PUT(__builtin_fma(a, b, 1.5));
  PUT(__builtin_fmax(a, b)); PUT(__builtin_fmin(a, b)); PUT(__builtin_floor(a)); PUT(__builtin_rint(a));
  PUT((double)(int)a); PUT((double)(uint)b); PUT((double)(long)a); PUT((double)(float)a); PUT(a < b ? a : -b);
  PUT(__builtin_ldexp(a, -3)); PUT((double)(ulong)__builtin_fabs(b));
}

kernel void halves(global const half *from, global const half *other, global half *to, uint n) {
  uint at = AT, slot = 0;
  half a = from[at], b = other[at];
  PUT(a + b); PUT(a - b); PUT(a * b); PUT(__builtin_fmaf16(a, b, (half)1.5f)); PUT((half)(float)a);
  PUT(a < b ? a : -b); PUT((half)(short)a); PUT((half)((float)a * (float)b + 0.25f)); PUT(a / b);
}

kernel void packed(global const half2_ *from, global const half2_ *other, global half2_ *to, uint n) {
  uint at = AT, slot = 0;
  half2_ a = from[at], b = other[at];
  PUT(a + b); PUT(a * b); PUT(a * b + a.yx); PUT(a - b.yx); PUT((half2_)(a.y, -b.x) * b);
}

// Half precision in, single precision sum: v_fma_mix.
kernel void mixed(global const half *from, global const half *other, global float *to, uint n) {
  uint at = AT;
  float sum = 0.5f;
  for (uint k = 0; k < 4; k++) sum = __builtin_fmaf((float)from[(at + k) % n], (float)other[(at + 2 * k) % n], sum);
  to[at] = sum;
}

kernel void integers(global const uint *from, global const uint *other, global uint *to, uint n) {
  uint at = AT, slot = 0;
  uint a = from[at], b = other[at];
  int i = a, j = b;
  PUT(a + b); PUT(a - b); PUT(a * b); PUT(a / b); PUT(a % b); PUT(i / j); PUT(i % j);
  PUT((uint)((ulong)a * b >> 32)); PUT((uint)((long)i * j >> 32)); PUT(a << (b & 31)); PUT(a >> (b & 31));
  PUT(i >> (j & 31)); PUT(__builtin_popcount(a)); PUT(a ? __builtin_clz(a) : 99); PUT(a ? __builtin_ctz(a) : 99);
  PUT(__builtin_bitreverse32(a)); PUT(__builtin_bswap32(a)); PUT(a > b ? a : b); PUT(i > j ? i : j);
  PUT(i < j ? i : j); PUT((a >> 5) & 0x7ff); PUT((uint)((i << 7) >> 20)); PUT(__builtin_rotateleft32(a, 13));
  PUT((uint)(char)a + (uint)(short)b); PUT(a & b | ~a & 0x12345); PUT(__builtin_elementwise_add_sat(a, b));
  PUT((uint)__builtin_elementwise_sub_sat(i, j)); PUT((a & 0xffffff) * (b & 0xffffff) + at);
}

kernel void longs(global const ulong *from, global const ulong *other, global ulong *to, uint n) {
  uint at = AT, slot = 0;
  ulong a = from[at], b = other[at];
  long i = a, j = b;
  PUT(a + b); PUT(a - b); PUT(a * b); PUT(a / b); PUT(i % j); PUT(a << (b & 63)); PUT(a >> (b & 63)); PUT(i >> (j & 63));
  PUT(a < b ? a : b); PUT(i < j ? i : j); PUT(__builtin_popcountll(a)); PUT(__builtin_clzll(a | 1));
  PUT((ulong)(uint)a * (uint)b + a);
}

kernel void shorts(global const ushort2_ *from, global const ushort2_ *other, global ushort2_ *to, uint n) {
  uint at = AT, slot = 0;
  ushort2_ a = from[at], b = other[at];
  short2_ i = as_short2(a), j = as_short2(b);
  PUT(a + b); PUT(a - b); PUT(a * b); PUT(a * b + a); PUT(a << (b & (ushort)15)); PUT(a >> (b & (ushort)15));
  PUT(as_ushort2(i >> (j & (short)15))); PUT(__builtin_elementwise_max(a, b));
  PUT(as_ushort2(__builtin_elementwise_min(i, j))); PUT((ushort2_)((ushort)(a.x + b.y), (ushort)(a.y * b.x)));
}

kernel void bytes(global const char *from, global const char *other, global int *to, uint n) {
  uint at = AT;
  int sum = 0;
#ifdef DOT
  for (uint k = 0; k < 4; k++)
    sum = __builtin_amdgcn_sdot4(((global const int *)from)[at * 4 + k], ((global const int *)other)[at * 4 + k], sum, 0);
#else
  for (uint k = 0; k < 16; k++) sum += from[at * 16 + k] * other[at * 16 + k];
#endif
  to[at] = sum;
}

// A pointer that may be of either memory, and a field behind its start.
struct pair { float first, second; };
kernel void either(global struct pair *there, global float *to, uint which) {
  local struct pair here[64];
  here[X].second = X;
  BARRIER;
  struct pair *one = which >> (X & 31) & 1 ? (struct pair *)&there[X] : (struct pair *)&here[X];
  to[X] = one->second;
}

// Private memory by an index that is not known.
kernel void stack(global const uint *from, global uint *to) {
  uint values[20];
  for (uint k = 0; k < 20; k++) values[k] = from[AT] * k + X;
  uint sum = 0;
  for (uint k = 0; k < 8; k++) {
    volatile uint *one = &values[(from[AT] + 3 * k) % 20];
    *one += k;
    sum = sum * 31 + values[(from[AT] * 7 + k) % 20];
  }
  to[AT] = sum;
}

// Private memory through a flat address, in a function that is called.
__attribute__((noinline)) void bump(uchar *bytes, uint at) { bytes[at % 13] += 3; *(ushort *)(bytes + 14) += at; }
kernel void called(global const uint *from, global uint *to) {
  uchar bytes[16];
  for (uint k = 0; k < 16; k++) bytes[k] = k + X;
  for (uint k = 0; k < 5; k++) bump(bytes, from[AT] + k);
  uint sum = 0;
  for (uint k = 0; k < 16; k++) sum = sum * 7 + bytes[k];
  to[AT] = sum;
}

__attribute__((noinline)) uint fibonacci(uint n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
kernel void recursive(global uint *to) { to[AT] = fibonacci(AT % 9); }

kernel void atomics(global uint *counters, global ulong *wide, global float *most) {
  __atomic_fetch_add(&counters[0], X + 1, __ATOMIC_RELAXED);
  __atomic_fetch_max(&counters[1], AT, __ATOMIC_RELAXED);
  __atomic_fetch_or(&counters[2], 1u << (X & 31), __ATOMIC_RELAXED);
  counters[64 + __atomic_fetch_add(&counters[3], 1, __ATOMIC_RELAXED)] = AT;
  __atomic_fetch_add(&wide[0], (ulong)X << 32, __ATOMIC_RELAXED);
  uint old = *(volatile global uint *)&counters[4], seen;
  while ((seen = __sync_val_compare_and_swap(&counters[4], old, old * 3 + 1)) != old) old = seen;
  local uint shared[2];
  if (X == 0) shared[0] = 0;
  if (X == 1) shared[1] = ~0u;
  BARRIER;
  __atomic_fetch_add(&shared[0], X, __ATOMIC_RELAXED);
  __atomic_fetch_min(&shared[1], AT, __ATOMIC_RELAXED);
  BARRIER;
  if (X == 0) { counters[5 + GX * 2] = shared[0]; counters[6 + GX * 2] = shared[1]; }
}

// Lanes of a wavefront speak to each other.
kernel void lanes(global const uint *from, global uint *to, uint n) {
  uint at = AT, slot = 0;
  uint a = from[at];
  PUT(__builtin_amdgcn_mbcnt_hi(~0u, __builtin_amdgcn_mbcnt_lo(~0u, 0)));
  PUT(__builtin_amdgcn_readfirstlane(a)); PUT(__builtin_amdgcn_readlane(a, 5));
  PUT(__builtin_amdgcn_ds_bpermute(4 * (X ^ 7), a)); PUT(__builtin_amdgcn_ds_permute(4 * (X ^ 9), a));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x1b, 15, 15, false));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x111, 15, 15, false));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x103, 15, 15, true));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x124, 5, 15, false));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x140, 15, 6, false));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x141, 15, 15, false));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x153, 15, 15, false));
  PUT(__builtin_amdgcn_update_dpp(77, a, 0x166, 15, 15, false));
  PUT(__builtin_amdgcn_mov_dpp8(a, 0x053977)); PUT(__builtin_amdgcn_permlane16(a, a, 0x76543210, 0xfedcba98, false, false));
  PUT(__builtin_amdgcn_permlanex16(a, a, 0x01234567, 0x89abcdef, false, false));
  PUT(__builtin_amdgcn_ds_swizzle(a, 0x041f)); PUT(__builtin_amdgcn_ds_swizzle(a, 0x80b1));
  if (a & 1) PUT(__builtin_amdgcn_readfirstlane(a) + __builtin_amdgcn_ds_bpermute(4 * (X ^ 1), a));
  else PUT(12345u);
}

// What lies in each kind of width, not aligned.
kernel void widths(global const uchar *from, global uchar *to) {
  global const uchar *own = from + AT * 32;
  global uchar *out = to + AT * 32;
  out[0] = own[1]; *(global ushort *)(out + 2) = *(global const ushort *)(own + 4);
  *(global uint *)(out + 4) = *(global const char *)(own + 7); *(global uint *)(out + 8) = *(global const short *)(own + 8);
  *(global uint2 *)(out + 12) = *(global const uint2 *)(own + 13) ;
}

// Lanes end at different times.
kernel void collatz(global const uint *from, global uint *steps) {
  uint value = from[AT], count = 0;
  while (value > 1) {
    value = value & 1 ? 3 * value + 1 : value / 2;
    count++;
  }
  steps[AT] = count;
}

// A work-group waits for the one before it.
kernel void chain(global uint *flags, global uint *to) {
  if (X == 0) {
    uint sum = 0;
    if (GX > 0) while ((sum = __atomic_load_n(&flags[GX - 1], __ATOMIC_ACQUIRE)) == 0) __builtin_amdgcn_s_sleep(1);
    __atomic_store_n(&flags[GX], sum + GX + 1, __ATOMIC_RELEASE);
    to[GX] = sum;
  }
}

// The other way round: a work-group waits for the one behind it.
kernel void backward(global uint *flags, uint last) {
  if (X == 0) {
    if (GX < last) while (__atomic_load_n(&flags[GX + 1], __ATOMIC_ACQUIRE) == 0) ;
    __atomic_store_n(&flags[GX], GX + 1, __ATOMIC_RELEASE);
  }
}

kernel void traps(global uint *to, uint which) {
  to[AT] = 1;
  if (AT == which) __builtin_trap();
}

// Through a resource descriptor.
kernel void buffers(global const uint *from, global uint *to, uint bytes) {
  __amdgpu_buffer_rsrc_t source = __builtin_amdgcn_make_buffer_rsrc((void *)from, 0, bytes, 0x31014000);
  __amdgpu_buffer_rsrc_t target = __builtin_amdgcn_make_buffer_rsrc(to, 0, bytes, 0x31014000);
  uint value = __builtin_amdgcn_raw_buffer_load_b32(source, AT * 4, 8, 0);
  __builtin_amdgcn_raw_buffer_store_b32(value + 1, target, AT * 4, 0, 0);
}
