// Every lane of a vector is a query of its own: LANES queries do the same thing at the same
// time.
#include "tile.h"

constexpr float LOG2E = 1.44269504f;

struct Lanes {
    Buffer q, o, e;  // number l of all queries side by side; outputs and scores likewise
    vec largest, total;
};

// Scores of n keys with all queries; `first` is the first key that query 0 does not see.
static void score(Lanes& s, const float* k, long n, long d_k, long first) {
    for (long j = 0; j < n; j++) {
        vec sum{};
        for (long l = 0; l < d_k; l++) sum += k[j * d_k + l] * load(&s.q[l * LANES]);
        store(&s.e[j * LANES], sum);
        for (long x = 0; x < LANES && x <= j - first; x++) s.e[j * LANES + x] = -INF;
    }
}

// The running maximum and sum of all queries take in n keys and their values.
static void renew(Lanes& s, const float* v, long n, long d_v) {
    vec now = s.largest;
    for (long j = 0; j < n; j++) now = larger(now, load(&s.e[j * LANES]));
    vec base = now == -INF ? vec{} : now, shrink = exp2(s.largest - base);
    s.largest = now;
    s.total *= shrink;
    for (long c = 0; c < d_v; c++) store(&s.o[c * LANES], load(&s.o[c * LANES]) * shrink);
    for (long j = 0; j < n; j++) {
        vec weight = exp2(load(&s.e[j * LANES]) - base);
        s.total += weight;
        for (long c = 0; c < d_v; c++)
            store(&s.o[c * LANES], load(&s.o[c * LANES]) + v[j * d_v + c] * weight);
    }
}

extern "C" void attend(const float* q, const float* k, const float* v, float* o, long heads,
                       long n_query, long n_key, long d_k, long d_v, float scale,
                       int causal) {
    Lanes s{buffer(d_k * LANES), buffer(d_v * LANES), buffer(BLOCK * LANES), {}, {}};
    for (long head = 0; head < heads; head++, q += n_query * d_k, o += n_query * d_v)
        for (long i0 = 0; i0 < n_query; i0 += LANES) {
            long rows = std::min<long>(LANES, n_query - i0),
                 seen = causal ? i0 + 1 + n_key - n_query : n_key;
            for (long l = 0; l < d_k; l++)
                for (long x = 0; x < LANES; x++)
                    s.q[l * LANES + x] =
                        x < rows ? q[(i0 + x) * d_k + l] * scale * LOG2E : 0;
            std::fill_n(s.o.get(), d_v * LANES, 0.0f);
            s.largest = vec{} - INF;
            s.total = vec{};
            for (long j0 = 0, end = std::min(n_key, seen + rows - 1); j0 < end;
                 j0 += BLOCK) {
                long n = std::min(BLOCK, end - j0);
                score(s, k + (head * n_key + j0) * d_k, n, d_k, seen - j0);
                renew(s, v + (head * n_key + j0) * d_v, n, d_v);
            }
            for (long x = 0; x < rows; x++)
                for (long c = 0; c < d_v; c++)
                    o[(i0 + x) * d_v + c] =
                        s.total[x] > 0 ? s.o[c * LANES + x] / s.total[x] : 0;
        }
}
