"""Exercises of the chapter on the three families of Transformers."""

from __future__ import annotations

import math

import sympy
import torch
from torch.nn import functional as F

from course.grading.exercise import Exercise, Mistake

# 1: BERT's rule for masking


def corrupt(tokens, real, choose, how, random_tokens, mask):
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    out = torch.where(chosen & (how >= 0.8) & (how < 0.9), random_tokens, out)
    return out, torch.where(chosen, tokens, -100)


def corrupt_with_corrupted_labels(tokens, real, choose, how, random_tokens, mask):
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, torch.where(labels == -100, labels, out)


def corrupt_without_labels_for_kept(tokens, real, choose, how, random_tokens, mask):
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, labels.masked_fill(how >= 0.9, -100)


def corrupt_always_masked(tokens, real, choose, how, random_tokens, mask):
    out, labels = corrupt(tokens, real, choose, torch.zeros_like(how), random_tokens, mask)
    return out, labels


def corrupt_with_all_labels(tokens, real, choose, how, random_tokens, mask):
    return corrupt(tokens, real, choose, how, random_tokens, mask)[0], tokens


def corrupt_never_kept(tokens, real, choose, how, random_tokens, mask):
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    return torch.where(chosen & (how >= 0.8), random_tokens, out), torch.where(chosen, tokens, -100)


def corrupt_labels_of_masks(tokens, real, choose, how, random_tokens, mask):
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, labels.masked_fill(how >= 0.8, -100)


def corrupt_replaces_unchosen(tokens, real, choose, how, random_tokens, mask):
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    out = torch.where((how >= 0.8) & (how < 0.9), random_tokens, out)
    return out, torch.where(chosen, tokens, -100)


def corrupt_over_the_masks(tokens, real, choose, how, random_tokens, mask):
    chosen = (choose < 0.15) & real
    return torch.where(chosen & (how < 0.9), random_tokens, tokens), torch.where(chosen, tokens, -100)


def corrupt_with_tenths_swapped(tokens, real, choose, how, random_tokens, mask):
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    return torch.where(chosen & (how >= 0.9), random_tokens, out), torch.where(chosen, tokens, -100)


def corrupt_with_label_zero(tokens, real, choose, how, random_tokens, mask):
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, labels.masked_fill(labels == -100, 0)


def rule_cases():
    generator = torch.Generator().manual_seed(0)
    tokens, random_tokens = (torch.randint(5, 40, (6, 50), generator=generator) for _ in range(2))
    choose, how = (torch.rand(6, 50, generator=generator) for _ in range(2))
    real = torch.arange(50) < torch.tensor([50, 40, 12, 50, 31, 7])[:, None]
    return [(tokens.masked_fill(~real, 0), real, choose, how, random_tokens, 4)]


RULE = Exercise(
    number=1,
    kind="implement",
    reference=corrupt,
    cases=rule_cases,
    mistakes=(
        Mistake(
            "labels-of-the-corrupted",
            corrupt_with_corrupted_labels,
            "Your labels are the corrupted tokens, so the model learns to answer with the mask. The labels"
            " are the original tokens.",
        ),
        Mistake(
            "kept-tokens-without-label",
            corrupt_without_labels_for_kept,
            "Chosen tokens that stay as they are have no label in your answer. They are predicted too: "
            "that is why they were chosen.",
        ),
        Mistake(
            "always-the-mask",
            corrupt_always_masked,
            "You mask every chosen token. A tenth becomes a random token and a tenth stays.",
        ),
        Mistake(
            "labels-everywhere",
            corrupt_with_all_labels,
            "Every token has a label in your answer, also those that stand in the input. Predicting them "
            "is copying: set −100 wherever a token was not chosen.",
        ),
        Mistake(
            "pads-chosen",
            lambda tokens, real, *rest: corrupt(tokens, torch.ones_like(real), *rest),
            "You choose padding as well. Only real tokens may be chosen.",
        ),
        Mistake(
            "never-kept",
            corrupt_never_kept,
            "Every chosen token that is not masked becomes random in your answer: two tenths. From 0.9 on,"
            " it stays.",
        ),
        Mistake(
            "labels-for-masks-only",
            corrupt_labels_of_masks,
            "Only masked tokens have a label in your answer. Random and kept tokens were chosen too, and "
            "are predicted.",
        ),
        Mistake(
            "replaces-what-was-not-chosen",
            corrupt_replaces_unchosen,
            "You replace a tenth of all tokens, not of the chosen ones. Both conditions must hold.",
        ),
        Mistake(
            "random-over-the-masks",
            corrupt_over_the_masks,
            "Your random tokens overwrite the masks: `how` below 0.9 is true below 0.8 as well.",
        ),
        Mistake(
            "tenths-swapped",
            corrupt_with_tenths_swapped,
            "You keep from 0.8 to 0.9 and replace from 0.9 on. It is the other way round.",
        ),
        Mistake(
            "label-zero-elsewhere",
            corrupt_with_label_zero,
            "Your label is 0 where a token was not chosen. That is a token too, and would be learned: "
            "cross-entropy leaves out −100.",
        ),
    ),
)


