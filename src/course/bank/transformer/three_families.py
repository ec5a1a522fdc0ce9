"""Exercises of the chapter on the three families of Transformers."""

from __future__ import annotations

import math

import sympy
import torch
from torch.nn import functional as F

from course.grading.exercise import Exercise

# 1: BERT's rule for masking


def corrupt(tokens, real, choose, how, random_tokens, mask):
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    out = torch.where(chosen & (how >= 0.8) & (how < 0.9), random_tokens, out)
    return out, torch.where(chosen, tokens, -100)


def rule_cases():
    generator = torch.Generator().manual_seed(0)
    tokens, random_tokens = (torch.randint(5, 40, (6, 50), generator=generator) for _ in range(2))
    choose, how = (torch.rand(6, 50, generator=generator) for _ in range(2))
    real = torch.arange(50) < torch.tensor([50, 40, 12, 50, 31, 7])[:, None]
    return [(tokens.masked_fill(~real, 0), real, choose, how, random_tokens, 4)]


RULE = Exercise(1, kind="implement", reference=corrupt, cases=rule_cases)


@RULE.mistake
def labels_of_the_corrupted(tokens, real, choose, how, random_tokens, mask):
    """Your labels are the corrupted tokens, so the model learns to answer with the mask. The labels are the
    original tokens."""
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, torch.where(labels == -100, labels, out)


@RULE.mistake
def kept_tokens_without_label(tokens, real, choose, how, random_tokens, mask):
    """Chosen tokens that stay as they are have no label in your answer. They are predicted too: that is why
    they were chosen."""
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, labels.masked_fill(how >= 0.9, -100)


@RULE.mistake
def always_the_mask(tokens, real, choose, how, random_tokens, mask):
    """You mask every chosen token. A tenth becomes a random token and a tenth stays."""
    out, labels = corrupt(tokens, real, choose, torch.zeros_like(how), random_tokens, mask)
    return out, labels


@RULE.mistake
def labels_everywhere(tokens, real, choose, how, random_tokens, mask):
    """Every token has a label in your answer, also those that stand in the input. Predicting them is copying:
    set −100 wherever a token was not chosen."""
    return corrupt(tokens, real, choose, how, random_tokens, mask)[0], tokens


@RULE.mistake
def pads_chosen(tokens, real, *rest):
    """You choose padding as well. Only real tokens may be chosen."""
    return corrupt(tokens, torch.ones_like(real), *rest)


@RULE.mistake
def never_kept(tokens, real, choose, how, random_tokens, mask):
    """Every chosen token that is not masked becomes random in your answer: two tenths. From 0.9 on, it
    stays."""
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    return torch.where(chosen & (how >= 0.8), random_tokens, out), torch.where(chosen, tokens, -100)


@RULE.mistake
def labels_for_masks_only(tokens, real, choose, how, random_tokens, mask):
    """Only masked tokens have a label in your answer. Random and kept tokens were chosen too, and are
    predicted."""
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, labels.masked_fill(how >= 0.8, -100)


@RULE.mistake
def replaces_what_was_not_chosen(tokens, real, choose, how, random_tokens, mask):
    """You replace a tenth of all tokens, not of the chosen ones. Both conditions must hold."""
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    out = torch.where((how >= 0.8) & (how < 0.9), random_tokens, out)
    return out, torch.where(chosen, tokens, -100)


@RULE.mistake
def random_over_the_masks(tokens, real, choose, how, random_tokens, mask):
    """Your random tokens overwrite the masks: `how` below 0.9 is true below 0.8 as well."""
    chosen = (choose < 0.15) & real
    return torch.where(chosen & (how < 0.9), random_tokens, tokens), torch.where(chosen, tokens, -100)


@RULE.mistake
def tenths_swapped(tokens, real, choose, how, random_tokens, mask):
    """You keep from 0.8 to 0.9 and replace from 0.9 on. It is the other way round."""
    chosen = (choose < 0.15) & real
    out = torch.where(chosen & (how < 0.8), mask, tokens)
    return torch.where(chosen & (how >= 0.9), random_tokens, out), torch.where(chosen, tokens, -100)


