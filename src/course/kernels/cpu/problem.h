// One call of attention as Python hands it over, and its scores, a block at a time.
#pragma once
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "tile.h"

constexpr float LOG2E = 1.44269504f, LN2 = 0.693147181f;

// One matrix per head, wherever it lies: entry (i, j) of head h is data[offset[h] + i*down
// + j*along].
template <typename Number>
struct Matrices {
    Number* data;
    const int64_t* offset;
    int64_t down, along;  // along is 1 for q, k, v and what is computed
    Number* row(long head, long i) const { return data + offset[head] + i * down; }
};

struct Problem {
    Matrices<const float> q, k, v;
    Matrices<const bool> mask;   // data may be null
    Matrices<const float> bias;  // data may be null
    int64_t heads, group;        // group: heads of queries that share one head of keys
    int64_t n_query, n_key, d_k, d_v, threads;
    float scale;
    int32_t causal;

    // How many keys, from the first, the first `end` queries may see at most.
    long seen(long end) const {
        return causal ? std::clamp<long>(end + n_key - n_query, 0, n_key) : n_key;
    }
};

// A block of queries in lanes: column x of `to` is query i0 + x times the factor, zero
// beyond the last one.
inline void transpose(float* to, long width, const float* from, long down, long rows,
                      long d, float factor) {
    for (long l = 0; l < d; l++)
        for (long x = 0; x < width; x++)
            to[l * width + x] = x < rows ? factor * from[x * down + l] : 0.0f;
}

// Scores of keys j0 … j0+keys (rows) and queries i0 … (lanes), to base 2; minus infinity
// where masked.
inline void scores(const Problem& p, float* e, const float* q, long width, long head,
                   long i0, long rows, long j0, long keys) {
    multiply(false, e, width, {p.k.row(head, j0), p.k.down, 1}, q, width, keys, p.d_k,
             width);
    if (p.bias.data)
        for (long x = 0; x < rows; x++) {
            const float* b = p.bias.row(head, i0 + x) + j0 * p.bias.along;
            for (long j = 0; j < keys; j++) e[j * width + x] += LOG2E * b[j * p.bias.along];
        }
    if (p.mask.data &&
        p.mask.down == 0) {  // the same for all queries: whole rows of the block
        const bool* m = p.mask.row(head, 0) + j0 * p.mask.along;
        for (long j = 0; j < keys; j++)
            if (!m[j * p.mask.along]) std::fill_n(e + j * width, width, -INF);
    } else if (p.mask.data)
        for (long x = 0; x < rows; x++) {
            const bool* m = p.mask.row(head, i0 + x) + j0 * p.mask.along;
            for (long j = 0; j < keys; j++)
                if (!m[j * p.mask.along]) e[j * width + x] = -INF;
        }
    if (p.causal && j0 + keys > p.seen(i0 + 1))  // a block on the diagonal
        for (long j = 0; j < keys; j++) {
            long hidden = std::clamp<long>(j0 + j - (p.n_key - p.n_query) - i0, 0, width);
            std::fill_n(e + j * width, hidden, -INF);
        }
}

// Run job(task) for every task, on as many threads, each taking the next task that nobody
// has taken.
template <typename Job>
inline int parallel(long tasks, long threads, Job job) {
    std::atomic<long> next{0};
    std::atomic<bool> failed{false};
    auto work = [&] {
        try {
            for (long task; (task = next++) < tasks;) job(task);
        } catch (...) {
            failed = true;
        }
    };
    std::vector<std::thread> others;
    try {
        for (long t = 1; t < std::min(threads, tasks); t++) others.emplace_back(work);
    } catch (...) {  // no more threads to be had: those that are there do the work
    }
    work();
    for (auto& thread : others) thread.join();
    return failed;
}