# 2: T5's spans


def cut(tokens, spans, sentinel, end):
    source, target, at = [], [], 0
    for i, (begin, stop) in enumerate(spans):
        source += [*tokens[at:begin], sentinel + i]
        target += [sentinel + i, *tokens[begin:stop]]
        at = stop
    return source + tokens[at:], [*target, end]


def cut_with_one_sentinel(tokens, spans, sentinel, end):
    def same(row):
        return [sentinel if sentinel <= token < sentinel + len(spans) else token for token in row]

    source, target = cut(tokens, spans, sentinel, end)
    return same(source), same(target)


def cut_without_sentinels_in_the_target(tokens, spans, sentinel, end):
    source, _ = cut(tokens, spans, sentinel, end)
    return source, [token for begin, stop in spans for token in tokens[begin:stop]] + [end]


def cut_with_a_sentinel_per_token(tokens, spans, sentinel, end):
    source, target, at = [], [], 0
    for i, (begin, stop) in enumerate(spans):
        source += tokens[at:begin] + [sentinel + i] * (stop - begin)
        target += [sentinel + i, *tokens[begin:stop]]
        at = stop
    return source + tokens[at:], [*target, end]


def cut_including_the_end(tokens, spans, sentinel, end):
    return cut(tokens, [(begin, stop + 1) for begin, stop in spans], sentinel, end)


def cut_losing_the_rest(tokens, spans, sentinel, end):
    source, target = cut(tokens, spans, sentinel, end)
    rest = len(tokens) - spans[-1][1]
    return source[: len(source) - rest], target


def cut_downwards(tokens, spans, sentinel, end):
    def turned(row):
        return [2 * sentinel - token if sentinel <= token < sentinel + len(spans) else token for token in row]

    source, target = cut(tokens, spans, sentinel, end)
    return turned(source), turned(target)


def cut_with_a_full_target(tokens, spans, sentinel, end):
    return cut(tokens, spans, sentinel, end)[0], [*tokens, end]


def cut_with_a_last_sentinel(tokens, spans, sentinel, end):
    source, target = cut(tokens, spans, sentinel, end)
    return source, [*target[:-1], sentinel + len(spans), end]


def cut_with_sentinels_behind(tokens, spans, sentinel, end):
    target = []
    for i, (begin, stop) in enumerate(spans):
        target += [*tokens[begin:stop], sentinel + i]
    return cut(tokens, spans, sentinel, end)[0], [*target, end]


def cut_with_stale_places(tokens, spans, sentinel, end):
    source, target = list(tokens), []
    for i, (begin, stop) in enumerate(spans):
        target += [sentinel + i, *source[begin:stop]]
        source[begin:stop] = [sentinel + i]
    return source, [*target, end]


