// Blocks of queries meet blocks of keys, which stay in the cache; the inner loops run along
// memory.
#include <algorithm>
#include <cmath>
#include <vector>

constexpr long B = 64;

struct Block {
    std::vector<float> keys;  // of a block, transposed: entry (l, j)
    float score[B][B], largest[B], total[B];
};

// The running maximum and sum of one query take in n scores, which become weights.
static void renew(float* score, long n, float& largest, float& total, float* out,
                  long d_v) {
    float now = largest;
    for (long j = 0; j < n; j++) now = std::max(now, score[j]);
    float shrink = std::exp(largest - now), sum = 0;
    for (long j = 0; j < n; j++) sum += score[j] = std::exp(score[j] - now);
    for (long c = 0; c < d_v; c++) out[c] *= shrink;
    largest = now;
    total = total * shrink + sum;
}

static void meet(Block& b, const float* q, const float* k, const float* v, float* o,
                 long rows, long keys, long d_k, long d_v, float scale, long first_hidden) {
    for (long l = 0; l < d_k; l++)
        for (long j = 0; j < B; j++)
            b.keys[l * B + j] = j < keys ? k[j * d_k + l] * scale : 0;
    for (long x = 0; x < rows; x++) {
        float* score = b.score[x];
        std::fill_n(score, B, 0.0f);
        for (long l = 0; l < d_k; l++)
            for (long j = 0; j < B; j++) score[j] += q[x * d_k + l] * b.keys[l * B + j];
        long n = std::clamp(first_hidden + x, 0L, keys);
        if (n == 0) continue;
        renew(score, n, b.largest[x], b.total[x], o + x * d_v, d_v);
        for (long j = 0; j < n; j++)
            for (long c = 0; c < d_v; c++) o[x * d_v + c] += score[j] * v[j * d_v + c];
    }
}

extern "C" void attend(const float* q, const float* k, const float* v, float* o, long heads,
                       long n_query, long n_key, long d_k, long d_v, float scale,
                       int causal) {
    Block b;
    b.keys.resize(d_k * B);
    std::fill_n(o, heads * n_query * d_v, 0.0f);
    for (long head = 0; head < heads; head++, q += n_query * d_k, o += n_query * d_v)
        for (long i0 = 0; i0 < n_query; i0 += B) {
            long rows = std::min(B, n_query - i0), ahead = n_key - n_query;
            std::fill_n(
                b.largest, B,
                -1e30f);  // finite: -ffast-math may assume that there are no infinities
            std::fill_n(b.total, B, 0.0f);
            long end = causal ? std::min(n_key, i0 + rows + ahead) : n_key;
            for (long j0 = 0; j0 < end; j0 += B)
                meet(b, q + i0 * d_k, k + (head * n_key + j0) * d_k,
                     v + (head * n_key + j0) * d_v, o + i0 * d_v, rows,
                     std::min(B, n_key - j0), d_k, d_v, scale,
                     causal ? i0 + 1 + ahead - j0 : n_key);
            for (long x = 0; x < rows; x++)
                for (long c = 0; c < d_v && b.total[x] > 0; c++)
                    o[(i0 + x) * d_v + c] /= b.total[x];
        }
}