@RULE.mistake
def label_zero_elsewhere(tokens, real, choose, how, random_tokens, mask):
    """Your label is 0 where a token was not chosen. That is a token too, and would be learned: cross-entropy
    leaves out −100."""
    out, labels = corrupt(tokens, real, choose, how, random_tokens, mask)
    return out, labels.masked_fill(labels == -100, 0)


# 2: T5's spans


def cut(tokens, spans, sentinel, end):
    source, target, at = [], [], 0
    for i, (begin, stop) in enumerate(spans):
        source += [*tokens[at:begin], sentinel + i]
        target += [sentinel + i, *tokens[begin:stop]]
        at = stop
    return source + tokens[at:], [*target, end]


SPANS = Exercise(
    2,
    kind="implement",
    reference=cut,
    cases=lambda: [
        (list(range(5, 10)), [(1, 2), (3, 5)], 100, 1),
        (list(range(10, 30)), [(0, 3), (5, 6), (9, 14)], 200, 2),
        (list(range(10, 16)), [(2, 4)], 50, 3),
    ],
)


@SPANS.mistake
def one_sentinel_for_all(tokens, spans, sentinel, end):
    """All your spans have the same sentinel, so the target cannot say which one it fills. Count them up."""

    def same(row):
        return [sentinel if sentinel <= token < sentinel + len(spans) else token for token in row]

    source, target = cut(tokens, spans, sentinel, end)
    return same(source), same(target)


@SPANS.mistake
def target_without_sentinels(tokens, spans, sentinel, end):
    """Your target has no sentinels: where one span ends and the next begins cannot be told. Put each sentinel
    before its span."""
    source, _ = cut(tokens, spans, sentinel, end)
    return source, [token for begin, stop in spans for token in tokens[begin:stop]] + [end]


@SPANS.mistake
def sentinel_per_token(tokens, spans, sentinel, end):
    """You put one sentinel for each token that was cut out, which tells the model how long the span is. A
    whole span gets one."""
    source, target, at = [], [], 0
    for i, (begin, stop) in enumerate(spans):
        source += tokens[at:begin] + [sentinel + i] * (stop - begin)
        target += [sentinel + i, *tokens[begin:stop]]
        at = stop
    return source + tokens[at:], [*target, end]


@SPANS.mistake
def no_end(*case):
    """The end is missing from your target. Without it the model never learns to stop."""
    return (cut(*case)[0], cut(*case)[1][:-1])


@SPANS.mistake
def end_included(tokens, spans, sentinel, end):
    """Each of your spans is one token too long: the end of a span is not part of it."""
    return cut(tokens, [(begin, stop + 1) for begin, stop in spans], sentinel, end)


@SPANS.mistake
def loses_the_rest(tokens, spans, sentinel, end):
    """What follows the last span is missing from your input."""
    source, target = cut(tokens, spans, sentinel, end)
    rest = len(tokens) - spans[-1][1]
    return source[: len(source) - rest], target


@SPANS.mistake
def sentinels_downwards(tokens, spans, sentinel, end):
    """You count the sentinels down, as the published T5 does. Here they go up."""

    def turned(row):
        return [2 * sentinel - token if sentinel <= token < sentinel + len(spans) else token for token in row]

    source, target = cut(tokens, spans, sentinel, end)
    return turned(source), turned(target)


@SPANS.mistake
def whole_text_as_target(tokens, spans, sentinel, end):
    """Your target is the whole text. That is BART's objective; T5 writes only what was cut out."""
    return cut(tokens, spans, sentinel, end)[0], [*tokens, end]


@SPANS.mistake
def sentinel_before_the_end(tokens, spans, sentinel, end):
    """Your target closes with one more sentinel, as in a figure of T5's paper. Here the end alone closes
    it."""
    source, target = cut(tokens, spans, sentinel, end)
    return source, [*target[:-1], sentinel + len(spans), end]


