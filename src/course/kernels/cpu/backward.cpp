// The backward pass: the weights are computed again, block by block, and with them all
// three gradients.
#include "problem.h"

struct Gradients {
    Matrices<const float> out,
        grad;  // what the forward pass returned, and the loss's gradient by it
    const float* lse;
    Matrices<float> dq, dk,
        dv;  // dk and dv have rows of a padded length, and one copy for each share
    Matrices<float> dbias;  // data may be null
    int64_t shares;         // into how many shares the queries of a head of keys are dealt
};

struct Workspace {
    Buffer q, q_rows, grad, grad_rows, e, d, dq, lse, mean;
    Workspace(const Problem& p)
        : q(buffer(p.d_k * BLOCK)),
          q_rows(buffer(BLOCK * padded(p.d_k))),
          grad(buffer(p.d_v * BLOCK)),
          grad_rows(buffer(BLOCK * padded(p.d_v))),
          e(buffer(BLOCK * BLOCK)),
          d(buffer(BLOCK * BLOCK)),
          dq(buffer(p.d_k * BLOCK)),
          lse(buffer(BLOCK)),
          mean(buffer(BLOCK)) {}
};

static void copy(float* to, const float* from, long down, long rows, long d, float factor) {
    for (long x = 0, wide = padded(d); x < rows; x++)
        for (long c = 0; c < wide; c++)
            to[x * wide + c] = c < d ? factor * from[x * down + c] : 0.0f;
}

// A block of queries and its gradients, in lanes and in rows, and two numbers for each
// query.
static void gather(const Problem& p, const Gradients& g, Workspace& w, long head, long i0,
                   long rows, long width) {
    const float *q = p.q.row(head, i0), *grad = g.grad.row(head, i0);
    transpose(w.q.get(), width, q, p.q.down, rows, p.d_k, p.scale * LOG2E);
    copy(w.q_rows.get(), q, p.q.down, rows, p.d_k, p.scale);
    transpose(w.grad.get(), width, grad, g.grad.down, rows, p.d_v, 1);
    copy(w.grad_rows.get(), grad, g.grad.down, rows, p.d_v, 1);
    for (long x = 0; x < width; x++) {
        float lse = x < rows ? g.lse[head * p.n_query + i0 + x] : 0, mean = 0;
        for (long c = 0; x < rows && c < p.d_v; c++)
            mean += grad[x * g.grad.down + c] * g.out.row(head, i0 + x)[c];
        w.lse[x] = lse == -INF ? 0 : lse * LOG2E;
        w.mean[x] = mean;
    }
    std::fill_n(w.dq.get(), p.d_k * width, 0.0f);
}

// Scores become weights, and gradients by the weights become gradients by the scores.
static void differentiate(float* e, float* d, long width, long keys, const float* lse,
                          const float* mean) {
    for (long x = 0; x < width; x += LANES) {
        vec of_lse = load(lse + x), of_mean = load(mean + x);
        for (long j = x; j < keys * width; j += width) {
            vec weight = exp2(load(e + j) - of_lse);
            store(e + j, weight);
            store(d + j, weight * (load(d + j) - of_mean));
        }
    }
}

static void add(Matrices<float> dbias, long head, long i0, long rows, long j0, long keys,
                const float* d, long width) {
    for (long x = 0; x < rows; x++)
        for (long j = 0; j < keys; j++)
            dbias.row(head, i0 + x)[(j0 + j) * dbias.along] += d[j * width + x];
}

static void block(const Problem& p, const Gradients& g, Workspace& w, long head, long slot,
                  long i0) {
    long rows = std::min(BLOCK, (long)p.n_query - i0), width = padded(rows);
    gather(p, g, w, head, i0, rows, width);
    float *e = w.e.get(), *d = w.d.get();
    long wide_k = padded(p.d_k), wide_v = padded(p.d_v);
    for (long j0 = 0, end = p.seen(i0 + rows); j0 < end; j0 += BLOCK) {
        long keys = std::min(BLOCK, end - j0);
        Left k{p.k.row(head, j0), 1, p.k.down}, v{p.v.row(head, j0), p.v.down, 1};
        float *dk = g.dk.row(slot, j0), *dv = g.dv.row(slot, j0);
        scores(p, e, w.q.get(), width, head, i0, rows, j0, keys);
        multiply(false, d, width, v, w.grad.get(), width, keys, p.d_v, width);
        differentiate(e, d, width, keys, w.lse.get(), w.mean.get());
        multiply(true, dv, g.dv.down, {e, width, 1}, w.grad_rows.get(), wide_v, keys, rows,
                 wide_v);
        multiply(true, dk, g.dk.down, {d, width, 1}, w.q_rows.get(), wide_k, keys, rows,
                 wide_k);
        multiply(true, w.dq.get(), width, k, d, width, p.d_k, keys, width);
        if (g.dbias.data) add(g.dbias, head, i0, rows, j0, keys, d, width);
    }
    for (long x = 0; x < rows; x++)
        for (long c = 0; c < p.d_k; c++)
            g.dq.row(head, i0 + x)[c] = w.dq[c * width + x] * p.scale;
}

// A task is a share of the queries that meet one head of keys: nobody else adds to its dk
// and dv.
extern "C" int backward(const Problem* problem, const Gradients* gradients) {
    const Problem& p = *problem;
    const Gradients& g = *gradients;
    long blocks = (p.n_query + BLOCK - 1) / BLOCK;
    return parallel(p.heads / p.group * g.shares, p.threads, [&](long task) {
        Workspace w(p);
        for (long head = task / g.shares * p.group, last = head + p.group; head < last;
             head++)
            for (long b = task % g.shares; b < blocks; b += g.shares)
                block(p, g, w, head, task, b * BLOCK);
    });
}