SPANS = Exercise(
    number=2,
    kind="implement",
    reference=cut,
    cases=lambda: [
        (list(range(5, 10)), [(1, 2), (3, 5)], 100, 1),
        (list(range(10, 30)), [(0, 3), (5, 6), (9, 14)], 200, 2),
        (list(range(10, 16)), [(2, 4)], 50, 3),
    ],
    mistakes=(
        Mistake(
            "one-sentinel-for-all",
            cut_with_one_sentinel,
            "All your spans have the same sentinel, so the target cannot say which one it fills. Count "
            "them up.",
        ),
        Mistake(
            "target-without-sentinels",
            cut_without_sentinels_in_the_target,
            "Your target has no sentinels: where one span ends and the next begins cannot be told. Put "
            "each sentinel before its span.",
        ),
        Mistake(
            "sentinel-per-token",
            cut_with_a_sentinel_per_token,
            "You put one sentinel for each token that was cut out, which tells the model how long the span"
            " is. A whole span gets one.",
        ),
        Mistake(
            "no-end",
            lambda *case: (cut(*case)[0], cut(*case)[1][:-1]),
            "The end is missing from your target. Without it the model never learns to stop.",
        ),
        Mistake(
            "end-included",
            cut_including_the_end,
            "Each of your spans is one token too long: the end of a span is not part of it.",
        ),
        Mistake(
            "loses-the-rest",
            cut_losing_the_rest,
            "What follows the last span is missing from your input.",
        ),
        Mistake(
            "sentinels-downwards",
            cut_downwards,
            "You count the sentinels down, as the published T5 does. Here they go up.",
        ),
        Mistake(
            "whole-text-as-target",
            cut_with_a_full_target,
            "Your target is the whole text. That is BART's objective; T5 writes only what was cut out.",
        ),
        Mistake(
            "sentinel-before-the-end",
            cut_with_a_last_sentinel,
            "Your target closes with one more sentinel, as in a figure of T5's paper. Here the end alone "
            "closes it.",
        ),
        Mistake(
            "sentinels-behind-their-spans",
            cut_with_sentinels_behind,
            "In your target each sentinel follows its span. It announces it: sentinel first, then what was "
            "cut out.",
        ),
        Mistake(
            "stale-places",
            cut_with_stale_places,
            "You shorten the list while you walk through it, so the places of the later spans no longer "
            "fit. Build a new list, or go from the last span to the first.",
        ),
    ),
)


# 3: the loss of a prefix language model


def counted(tokens, prefixes, lengths):
    at = torch.arange(tokens.shape[1])
    return (at >= prefixes[:, None]) & (at < lengths[:, None])


def prefix_loss(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)[:, 1:]
    return F.cross_entropy(logits[:, :-1][counts], tokens[:, 1:][counts])


def prefix_loss_unshifted(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)
    return F.cross_entropy(logits[counts], tokens[counts])


def prefix_loss_of_positions(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)[:, :-1]
    return F.cross_entropy(logits[:, :-1][counts], tokens[:, 1:][counts])


def prefix_loss_of_rows(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)[:, 1:].float()
    losses = F.cross_entropy(logits[:, :-1].mT, tokens[:, 1:], reduction="none") * counts
    return (losses.sum(1) / counts.sum(1)).mean()


def prefix_loss_over_everything(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)[:, 1:].float()
    losses = F.cross_entropy(logits[:, :-1].mT, tokens[:, 1:], reduction="none") * counts
    return losses.mean()


def prefix_loss_without_the_first(logits, tokens, prefixes, lengths):
    return prefix_loss(logits, tokens, prefixes + 1, lengths)


def prefix_loss_shifted_back(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)[:, :-1]
    return F.cross_entropy(logits[:, 1:][counts], tokens[:, :-1][counts])


def prefix_loss_without_conditions(logits, tokens, prefixes, lengths):
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def prefix_loss_of_the_sum(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)[:, 1:]
    return F.cross_entropy(logits[:, :-1][counts], tokens[:, 1:][counts], reduction="sum")


def prefix_cases():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 9, 7, generator=generator).requires_grad_()
    tokens = torch.randint(7, (3, 9), generator=generator)
    return [(logits, tokens, torch.tensor([2, 5, 1]), torch.tensor([9, 7, 4]))]


