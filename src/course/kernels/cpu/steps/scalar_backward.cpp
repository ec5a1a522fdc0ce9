// The backward pass by its definition: each pair of a query and a key adds to all three
// gradients.
#include <algorithm>
#include <cmath>

extern "C" void backward(const float* q, const float* k, const float* v, const float* o,
                         const float* lse, const float* grad, float* dq, float* dk,
                         float* dv, long heads, long n_query, long n_key, long d_k,
                         long d_v, float scale, int causal) {
    std::fill_n(dq, heads * n_query * d_k, 0.0f);
    std::fill_n(dk, heads * n_key * d_k, 0.0f);
    std::fill_n(dv, heads * n_key * d_v, 0.0f);
    for (long row = 0; row < heads * n_query; row++) {
        long head = row / n_query, i = row % n_query;
        long end = causal ? std::max(0L, i + 1 + n_key - n_query) : n_key;
        const float *query = q + row * d_k, *g = grad + row * d_v;
        float mean = 0;
        for (long c = 0; c < d_v; c++) mean += g[c] * o[row * d_v + c];
        for (long j = head * n_key; j < head * n_key + end; j++) {
            float score = 0, dweight = 0;
            for (long l = 0; l < d_k; l++) score += query[l] * k[j * d_k + l];
            for (long c = 0; c < d_v; c++) dweight += g[c] * v[j * d_v + c];
            float weight = std::exp(score * scale - lse[row]);
            float dscore = weight * (dweight - mean) * scale;
            for (long c = 0; c < d_v; c++) dv[j * d_v + c] += weight * g[c];
            for (long l = 0; l < d_k; l++) dq[row * d_k + l] += dscore * k[j * d_k + l];
            for (long l = 0; l < d_k; l++) dk[j * d_k + l] += dscore * query[l];
        }
    }
}
