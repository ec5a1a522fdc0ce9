// The definition: one query at a time, one key at a time, one number at a time.
#include <algorithm>
#include <cmath>

extern "C" void attend(const float* q, const float* k, const float* v, float* o, long heads,
                       long n_query, long n_key, long d_k, long d_v, float scale,
                       int causal) {
    for (long row = 0; row < heads * n_query; row++) {
        long head = row / n_query, i = row % n_query;
        long end = causal ? std::max(0L, i + 1 + n_key - n_query) : n_key;
        const float* query = q + row * d_k;
        float *out = o + row * d_v, largest = -INFINITY, total = 0;
        std::fill_n(out, d_v, 0.0f);
        for (long j = 0; j < end; j++) {
            const float *key = k + (head * n_key + j) * d_k,
                        *value = v + (head * n_key + j) * d_v;
            float score = 0;
            for (long l = 0; l < d_k; l++) score += query[l] * key[l];
            score *= scale;
            if (score > largest) {  // what was summed so far shrinks
                float shrink = std::exp(largest - score);
                total *= shrink;
                for (long c = 0; c < d_v; c++) out[c] *= shrink;
                largest = score;
            }
            float weight = std::exp(score - largest);
            total += weight;
            for (long c = 0; c < d_v; c++) out[c] += weight * value[c];
        }
        for (long c = 0; c < d_v && end > 0; c++) out[c] /= total;
    }
}
