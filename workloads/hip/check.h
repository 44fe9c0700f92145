//! What every program of this folder shares: names of tests, errors of HIP, seeded inputs, device buffers that notice
//! writes beyond their end, and comparison with a reference computed on the host.
//!
//! A line of output is one case of one test: `ok` or `FAIL`, the test's name, facts as `key=value` or words, and after a
//! failure what was got and what was expected. Exit code: 0 every requested case passed, 1 a case failed, 2 a call of HIP
//! failed (its name is printed), 3 wrong usage.
#pragma once

// HIP's header refuses waves of 64 lanes on these targets (it is untested there), although compiler and hardware have them. For a
// program built with -mwavefrontsize64 the names that it asks for are hidden while it is read.
#if defined(__AMDGCN_WAVEFRONT_SIZE) && __AMDGCN_WAVEFRONT_SIZE == 64
#pragma push_macro("__gfx1010__")
#pragma push_macro("__gfx1011__")
#pragma push_macro("__gfx1012__")
#pragma push_macro("__gfx1030__")
#pragma push_macro("__gfx1031__")
#undef __gfx1010__
#undef __gfx1011__
#undef __gfx1012__
#undef __gfx1030__
#undef __gfx1031__
#include <hip/hip_runtime.h>
#pragma pop_macro("__gfx1010__")
#pragma pop_macro("__gfx1011__")
#pragma pop_macro("__gfx1012__")
#pragma pop_macro("__gfx1030__")
#pragma pop_macro("__gfx1031__")
#else
#include <hip/hip_runtime.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

/// Ends the program with exit code 2 and the error's name if a call of HIP fails.
#define HIP_CHECK(call) check::demand((call), #call, __FILE__, __LINE__)

namespace check {

inline void demand(hipError_t error, const char *call, const char *file, int line) {
    if (error == hipSuccess) return;
    std::printf("error %s (%d) %s: %s at %s:%d\n", hipGetErrorName(error), static_cast<int>(error), hipGetErrorString(error),
                call, file, line);
    std::fflush(stdout);
    std::_Exit(2);
}

/// Waits for what was launched; a bad launch and a failed kernel both end the program.
inline void finish() {
    HIP_CHECK(hipGetLastError());
    HIP_CHECK(hipDeviceSynchronize());
}

inline unsigned blocks_for(size_t items, unsigned block) { return static_cast<unsigned>((items + block - 1) / block); }

// ---- numbers ----------------------------------------------------------------------------------------------------------

/// A half as the host sees it: its bits. Kernels see the same bytes as `__half`.
struct f16 {
    uint16_t bits;
};

/// Exact value of a half. Source: IEEE 754-2019, binary16.
inline double value_of(f16 half) {
    const int exponent = (half.bits >> 10) & 31;
    const int fraction = half.bits & 1023;
    double magnitude;
    if (exponent == 31) {
        magnitude = fraction ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    } else if (exponent == 0) {
        magnitude = std::ldexp(fraction, -24);
    } else {
        magnitude = std::ldexp(fraction + 1024, exponent - 25);
    }
    return (half.bits & 0x8000) ? -magnitude : magnitude;
}
inline float value_of(float x) { return x; }
inline double value_of(double x) { return x; }

/// Nearest half, ties to even, in one rounding from double.
inline f16 half_of(double x) {
    const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    if (std::isnan(x)) return {static_cast<uint16_t>(sign | 0x7e00)};
    const double magnitude = std::fabs(x);
    if (magnitude >= 65520.0) return {static_cast<uint16_t>(sign | 0x7c00)};
    int exponent = magnitude == 0 ? -14 : std::ilogb(magnitude);
    if (exponent < -14) exponent = -14;
    // In units of the last place; nearbyint rounds ties to even in the default mode. A carry into the exponent is right as it is.
    const long units = static_cast<long>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
    const long bits = exponent == -14 ? units : units - 1024 + (static_cast<long>(exponent + 15) << 10);
    return {static_cast<uint16_t>(sign | bits)};
}

/// Significant bits, least normal exponent and largest finite value of a format.
template <class T> struct Format;
template <> struct Format<f16> {
    static constexpr int digits = 11, least = -14;
    static constexpr long double largest = 65504.0L;
    static constexpr const char *name = "f16";
};
template <> struct Format<float> {
    static constexpr int digits = 24, least = -126;
    static constexpr long double largest = std::numeric_limits<float>::max();
    static constexpr const char *name = "f32";
};
template <> struct Format<double> {
    static constexpr int digits = 53, least = -1022;
    static constexpr long double largest = std::numeric_limits<double>::max();
    static constexpr const char *name = "f64";
};

/// Distance between neighbours of format `T` at `x`: the unit in which errors are counted.
template <class T> long double ulp_at(long double x) {
    x = std::fabs(x);
    if (x > Format<T>::largest) x = Format<T>::largest;
    const int exponent = x == 0 ? Format<T>::least : std::max(std::ilogb(x), Format<T>::least);
    return std::ldexp(1.0L, exponent - (Format<T>::digits - 1));
}

/// Error of `got` in ulp at `scale` (normally the expected value itself), infinity where no distance makes sense.
template <class T> long double error_in_ulp(T got_bits, long double want, long double scale) {
    const long double got = value_of(got_bits);
    const long double never = std::numeric_limits<long double>::infinity();
    if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got) ? 0 : never;
    // What rounds to infinity: at least half a unit beyond the largest finite value.
    const long double overflow = Format<T>::largest + ulp_at<T>(Format<T>::largest) / 2;
    if (std::isinf(got) || std::fabs(want) >= overflow) {
        const bool same_sign = std::signbit(got) == std::signbit(want);
        return std::isinf(got) && std::fabs(want) >= overflow && same_sign ? 0 : never;
    }
    const long double error = std::fabs(got - want) / ulp_at<T>(scale);
    // A correctly rounded result is up to half a unit off: it counts as 0, the format's neighbour as 1.
    return error <= 0.5L ? 0 : error;
}

