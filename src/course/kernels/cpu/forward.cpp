// The forward pass: blocks of queries in the lanes of the vectors, the keys passing by them
// in blocks.
#include "problem.h"

struct Workspace {
    Buffer q, e, o, largest, total;
    Workspace(const Problem& p)
        : q(buffer(p.d_k * BLOCK)),
          e(buffer(BLOCK * BLOCK)),
          o(buffer(p.d_v * BLOCK)),
          largest(buffer(BLOCK)),
          total(buffer(BLOCK)) {}
};

// The running maximum and sum of LANES queries take in a block of keys; its scores become
// weights.
static void renew(float* e, long width, long keys, float* largest, float* total, float* o,
                  long d_v) {
    vec before = load(largest), now = before;
    for (long j = 0; j < keys; j++) now = larger(now, load(e + j * width));
    vec base = now == -INF ? vec{} : now;
    vec sum{};
    for (long j = 0; j < keys; j++) {
        vec weight = exp2(load(e + j * width) - base);
        store(e + j * width, weight);
        sum += weight;
    }
    vec shrink = exp2(before - base);
    store(largest, now);
    store(total, load(total) * shrink + sum);
    for (long c = 0; c < d_v; c++) store(o + c * width, load(o + c * width) * shrink);
}

static void block(const Problem& p, Workspace& w, long head, long i0, Matrices<float> out,
                  float* lse) {
    long rows = std::min(BLOCK, (long)p.n_query - i0), width = padded(rows);
    transpose(w.q.get(), width, p.q.row(head, i0), p.q.down, rows, p.d_k, p.scale * LOG2E);
    std::fill_n(w.o.get(), p.d_v * width, 0.0f);
    std::fill_n(w.total.get(), width, 0.0f);
    std::fill_n(w.largest.get(), width, -INF);
    float *e = w.e.get(), *o = w.o.get();
    for (long j0 = 0, end = p.seen(i0 + rows); j0 < end; j0 += BLOCK) {
        long keys = std::min(BLOCK, end - j0);
        scores(p, e, w.q.get(), width, head, i0, rows, j0, keys);
        for (long x = 0; x < width; x += LANES)
            renew(e + x, width, keys, w.largest.get() + x, w.total.get() + x, o + x, p.d_v);
        multiply(true, o, width, {p.v.row(head, j0), 1, p.v.down}, e, width, p.d_v, keys,
                 width);
    }
    for (long x = 0; x < rows; x++) {
        float total = w.total[x], share = total == 0 ? 0 : 1 / total;
        for (long c = 0; c < p.d_v; c++)
            out.row(head, i0 + x)[c] = o[c * width + x] * share;
        lse[head * p.n_query + i0 + x] = LN2 * w.largest[x] + std::log(total);
    }
}

extern "C" int forward(const Problem* problem, const Matrices<float>* out, float* lse) {
    const Problem& p = *problem;
    long blocks = (p.n_query + BLOCK - 1) / BLOCK;
    return parallel(p.heads * blocks, p.threads, [&](long task) {
        Workspace w(p);
        // Late queries see more keys when causal: they come first, so that the threads end
        // together.
        block(p, w, task / blocks, (blocks - 1 - task % blocks) * BLOCK, *out, lse);
    });
}
