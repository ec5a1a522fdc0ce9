// Every lane of a vector is a query of its own: LANES queries do the same thing at the same time.
#include <vector>

#include "tile.h"

constexpr float LOG2E = 1.44269504f;

extern "C" void attend(const float* q, const float* k, const float* v, float* o, long heads, long n_query, long n_key,
                       long d_k, long d_v, float scale, int causal) {
    Buffer query = buffer(d_k * LANES), out = buffer(d_v * LANES), score = buffer(BLOCK * LANES);
    for (long head = 0; head < heads; head++, q += n_query * d_k, o += n_query * d_v, k += n_key * d_k, v += n_key * d_v)
        for (long i0 = 0; i0 < n_query; i0 += LANES) {
            long rows = std::min<long>(LANES, n_query - i0), ahead = n_key - n_query;
            for (long l = 0; l < d_k; l++)  // packed: number l of all queries, side by side
                for (long x = 0; x < LANES; x++)
                    query[l * LANES + x] = x < rows ? q[(i0 + x) * d_k + l] * scale * LOG2E : 0;
            std::fill_n(out.get(), d_v * LANES, 0.0f);
            vec largest = vec{} - INF, total{};
            for (long j0 = 0, end = causal ? std::clamp(i0 + rows + ahead, 0L, n_key) : n_key; j0 < end; j0 += BLOCK) {
                long keys = std::min(BLOCK, end - j0);
                vec now = largest;
                for (long j = 0; j < keys; j++) {
                    vec sum{};
                    for (long l = 0; l < d_k; l++) sum += k[(j0 + j) * d_k + l] * load(&query[l * LANES]);
                    store(&score[j * LANES], sum);
                    if (causal)
                        for (long x = 0, hidden = std::clamp<long>(j0 + j - ahead - i0, 0, LANES); x < hidden; x++)
                            score[j * LANES + x] = -INF;
                    now = larger(now, load(&score[j * LANES]));
                }
                vec base = now == -INF ? vec{} : now, shrink = exp2(largest - base);
                largest = now;
                total *= shrink;
                for (long c = 0; c < d_v; c++) store(&out[c * LANES], load(&out[c * LANES]) * shrink);
                for (long j = 0; j < keys; j++) {
                    vec weight = exp2(load(&score[j * LANES]) - base);
                    total += weight;
                    for (long c = 0; c < d_v; c++)
                        store(&out[c * LANES], load(&out[c * LANES]) + v[(j0 + j) * d_v + c] * weight);
                }
            }
            for (long x = 0; x < rows; x++)
                for (long c = 0; c < d_v; c++)
                    o[(i0 + x) * d_v + c] = total[x] > 0 ? out[c * LANES + x] / total[x] : 0;
        }
}