PREFIX = Exercise(
    number=3,
    kind="implement",
    reference=prefix_loss,
    gradients=True,
    cases=prefix_cases,
    mistakes=(
        Mistake(
            "loss-in-the-prefix",
            lambda z, x, p, n: prefix_loss(z, x, torch.zeros_like(p), n),
            "You take the loss in the prefix as well. There each token sees its successor, so that "
            "predicting it is copying.",
        ),
        Mistake(
            "loss-on-padding",
            lambda z, x, p, n: prefix_loss(z, x, p, torch.full_like(n, x.shape[1])),
            "You take the loss on padding. Tokens from lengths[b] on do not count.",
        ),
        Mistake(
            "no-shift",
            prefix_loss_unshifted,
            "You compare position t with token t, which it has read. Position t predicts token t + 1.",
        ),
        Mistake(
            "condition-not-shifted",
            prefix_loss_of_positions,
            "Your condition is one place off: it is written for the positions, not for the tokens that "
            "they predict. Shift it together with the tokens.",
        ),
        Mistake(
            "mean-of-the-rows",
            prefix_loss_of_rows,
            "You take the mean of each row and then the mean of those. A token in a short row counts more "
            "than one in a long row: take one mean over all.",
        ),
        Mistake(
            "divides-by-everything",
            prefix_loss_over_everything,
            "You set the losses that do not count to zero, and then divide by their number too.",
        ),
        Mistake(
            "first-token-left-out",
            prefix_loss_without_the_first,
            "The first token after the prefix is missing. The last token of the prefix predicts it, and "
            "has not seen it.",
        ),
        Mistake(
            "shifted-back",
            prefix_loss_shifted_back,
            "You shift the wrong way: position t is compared with token t − 1. It predicts token t + 1.",
        ),
        Mistake(
            "loss-everywhere",
            prefix_loss_without_conditions,
            "The shift is right, but prefix and padding count in your mean. Neither should.",
        ),
        Mistake(
            "sum-instead-of-mean",
            prefix_loss_of_the_sum,
            "You return the sum. Divide by the number of tokens that count, in all rows together.",
        ),
    ),
)


# 4: the mean of means that shipped


def accumulated(pieces):
    total = sum(F.cross_entropy(z, y, ignore_index=-100, reduction="sum") for z, y in pieces)
    return total / sum((y != -100).sum() for _, y in pieces)


def run_accumulation(answer, *tensors):
    return answer(list(zip(tensors[::2], tensors[1::2], strict=True)))


def mean_of_means(pieces):
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in pieces) / len(pieces)


def mean_of_means_without_empty(pieces):
    full = [(z, y) for z, y in pieces if (y != -100).any()]
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in full) / len(pieces)


def mean_of_full_pieces(pieces):
    full = [(z, y) for z, y in pieces if (y != -100).any()]
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in full) / len(full)


def sum_over_places(pieces):
    total = sum(F.cross_entropy(z, y, ignore_index=-100, reduction="sum") for z, y in pieces)
    return total / sum(len(y) for _, y in pieces)


def plain_sum(pieces):
    return sum(F.cross_entropy(z, y, ignore_index=-100, reduction="sum") for z, y in pieces)


def sum_over_pieces(pieces):
    return plain_sum(pieces) / len(pieces)


def weighted_by_places(pieces):
    full = [(z, y) for z, y in pieces if (y != -100).any()]
    total = sum(F.cross_entropy(z, y, ignore_index=-100) * len(y) for z, y in full)
    return total / sum(len(y) for _, y in full)


def weighted_by_labels_with_nan(pieces):
    total = sum(F.cross_entropy(z, y, ignore_index=-100) * (y != -100).sum() for z, y in pieces)
    return total / sum((y != -100).sum() for _, y in pieces)


def sum_of_means(pieces):
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in pieces if (y != -100).any())