// ---- inputs -----------------------------------------------------------------------------------------------------------

/// SplitMix64: the same inputs on every machine. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
class Random {
  public:
    explicit Random(uint64_t seed) : state(seed) {}
    uint64_t bits() {
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// Evenly between `low` and `high`, both included.
    int64_t between(int64_t low, int64_t high) {
        return low + static_cast<int64_t>(bits() % (static_cast<uint64_t>(high - low) + 1));
    }
    /// Evenly in [low, high), 53 random bits.
    double real(double low, double high) { return low + (high - low) * std::ldexp(static_cast<double>(bits() >> 11), -53); }

  private:
    uint64_t state;
};

/// `count` values made by `make`, converted to `T`.
template <class T, class Make> std::vector<T> fill(size_t count, Make make) {
    std::vector<T> values(count);
    for (T &value : values) {
        if constexpr (std::is_same_v<T, f16>) {
            value = half_of(static_cast<double>(make()));
        } else {
            value = static_cast<T>(make());
        }
    }
    return values;
}

// ---- device memory ----------------------------------------------------------------------------------------------------

/// Memory on the device for `count` values, filled with 0xa5 (so that a value never written is seen) and followed by 64 guard
/// bytes, which every download checks.
template <class T> class Buffer {
  public:
    explicit Buffer(size_t count) : count(count) {
        HIP_CHECK(hipMalloc(&memory, bytes() + guard));
        fill_from(0);
    }
    explicit Buffer(const std::vector<T> &values) : count(values.size()) {
        HIP_CHECK(hipMalloc(&memory, bytes() + guard));
        upload(values);
        fill_from(bytes());
    }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    ~Buffer() { (void)hipFree(memory); }

    void upload(const std::vector<T> &values) {
        HIP_CHECK(hipMemcpy(memory, values.data(), bytes(), hipMemcpyHostToDevice));
    }
    std::vector<T> download() const {
        std::vector<T> values(count);
        uint8_t tail[guard];
        HIP_CHECK(hipGetLastError());
        HIP_CHECK(hipMemcpy(values.data(), memory, bytes(), hipMemcpyDeviceToHost));
        HIP_CHECK(hipMemcpy(tail, static_cast<char *>(memory) + bytes(), guard, hipMemcpyDeviceToHost));
        for (uint8_t byte : tail) {
            if (byte != 0xa5) {
                std::printf("FAIL guard bytes after a buffer of %zu bytes were overwritten\n", bytes());
                std::fflush(stdout);
                std::_Exit(1);
            }
        }
        return values;
    }
    T *get() const { return static_cast<T *>(memory); }
    /// The same memory as another type of the same size, such as `__half` for `f16`.
    template <class D> D *as() const { return static_cast<D *>(memory); }
    size_t bytes() const { return count * sizeof(T); }

  private:
    /// Fills what lies behind so many bytes, and the guard bytes, with 0xa5.
    void fill_from(size_t first) {
        const std::vector<uint8_t> pattern(bytes() + guard - first, 0xa5);
        HIP_CHECK(hipMemcpy(static_cast<char *>(memory) + first, pattern.data(), pattern.size(), hipMemcpyHostToDevice));
    }

    static constexpr size_t guard = 64;
    size_t count;
    void *memory = nullptr;
};

/// Lanes of a wave as the running code was compiled, which the device's properties do not say.
static __global__ void read_wave_size(int *out) { *out = warpSize; }
inline int wave_size() {
    static const int lanes = [] {
        Buffer<int> out(1);
        read_wave_size<<<1, 1>>>(out.get());
        return out.download()[0];
    }();
    return lanes;
}

// ---- reports ----------------------------------------------------------------------------------------------------------

struct Tally {
    unsigned passed = 0, failed = 0;
};
inline Tally tally;

inline void report(bool good, const std::string &name, const std::string &facts, const std::string &why = "") {
    (good ? tally.passed : tally.failed)++;
    std::printf("%s %s%s%s%s%s\n", good ? "ok" : "FAIL", name.c_str(), facts.empty() ? "" : " ", facts.c_str(),
                why.empty() ? "" : " ", why.c_str());
    std::fflush(stdout);
}

template <class T> std::string text_of(T value) {
    std::ostringstream text;
    if constexpr (std::is_same_v<T, f16>) {
        text << value_of(value) << " (0x" << std::hex << value.bits << ")";
    } else if constexpr (std::is_floating_point_v<T>) {
        text.precision(std::numeric_limits<T>::max_digits10);
        text << value;
    } else {
        text << +value;
    }
    return text.str();
}

template <class T> bool same_bits(const T &a, const T &b) { return std::memcmp(&a, &b, sizeof(T)) == 0; }

/// Reports that `got` is `want` bit for bit.
template <class T>
bool same(const std::string &name, const std::string &facts, const std::vector<T> &got, const std::vector<T> &want) {
    size_t wrong = got.size() == want.size() ? 0 : 1;
    size_t first = 0;
    for (size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
        if (!same_bits(got[i], want[i]) && wrong++ == 0) first = i;
    }
    std::string why;
    if (wrong && got.size() != want.size()) {
        why = "got " + std::to_string(got.size()) + " values, expected " + std::to_string(want.size());
    } else if (wrong) {
        why = "first wrong at " + std::to_string(first) + ": got " + text_of(got[first]) + ", expected " + text_of(want[first]);
    }
    report(wrong == 0, name, facts + " n=" + std::to_string(want.size()) + " wrong=" + std::to_string(wrong), why);
    return wrong == 0;
}

/// Reports that `got` is within `bound` ulp of `want`. With `scale`, units are taken at `scale[i]` instead of at the expected
/// value: the sum of the magnitudes of what was added, where terms cancel.
template <class T>
bool near(const std::string &name, const std::string &facts, const std::vector<T> &got, const std::vector<long double> &want,
          double bound, const std::vector<long double> &scale = {}) {
    size_t wrong = 0, first = 0;
    long double worst = 0;
    for (size_t i = 0; i < want.size(); ++i) {
        const long double error = error_in_ulp<T>(got[i], want[i], scale.empty() ? want[i] : scale[i]);
        if (error > worst) worst = error;
        if (error > bound && wrong++ == 0) first = i;
    }
    std::ostringstream all;
    all << Format<T>::name << (facts.empty() ? "" : " ") << facts << " n=" << want.size();
    all.precision(3);
    all << " max_ulp=" << worst << " bound=" << bound << (scale.empty() ? "" : " at=sum_of_magnitudes");
    std::ostringstream why;
    if (wrong) {
        why.precision(21);
        why << "wrong=" << wrong << " first wrong at " << first << ": got " << text_of(got[first]) << ", expected " << want[first];
    }
    report(wrong == 0, name, all.str(), why.str());
    return wrong == 0;
}

// ---- the program ------------------------------------------------------------------------------------------------------

struct Test {
    const char *name;
    void (*body)();
    /// Not part of `all`: it ends the process on hardware.
    bool only_by_name = false;
};

/// A check of the host's own arithmetic that needs no device.
struct SelfCheck {
    const char *name;
    bool (*body)();
};

inline bool half_conversions_agree() {
    for (unsigned bits = 0; bits < 65536; ++bits) {
        const f16 half{static_cast<uint16_t>(bits)};
        const double value = value_of(half);
        if (!std::isnan(value) && half_of(value).bits != bits) return false;
    }
    // Known pairs. Source: IEEE 754-2019, binary16.
    return half_of(1.0).bits == 0x3c00 && half_of(65504.0).bits == 0x7bff && half_of(65519.0).bits == 0x7bff &&
           half_of(std::ldexp(1.0, -24)).bits == 1 && half_of(std::ldexp(1.0, -25)).bits == 0 &&
           half_of(std::ldexp(1.5, -25)).bits == 1 && half_of(2049.0).bits == 0x6800 && half_of(-0.0).bits == 0x8000;
}

inline bool ulps_are_counted() {
    const float next = std::nextafter(1.0f, 2.0f);
    const long double infinity = std::numeric_limits<long double>::infinity();
    return error_in_ulp<float>(next, 1.0L, 1.0L) == 1 && error_in_ulp<float>(1.0f, 1.0L + 0x1p-25L, 1.0L) == 0 &&
           error_in_ulp<float>(std::numeric_limits<float>::infinity(), 1e39L, 1e39L) == 0 &&
           error_in_ulp<float>(1.0f, infinity, infinity) == infinity && error_in_ulp<f16>({0x3c01}, 1.0L, 1.0L) == 1 &&
           error_in_ulp<float>(std::numeric_limits<float>::denorm_min(), 0, 0) == 1;
}

inline int run_self_checks(std::vector<SelfCheck> checks) {
    checks.insert(checks.begin(), {{"half_conversions_agree", half_conversions_agree}, {"ulps_are_counted", ulps_are_counted}});
    for (const SelfCheck &check : checks) report(check.body(), std::string("self_check ") + check.name, "");
    return tally.failed ? 1 : 0;
}

/// Runs the tests named on the command line, or all of them.
inline int run(int argc, char **argv, const char *program, const std::vector<Test> &tests,
               const std::vector<SelfCheck> &self_checks = {}) {
    std::vector<const Test *> chosen;
    bool all = argc == 1;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--self-check") return run_self_checks(self_checks);
        if (argument == "--list") {
            for (const Test &test : tests) std::printf("%s%s\n", test.name, test.only_by_name ? " (only by name)" : "");
            return 0;
        }
        if (argument == "all") {
            all = true;
            continue;
        }
        const size_t before = chosen.size();
        for (const Test &test : tests) {
            if (argument == test.name) chosen.push_back(&test);
        }
        if (chosen.size() == before) {
            std::printf("usage: %s [all | --list | --self-check | TEST...]; no test is called %s\n", program, argv[i]);
            return 3;
        }
    }
    if (all) {
        for (const Test &test : tests) {
            if (!test.only_by_name) chosen.push_back(&test);
        }
    }
    hipDeviceProp_t properties;
    HIP_CHECK(hipGetDeviceProperties(&properties, 0));
    std::printf("# %s on %s (%s)\n", program, properties.gcnArchName, properties.name);
    std::fflush(stdout);
    for (const Test *test : chosen) test->body();
    std::printf("# %s: passed=%u failed=%u\n", program, tally.passed, tally.failed);
    return tally.failed ? 1 : 0;
}

} // namespace check
