// What this processor needs for the smallest pieces of work. Each function does its piece n
// times over.
#include "tile.h"

// Multiply-adds that wait for each other: one after the other.
extern "C" float chain(long n) {
    float sum = 1, x = 1 / (float)n;
    for (long i = 0; i < n; i++) sum = sum * x + x;
    return sum;
}

// Multiply-adds whose sum goes to memory and comes back each time.
extern "C" float round_trips(long n) {
    volatile float sum = 1;
    float x = 1 / (float)n;
    for (long i = 0; i < n; i++) sum = sum * x + x;
    return sum;
}

// Multiply-adds that wait for nobody: twelve sums, in vectors.
extern "C" float streams(long n) {
    vec sum[12], x = vec{} + 1 / (float)n;
    for (int s = 0; s < 12; s++) sum[s] = vec{} + (float)s;
    for (long i = 0; i < n; i++)
        for (int s = 0; s < 12; s++) sum[s] = sum[s] * x + x;
    for (int s = 1; s < 12; s++) sum[0] += sum[s];
    return sum[0][0];
}

// Exponentials of the standard library, one number each; and of ours, LANES numbers each.
extern "C" float exps(long n) {
    float sum = 0;
    for (long i = 0; i < n; i++) sum += std::exp(-1e-6f * (i & 0xffff));
    return sum;
}

extern "C" float exp2s(long n) {
    vec sum{};
    for (long i = 0; i < n; i++) sum += exp2(vec{} - 1e-6f * (i & 0xffff));
    return sum[0];
}

// One product of 64 x 64 matrices after the other, in tiles of TALL rows and WIDE vectors.
extern "C" float products(long n) {
    Buffer a = buffer(4096), b = buffer(4096), c = buffer(4096);
    for (long i = 0; i < 4096; i++) a[i] = b[i] = 0.01f;
    for (long i = 0; i < n; i++)
        multiply(false, c.get(), 64, {a.get(), 64, 1}, b.get(), 64, 64, 64, 64);
    return c[0];
}

extern "C" long lanes() { return LANES; }