def pieces_cases():
    generator = torch.Generator().manual_seed(0)

    def piece(n, labels):
        y = torch.full((n,), -100)
        y[:labels] = torch.randint(6, (labels,), generator=generator)
        logits = torch.randn(n, 6, generator=generator)
        # No gradient is asked for where no label is: to leave such a piece out is right too.
        return logits.requires_grad_(labels > 0), y

    return [
        (*piece(10, 8), *piece(7, 1), *piece(12, 4)),
        (*piece(5, 5), *piece(4, 0), *piece(9, 2)),
    ]


MEANS = Exercise(
    number=4,
    kind="find the bug",
    reference=accumulated,
    run=run_accumulation,
    gradients=True,
    cases=pieces_cases,
    mistakes=(
        Mistake(
            "mean-of-means",
            mean_of_means,
            "The bug is still there: each piece counts the same, so a label in a piece with few labels "
            "counts more. And a piece without labels gives NaN.",
        ),
        Mistake(
            "mean-of-means-without-empty",
            mean_of_means_without_empty,
            "You skip the pieces without labels, which removes the NaN, but a label in a piece with few "
            "labels still counts more. And you divide by all pieces.",
        ),
        Mistake(
            "mean-of-full-pieces",
            mean_of_full_pieces,
            "You average the pieces that have labels. A label in a piece with few of them still counts "
            "more: sum over all, and divide once.",
        ),
        Mistake(
            "divides-by-the-places",
            sum_over_places,
            "You divide by the number of places. Those with the label −100 have no loss and do not count.",
        ),
        Mistake(
            "does-not-divide",
            plain_sum,
            "You return the sum. Divide by the number of labels that count, in all pieces together.",
        ),
        Mistake(
            "divides-by-the-pieces",
            sum_over_pieces,
            "You divide the sum by the number of pieces. The mean is over labels.",
        ),
        Mistake(
            "weighs-by-places",
            weighted_by_places,
            "You weigh each mean by the places of its piece. Its weight is the number of its labels, "
            "without those that are −100.",
        ),
        Mistake(
            "nan-times-zero",
            weighted_by_labels_with_nan,
            "Your weights are right, but the mean of a piece without labels is NaN, and zero times NaN is "
            "NaN. Leave such a piece out, or sum.",
        ),
        Mistake(
            "sum-of-means",
            sum_of_means,
            "You add the means of the pieces. Add the losses of all labels, and divide once.",
        ),
    ),
)


# 5: what a chosen and visible token is worth

R, ALPHA, BETA, V = sympy.symbols("r alpha beta V", positive=True)

TRUST = Exercise(
    number=5,
    kind="derive",
    reference=(1 - ALPHA - BETA + BETA / V) / (1 - ALPHA),
    mistakes=(
        Mistake(
            "not-conditioned",
            1 - ALPHA - BETA + BETA / V,
            "That is the share of the chosen tokens that are right. It is known that the token is visible:"
            " divide by 1 − α.",
        ),
        Mistake(
            "never-hits-the-original",
            (1 - ALPHA - BETA) / (1 - ALPHA),
            "A token drawn at random is the original with probability 1/V: you left out β/V.",
        ),
        Mistake(
            "any-visible-token",
            1 - R * BETA * (1 - 1 / V) / (1 - R * ALPHA),
            "That is for a visible token of which it is not known whether it was chosen. Here it was.",
        ),
        Mistake(
            "wrong-instead-of-right",
            BETA * (1 - 1 / V) / (1 - ALPHA),
            "That is the probability that it is wrong.",
        ),
        Mistake(
            "share-left-in",
            R * (1 - ALPHA - BETA + BETA / V) / (1 - ALPHA),
            "The share r cancels: the token is known to be chosen.",
        ),
        Mistake(
            "kept-unchosen",
            (1 - R + R * (1 - ALPHA - BETA + BETA / V)) / (1 - ALPHA),
            "You count tokens that were not chosen among the right ones. Condition on chosen in the "
            "numerator too.",
        ),
        Mistake(
            "chosen-only-above",
            R * (1 - ALPHA - BETA + BETA / V) / (1 - R * ALPHA),
            "Below the line you count every visible token, chosen or not. It is known that it was chosen: "
            "r(1 − α).",
        ),
    ),
)