@SPANS.mistake
def sentinels_behind_their_spans(tokens, spans, sentinel, end):
    """In your target each sentinel follows its span. It announces it: sentinel first, then what was cut
    out."""
    target = []
    for i, (begin, stop) in enumerate(spans):
        target += [*tokens[begin:stop], sentinel + i]
    return cut(tokens, spans, sentinel, end)[0], [*target, end]


@SPANS.mistake
def stale_places(tokens, spans, sentinel, end):
    """You shorten the list while you walk through it, so the places of the later spans no longer fit. Build a
    new list, or go from the last span to the first."""
    source, target = list(tokens), []
    for i, (begin, stop) in enumerate(spans):
        target += [sentinel + i, *source[begin:stop]]
        source[begin:stop] = [sentinel + i]
    return source, [*target, end]


# 3: the loss of a prefix language model


def counted(tokens, prefixes, lengths):
    at = torch.arange(tokens.shape[1])
    return (at >= prefixes[:, None]) & (at < lengths[:, None])


def prefix_loss(logits, tokens, prefixes, lengths):
    counts = counted(tokens, prefixes, lengths)[:, 1:]
    return F.cross_entropy(logits[:, :-1][counts], tokens[:, 1:][counts])


def prefix_cases():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 9, 7, generator=generator).requires_grad_()
    tokens = torch.randint(7, (3, 9), generator=generator)
    return [(logits, tokens, torch.tensor([2, 5, 1]), torch.tensor([9, 7, 4]))]


PREFIX = Exercise(3, kind="implement", reference=prefix_loss, gradients=True, cases=prefix_cases)


@PREFIX.mistake
def loss_in_the_prefix(z, x, p, n):
    """You take the loss in the prefix as well. There each token sees its successor, so that predicting it is
    copying."""
    return prefix_loss(z, x, torch.zeros_like(p), n)


@PREFIX.mistake
def loss_on_padding(z, x, p, n):
    """You take the loss on padding. Tokens from lengths[b] on do not count."""
    return prefix_loss(z, x, p, torch.full_like(n, x.shape[1]))


@PREFIX.mistake
def no_shift(logits, tokens, prefixes, lengths):
    """You compare position t with token t, which it has read. Position t predicts token t + 1."""
    counts = counted(tokens, prefixes, lengths)
    return F.cross_entropy(logits[counts], tokens[counts])


@PREFIX.mistake
def condition_not_shifted(logits, tokens, prefixes, lengths):
    """Your condition is one place off: it is written for the positions, not for the tokens that they predict.
    Shift it together with the tokens."""
    counts = counted(tokens, prefixes, lengths)[:, :-1]
    return F.cross_entropy(logits[:, :-1][counts], tokens[:, 1:][counts])


@PREFIX.mistake
def mean_of_the_rows(logits, tokens, prefixes, lengths):
    """You take the mean of each row and then the mean of those. A token in a short row counts more than one
    in a long row: take one mean over all."""
    counts = counted(tokens, prefixes, lengths)[:, 1:].float()
    losses = F.cross_entropy(logits[:, :-1].mT, tokens[:, 1:], reduction="none") * counts
    return (losses.sum(1) / counts.sum(1)).mean()


@PREFIX.mistake
def divides_by_everything(logits, tokens, prefixes, lengths):
    """You set the losses that do not count to zero, and then divide by their number too."""
    counts = counted(tokens, prefixes, lengths)[:, 1:].float()
    losses = F.cross_entropy(logits[:, :-1].mT, tokens[:, 1:], reduction="none") * counts
    return losses.mean()


@PREFIX.mistake
def first_token_left_out(logits, tokens, prefixes, lengths):
    """The first token after the prefix is missing. The last token of the prefix predicts it, and has not seen
    it."""
    return prefix_loss(logits, tokens, prefixes + 1, lengths)


