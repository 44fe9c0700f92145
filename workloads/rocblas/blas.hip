//! Matrix products by rocBLAS, through the kernels that it ships for the card, compared with the host: whole numbers, so
//! that every partial sum is exact and a wrong operand shows.
#include "../hip/check.h"

#include <rocblas/rocblas.h>

namespace {

using check::Buffer;
using check::f16;

#define ROCBLAS_CHECK(call) demand((call), #call)

void demand(rocblas_status status, const char *call) {
    if (status == rocblas_status_success) return;
    std::printf("error %s: %s\n", rocblas_status_to_string(status), call);
    std::fflush(stdout);
    std::_Exit(2);
}

rocblas_handle handle() {
    static rocblas_handle made = [] {
        rocblas_handle handle;
        ROCBLAS_CHECK(rocblas_create_handle(&handle));
        return handle;
    }();
    return made;
}

/// C = A * B of these sizes, where A and B may be stored transposed; columns lie one after the other.
struct Shape {
    int m, n, k;
    bool a_transposed, b_transposed;
    std::string text() const {
        return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + " " + (a_transposed ? "T" : "N") +
               (b_transposed ? "T" : "N");
    }
};

double number(f16 x) { return check::value_of(x); }
template <class T> double number(T x) { return static_cast<double>(x); }

/// One product: matrices of `T`, a result of `Out`, sums in `Sum`.
template <class T, class Out, class Sum>
void product(const char *name, const Shape &s, rocblas_datatype in, rocblas_datatype out, rocblas_datatype sum, int largest) {
    check::Random random(s.m * 31 + s.n * 7 + s.k);
    const auto make = [&] { return random.between(-largest, largest); };
    const auto a = check::fill<T>(size_t(s.m) * s.k, make), b = check::fill<T>(size_t(s.k) * s.n, make);
    const int a_rows = s.a_transposed ? s.k : s.m, b_rows = s.b_transposed ? s.n : s.k;
    std::vector<Out> want(size_t(s.m) * s.n);
    for (int column = 0; column < s.n; ++column) {
        for (int row = 0; row < s.m; ++row) {
            double total = 0;
            for (int k = 0; k < s.k; ++k) {
                total += number(a[s.a_transposed ? k + size_t(row) * a_rows : row + size_t(k) * a_rows]) *
                         number(b[s.b_transposed ? column + size_t(k) * b_rows : k + size_t(column) * b_rows]);
            }
            if constexpr (std::is_same_v<Out, f16>) {
                // A zero of either sign is right; the kernels add to +0.
                want[row + size_t(column) * s.m] = check::half_of(total);
            } else {
                want[row + size_t(column) * s.m] = static_cast<Out>(total);
            }
        }
    }
    Buffer<T> left(a), right(b);
    Buffer<Out> result(want.size());
    Sum one, zero;
    if constexpr (std::is_same_v<Sum, f16>) {
        one = check::half_of(1), zero = check::half_of(0);
    } else {
        one = 1, zero = 0;
    }
    ROCBLAS_CHECK(rocblas_gemm_ex(handle(), s.a_transposed ? rocblas_operation_transpose : rocblas_operation_none,
                                  s.b_transposed ? rocblas_operation_transpose : rocblas_operation_none, s.m, s.n, s.k, &one,
                                  left.get(), in, a_rows, right.get(), in, b_rows, &zero, result.get(), out, s.m, result.get(), out,
                                  s.m, sum, rocblas_gemm_algo_standard, 0, 0));
    check::same(name, s.text(), result.download(), want);
}

const Shape shapes[] = {{16, 16, 16, false, false}, {64, 48, 32, false, true}, {33, 65, 40, true, false}, {128, 128, 64, true, true}};

void gemm_f32() {
    for (const Shape &s : shapes)
        product<float, float, float>("gemm_f32", s, rocblas_datatype_f32_r, rocblas_datatype_f32_r, rocblas_datatype_f32_r, 8);
}

/// Halves with sums in float, as PyTorch and MIOpen ask for them.
void gemm_f16_f32() {
    for (const Shape &s : shapes)
        product<f16, f16, float>("gemm_f16_f32", s, rocblas_datatype_f16_r, rocblas_datatype_f16_r, rocblas_datatype_f32_r, 3);
}

/// Halves throughout.
void gemm_f16() {
    for (const Shape &s : shapes)
        product<f16, f16, f16>("gemm_f16", s, rocblas_datatype_f16_r, rocblas_datatype_f16_r, rocblas_datatype_f16_r, 3);
}

void gemm_i8() {
    for (const Shape &s : shapes)
        product<int8_t, int32_t, int32_t>("gemm_i8", s, rocblas_datatype_i8_r, rocblas_datatype_i32_r, rocblas_datatype_i32_r, 127);
}

void gemm_f64() {
    for (const Shape &s : shapes)
        product<double, double, double>("gemm_f64", s, rocblas_datatype_f64_r, rocblas_datatype_f64_r, rocblas_datatype_f64_r, 8);
}

} // namespace

int main(int argc, char **argv) {
    return check::run(argc, argv, "blas",
                      {{"gemm_f32", gemm_f32},
                       {"gemm_f16_f32", gemm_f16_f32},
                       {"gemm_f16", gemm_f16},
                       {"gemm_i8", gemm_i8},
                       {"gemm_f64", gemm_f64}});
}