# 6: lengths of T5


def t5_lengths(n, rate, mean):
    spans = rate * n / mean
    source, target = (1 - rate) * n + spans, rate * n + spans + 1
    return source, target, source**2 + target**2


def scored(source, target):
    return source, target, source**2 + target**2


LENGTHS = Exercise(
    number=6,
    kind="predict",
    reference=t5_lengths,
    cases=lambda: [(512, 0.15, 3), (1000, 0.5, 32), (60, 0.2, 4)],
    mistakes=(
        Mistake(
            "no-sentinels-in-the-input",
            lambda n, r, m: scored((1 - r) * n, r * n + r * n / m + 1),
            "Your input has no sentinels. Each span leaves one there.",
        ),
        Mistake(
            "no-sentinels-in-the-target",
            lambda n, r, m: scored((1 - r) * n + r * n / m, r * n + 1),
            "Your target has no sentinels. Each span brings one along.",
        ),
        Mistake(
            "no-end",
            lambda n, r, m: scored((1 - r) * n + r * n / m, r * n + r * n / m),
            "Your target has no end token: one more.",
        ),
        Mistake(
            "input-keeps-everything",
            lambda n, r, m: scored(n, r * n + r * n / m + 1),
            "Your input is as long as the text, as with BERT's masks. A span leaves one sentinel, whatever"
            " its length.",
        ),
        Mistake(
            "square-of-the-sum",
            lambda n, r, m: (
                *t5_lengths(n, r, m)[:2],
                sum(t5_lengths(n, r, m)[:2]) ** 2,
            ),
            "You squared the sum of the lengths: that is one stack which reads both. Two stacks compute "
            "the sum of two squares.",
        ),
        Mistake(
            "one-span-per-token",
            lambda n, r, m: scored(n, 2 * r * n + 1),
            "You count one sentinel for each token that is cut out. There are rate · n / mean spans.",
        ),
        Mistake(
            "cross-attention-too",
            lambda n, r, m: (
                *t5_lengths(n, r, m)[:2],
                t5_lengths(n, r, m)[2] + math.prod(t5_lengths(n, r, m)[:2]),
            ),
            "You added the scores of cross-attention, target by input. Only self-attention is asked for.",
        ),
        Mistake(
            "spans-of-the-whole-text",
            lambda n, r, m: scored((1 - r) * n + n / m, r * n + n / m + 1),
            "You divide the whole text into spans. Only rate · n tokens are cut out: rate · n / mean spans.",
        ),
        Mistake(
            "start-counted",
            lambda n, r, m: scored((1 - r) * n + r * n / m, r * n + r * n / m + 2),
            "Your target is one too long. It has the cut tokens, the sentinels and the end, no start.",
        ),
    ),
)


# 7: a causal model fills a gap


def fill(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1)
    return log_p.gather(-1, tokens[:, 1:, None])[..., 0].sum(-1).softmax(0)


def candidates(row, place, vocabulary):
    tokens = torch.tensor(row).repeat(vocabulary, 1)
    tokens[:, place] = torch.arange(vocabulary)
    return tokens


def toy_model(vocabulary=7, width=6, seed=0):
    """A causal model: the logits depend on the running mean of the embeddings."""
    generator = torch.Generator().manual_seed(seed)
    table = torch.randn(vocabulary, width, generator=generator)
    out = 1.5 * torch.randn(2 * width, vocabulary, generator=generator)

    def score(tokens):
        x = table[tokens]
        mean = x.cumsum(1) / torch.arange(1, tokens.shape[1] + 1)[:, None]
        return torch.cat([x, mean], -1).tanh() @ out

    return score


def run_fill(answer, row, place):
    calls = []
    score = toy_model()

    def counting(tokens):
        calls.append(len(tokens))
        return score(tokens)

    return answer(counting, list(row), place, 7), len(calls)


def fill_from_the_left(score, row, place, vocabulary):
    return score(torch.tensor([row[:place]]))[0, -1].softmax(-1)