@PREFIX.mistake
def shifted_back(logits, tokens, prefixes, lengths):
    """You shift the wrong way: position t is compared with token t − 1. It predicts token t + 1."""
    counts = counted(tokens, prefixes, lengths)[:, :-1]
    return F.cross_entropy(logits[:, 1:][counts], tokens[:, :-1][counts])


@PREFIX.mistake
def loss_everywhere(logits, tokens, prefixes, lengths):
    """The shift is right, but prefix and padding count in your mean. Neither should."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


@PREFIX.mistake
def sum_instead_of_mean(logits, tokens, prefixes, lengths):
    """You return the sum. Divide by the number of tokens that count, in all rows together."""
    counts = counted(tokens, prefixes, lengths)[:, 1:]
    return F.cross_entropy(logits[:, :-1][counts], tokens[:, 1:][counts], reduction="sum")


# 4: the mean of means that shipped


def accumulated(pieces):
    total = sum(F.cross_entropy(z, y, ignore_index=-100, reduction="sum") for z, y in pieces)
    return total / sum((y != -100).sum() for _, y in pieces)


def run_accumulation(answer, *tensors):
    return answer(list(zip(tensors[::2], tensors[1::2], strict=True)))


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
    4, kind="find the bug", reference=accumulated, run=run_accumulation, gradients=True, cases=pieces_cases
)


@MEANS.mistake
def mean_of_means(pieces):
    """The bug is still there: each piece counts the same, so a label in a piece with few labels counts more.
    And a piece without labels gives NaN."""
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in pieces) / len(pieces)


@MEANS.mistake
def mean_of_means_without_empty(pieces):
    """You skip the pieces without labels, which removes the NaN, but a label in a piece with few labels still
    counts more. And you divide by all pieces."""
    full = [(z, y) for z, y in pieces if (y != -100).any()]
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in full) / len(pieces)


@MEANS.mistake
def mean_of_full_pieces(pieces):
    """You average the pieces that have labels. A label in a piece with few of them still counts more: sum
    over all, and divide once."""
    full = [(z, y) for z, y in pieces if (y != -100).any()]
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in full) / len(full)


@MEANS.mistake
def divides_by_the_places(pieces):
    """You divide by the number of places. Those with the label −100 have no loss and do not count."""
    total = sum(F.cross_entropy(z, y, ignore_index=-100, reduction="sum") for z, y in pieces)
    return total / sum(len(y) for _, y in pieces)


@MEANS.mistake
def does_not_divide(pieces):
    """You return the sum. Divide by the number of labels that count, in all pieces together."""
    return sum(F.cross_entropy(z, y, ignore_index=-100, reduction="sum") for z, y in pieces)


@MEANS.mistake
def divides_by_the_pieces(pieces):
    """You divide the sum by the number of pieces. The mean is over labels."""
    return does_not_divide(pieces) / len(pieces)


@MEANS.mistake
def weighs_by_places(pieces):
    """You weigh each mean by the places of its piece. Its weight is the number of its labels, without those
    that are −100."""
    full = [(z, y) for z, y in pieces if (y != -100).any()]
    total = sum(F.cross_entropy(z, y, ignore_index=-100) * len(y) for z, y in full)
    return total / sum(len(y) for _, y in full)


@MEANS.mistake
def nan_times_zero(pieces):
    """Your weights are right, but the mean of a piece without labels is NaN, and zero times NaN is NaN. Leave
    such a piece out, or sum."""
    total = sum(F.cross_entropy(z, y, ignore_index=-100) * (y != -100).sum() for z, y in pieces)
    return total / sum((y != -100).sum() for _, y in pieces)


@MEANS.mistake
def sum_of_means(pieces):
    """You add the means of the pieces. Add the losses of all labels, and divide once."""
    return sum(F.cross_entropy(z, y, ignore_index=-100) for z, y in pieces if (y != -100).any())


# 5: what a chosen and visible token is worth

R, ALPHA, BETA, V = sympy.symbols("r alpha beta V", positive=True)

TRUST = Exercise(5, kind="derive", reference=(1 - ALPHA - BETA + BETA / V) / (1 - ALPHA))

TRUST.mistake(
    "not-conditioned",
    1 - ALPHA - BETA + BETA / V,
    "That is the share of the chosen tokens that are right. It is known that the token is visible:"
    " divide by 1 − α.",
)
TRUST.mistake(
    "never-hits-the-original",
    (1 - ALPHA - BETA) / (1 - ALPHA),
    "A token drawn at random is the original with probability 1/V: you left out β/V.",
)
TRUST.mistake(
    "any-visible-token",
    1 - R * BETA * (1 - 1 / V) / (1 - R * ALPHA),
    "That is for a visible token of which it is not known whether it was chosen. Here it was.",
)
TRUST.mistake(
    "wrong-instead-of-right", BETA * (1 - 1 / V) / (1 - ALPHA), "That is the probability that it is wrong."
)
TRUST.mistake(
    "share-left-in",
    R * (1 - ALPHA - BETA + BETA / V) / (1 - ALPHA),
    "The share r cancels: the token is known to be chosen.",
)
TRUST.mistake(
    "kept-unchosen",
    (1 - R + R * (1 - ALPHA - BETA + BETA / V)) / (1 - ALPHA),
    "You count tokens that were not chosen among the right ones. Condition on chosen in the numerator too.",
)
TRUST.mistake(
    "chosen-only-above",
    R * (1 - ALPHA - BETA + BETA / V) / (1 - R * ALPHA),
    "Below the line you count every visible token, chosen or not. It is known that it was chosen: r(1 − α).",
)


# 6: lengths of T5


def t5_lengths(n, rate, mean):
    spans = rate * n / mean
    source, target = (1 - rate) * n + spans, rate * n + spans + 1
    return source, target, source**2 + target**2


def scored(source, target):
    return source, target, source**2 + target**2


LENGTHS = Exercise(
    6, kind="predict", reference=t5_lengths, cases=lambda: [(512, 0.15, 3), (1000, 0.5, 32), (60, 0.2, 4)]
)


@LENGTHS.mistake
def no_sentinels_in_the_input(n, r, m):
    """Your input has no sentinels. Each span leaves one there."""
    return scored((1 - r) * n, r * n + r * n / m + 1)


@LENGTHS.mistake
def no_sentinels_in_the_target(n, r, m):
    """Your target has no sentinels. Each span brings one along."""
    return scored((1 - r) * n + r * n / m, r * n + 1)


@LENGTHS.mistake
def no_end_(n, r, m):
    """Your target has no end token: one more."""
    return scored((1 - r) * n + r * n / m, r * n + r * n / m)


@LENGTHS.mistake
def input_keeps_everything(n, r, m):
    """Your input is as long as the text, as with BERT's masks. A span leaves one sentinel, whatever its
    length."""
    return scored(n, r * n + r * n / m + 1)


@LENGTHS.mistake
def square_of_the_sum(n, r, m):
    """You squared the sum of the lengths: that is one stack which reads both. Two stacks compute the sum of
    two squares."""
    return (
        *t5_lengths(n, r, m)[:2],
        sum(t5_lengths(n, r, m)[:2]) ** 2,
    )


@LENGTHS.mistake
def one_span_per_token(n, r, m):
    """You count one sentinel for each token that is cut out. There are rate · n / mean spans."""
    return scored(n, 2 * r * n + 1)


@LENGTHS.mistake
def cross_attention_too(n, r, m):
    """You added the scores of cross-attention, target by input. Only self-attention is asked for."""
    return (
        *t5_lengths(n, r, m)[:2],
        t5_lengths(n, r, m)[2] + math.prod(t5_lengths(n, r, m)[:2]),
    )


@LENGTHS.mistake
def spans_of_the_whole_text(n, r, m):
    """You divide the whole text into spans. Only rate · n tokens are cut out: rate · n / mean spans."""
    return scored((1 - r) * n + n / m, r * n + n / m + 1)


@LENGTHS.mistake
def start_counted(n, r, m):
    """Your target is one too long. It has the cut tokens, the sentinels and the end, no start."""
    return scored((1 - r) * n + r * n / m, r * n + r * n / m + 2)


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


FILL = Exercise(
    7,
    kind="faster",
    reference=fill,
    run=run_fill,
    cases=lambda: [([0, 3, 1, 5, 2, 6], 2), ([0, 4, 4, 1, 6, 5, 3, 2], 4), ([0, 2, 5, 3], 1)],
)


@FILL.mistake
def left_side_only(score, row, place, vocabulary):
    """You used the left side only: what the model predicts at the gap. What stands behind the gap speaks for
    some candidates and against others."""
    return score(torch.tensor([row[:place]]))[0, -1].softmax(-1)


@FILL.mistake
def logits_added(score, row, place, vocabulary):
    """You added logits. They are probabilities only after log_softmax over the vocabulary, and the normaliser
    behind the gap differs from candidate to candidate."""
    tokens = candidates(row, place, vocabulary)
    logits = score(tokens[:, :-1])
    return logits.gather(-1, tokens[:, 1:, None])[..., 0].sum(-1).softmax(0)


@FILL.mistake
def one_call_per_candidate(score, row, place, vocabulary):
    """The numbers are right, but you call the model once for each candidate. Lay them into one batch."""
    found = []
    for tokens in candidates(row, place, vocabulary)[:, None]:
        log_p = score(tokens[:, :-1]).log_softmax(-1)
        found.append(log_p.gather(-1, tokens[:, 1:, None]).sum())
    return torch.stack(found).softmax(0)


@FILL.mistake
def mean_instead_of_sum(score, row, place, vocabulary):
    """You took the mean of the logarithms. All candidates are equally long, and the logarithm of a joint
    probability is the sum; the mean flattens the answer."""
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1)
    return log_p.gather(-1, tokens[:, 1:, None])[..., 0].mean(-1).softmax(0)


@FILL.mistake
def not_normalised(score, row, place, vocabulary):
    """These are joint probabilities of whole rows. Divide by their sum over the candidates."""
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1)
    return log_p.gather(-1, tokens[:, 1:, None])[..., 0].sum(-1).exp()


@FILL.mistake
def prior_left_out(score, row, place, vocabulary):
    """You left out the factor of the candidate itself, given the left side: the prior. The token at the gap
    is predicted from the position before it."""
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1)
    return log_p.gather(-1, tokens[:, 1:, None])[:, place:, 0].sum(-1).softmax(0)


@FILL.mistake
def no_shift_(score, row, place, vocabulary):
    """You take from each position the probability of the token that it has read. Position t predicts token t
    + 1."""
    tokens = candidates(row, place, vocabulary)
    return score(tokens).log_softmax(-1).gather(-1, tokens[..., None])[..., 0].sum(-1).softmax(0)


@FILL.mistake
def only_the_next_token(score, row, place, vocabulary):
    """You stop one token behind the gap. All that follows depends on the candidate."""
    return fill(score, row[: place + 2], place, vocabulary)


@FILL.mistake
def probabilities_added(score, row, place, vocabulary):
    """You added the probabilities of the tokens. A joint probability is their product: add the logarithms."""
    tokens = candidates(row, place, vocabulary)
    total = score(tokens[:, :-1]).softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0].sum(-1)
    return total / total.sum()


@FILL.mistake
def logarithms_divided(score, row, place, vocabulary):
    """You divided logarithms by their sum. Back to probabilities first: softmax does both."""
    tokens = candidates(row, place, vocabulary)
    log_p = score(tokens[:, :-1]).log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0].sum(-1)
    return log_p / log_p.sum()


@FILL.mistake
def still_logarithms(*case):
    """These are logarithms. Probabilities are asked for: softmax in place of log_softmax at the end."""
    return fill(*case).log()


EXERCISES = (RULE, SPANS, PREFIX, MEANS, TRUST, LENGTHS, FILL)
