// What forward and backward share: vectors of floats, exp2, and one small matrix product.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif
#ifndef TALL  // rows and vectors of a tile of sums
#define TALL (REGISTERS == 32 ? 6 : 4)
#define WIDE (REGISTERS == 32 ? 4 : 2)
#endif
constexpr long BLOCK = 64;  // queries, and keys, of a block: a tile of scores is 16 KiB
constexpr float INF = std::numeric_limits<float>::infinity();

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int ints __attribute__((vector_size(4 * LANES)));
typedef vec unaligned __attribute__((aligned(4)));

inline vec load(const float* p) { return *reinterpret_cast<const unaligned*>(p); }
inline void store(float* p, vec x) { *reinterpret_cast<unaligned*>(p) = x; }
inline vec larger(vec a, vec b) { return a > b ? a : b; }

// 2^x for x <= 0: a polynomial for the fraction, the whole part added to the exponent of
// the result. A comparison with NaN is false, and larger() then returns its second
// argument: NaN stays NaN.
inline vec exp2(vec x) {
    ints whole = __builtin_convertvector(larger(vec{} - 127.0f, x) - 0.5f, ints);
    vec f = x - __builtin_convertvector(whole, vec);
    vec p = f * 0.00132647272f + 0.00967151281f;
    p = p * f + 0.0555073374f;
    p = p * f + 0.240222421f;
    p = p * f + 0.693146978f;
    p = p * f + 1.0f;
    vec result = (vec)((ints)p + (whole << 23));
    return x < -126.0f ? vec{} : result;
}

// The left matrix of a product, with strides for both axes: a transpose is the same numbers
// read otherwise.
struct Left {
    const float* at;
    long down, along;
};

// C[r][x] (+)= sum over l of A[r][l] B[l][x], for R rows and N vectors of columns. Sums
// stay in registers: a vector of B that was loaded is used R times, a number of A in N
// vectors. Not inlined: compiled once.
template <int R, int N>
__attribute__((noinline)) void tile(bool add, float* c, long ldc, Left a, const float* b,
                                    long ldb, long depth) {
    vec sum[R][N];
    for (int r = 0; r < R; r++)
        for (int n = 0; n < N; n++) sum[r][n] = add ? load(c + r * ldc + n * LANES) : vec{};
    for (long l = 0; l < depth; l++) {
        vec row[N];
        for (int n = 0; n < N; n++) row[n] = load(b + l * ldb + n * LANES);
        for (int r = 0; r < R; r++) {
            float x = a.at[r * a.down + l * a.along];
            for (int n = 0; n < N; n++) sum[r][n] += x * row[n];
        }
    }
    for (int r = 0; r < R; r++)
        for (int n = 0; n < N; n++) store(c + r * ldc + n * LANES, sum[r][n]);
}

// All rows of a strip of columns: tiles of R rows, then one that is as high as what is
// left.
template <int N, int R = TALL>
inline void strip(bool add, float* c, long ldc, Left a, const float* b, long ldb, long rows,
                  long depth) {
    for (; rows >= R; rows -= R, c += R * ldc, a.at += R * a.down)
        tile<R, N>(add, c, ldc, a, b, ldb, depth);
    if constexpr (R > 1)
        if (rows > 0) strip<N, R - 1>(add, c, ldc, a, b, ldb, rows, depth);
}

// C (+)= A B for any number of rows, and a width that is a multiple of LANES.
inline void multiply(bool add, float* c, long ldc, Left a, const float* b, long ldb,
                     long rows, long depth, long width) {
    long x = 0;
    for (; x + WIDE * LANES <= width; x += WIDE * LANES)
        strip<WIDE>(add, c + x, ldc, a, b + x, ldb, rows, depth);
    for (; x < width; x += LANES) strip<1>(add, c + x, ldc, a, b + x, ldb, rows, depth);
}

inline long padded(long n) { return (n + LANES - 1) / LANES * LANES; }

struct Free {
    void operator()(void* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<float[], Free>;
inline Buffer buffer(long n) {
    auto p = static_cast<float*>(std::aligned_alloc(64, (4 * n + 63) / 64 * 64));
    if (!p) throw std::bad_alloc();
    return Buffer(p);
}