def fill_by_logits(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    logits = score(tokens[:, :-1])
    return logits.gather(-1, tokens[:, 1:, None])[..., 0].sum(-1).softmax(0)


def fill_by_many_calls(score, row, place, vocabulary):
    found = []
    for tokens in candidates(row, place, vocabulary)[:, None]:
        log_p = score(tokens[:, :-1]).log_softmax(-1)
        found.append(log_p.gather(-1, tokens[:, 1:, None]).sum())
    return torch.stack(found).softmax(0)


def fill_by_the_mean(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1)
    return log_p.gather(-1, tokens[:, 1:, None])[..., 0].mean(-1).softmax(0)


def fill_unnormalised(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1)
    return log_p.gather(-1, tokens[:, 1:, None])[..., 0].sum(-1).exp()


def fill_without_the_prior(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1)
    return log_p.gather(-1, tokens[:, 1:, None])[:, place:, 0].sum(-1).softmax(0)


def fill_unshifted(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    return score(tokens).log_softmax(-1).gather(-1, tokens[..., None])[..., 0].sum(-1).softmax(0)


def fill_until_the_gap(score, row, place, vocabulary):
    return fill(score, row[: place + 2], place, vocabulary)


def fill_by_adding_probabilities(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    total = score(tokens[:, :-1]).softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0].sum(-1)
    return total / total.sum()


def fill_by_dividing_logarithms(score, row, place, vocabulary):
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0].sum(-1)
    return log_p / log_p.sum()


FILL = Exercise(
    number=7,
    kind="faster",
    reference=fill,
    run=run_fill,
    cases=lambda: [([0, 3, 1, 5, 2, 6], 2), ([0, 4, 4, 1, 6, 5, 3, 2], 4), ([0, 2, 5, 3], 1)],
    mistakes=(
        Mistake(
            "left-side-only",
            fill_from_the_left,
            "You used the left side only: what the model predicts at the gap. What stands behind the gap "
            "speaks for some candidates and against others.",
        ),
        Mistake(
            "logits-added",
            fill_by_logits,
            "You added logits. They are probabilities only after log_softmax over the vocabulary, and the "
            "normaliser behind the gap differs from candidate to candidate.",
        ),
        Mistake(
            "one-call-per-candidate",
            fill_by_many_calls,
            "The numbers are right, but you call the model once for each candidate. Lay them into one batch.",
        ),
        Mistake(
            "mean-instead-of-sum",
            fill_by_the_mean,
            "You took the mean of the logarithms. All candidates are equally long, and the logarithm of a "
            "joint probability is the sum; the mean flattens the answer.",
        ),
        Mistake(
            "not-normalised",
            fill_unnormalised,
            "These are joint probabilities of whole rows. Divide by their sum over the candidates.",
        ),
        Mistake(
            "prior-left-out",
            fill_without_the_prior,
            "You left out the factor of the candidate itself, given the left side: the prior. The token at"
            " the gap is predicted from the position before it.",
        ),
        Mistake(
            "no-shift",
            fill_unshifted,
            "You take from each position the probability of the token that it has read. Position t "
            "predicts token t + 1.",
        ),
        Mistake(
            "only-the-next-token",
            fill_until_the_gap,
            "You stop one token behind the gap. All that follows depends on the candidate.",
        ),
        Mistake(
            "probabilities-added",
            fill_by_adding_probabilities,
            "You added the probabilities of the tokens. A joint probability is their product: add the "
            "logarithms.",
        ),
        Mistake(
            "logarithms-divided",
            fill_by_dividing_logarithms,
            "You divided logarithms by their sum. Back to probabilities first: softmax does both.",
        ),
        Mistake(
            "still-logarithms",
            lambda *case: fill(*case).log(),
            "These are logarithms. Probabilities are asked for: softmax in place of log_softmax at the end.",
        ),
    ),
)

EXERCISES = (RULE, SPANS, PREFIX, MEANS, TRUST, LENGTHS, FILL)
