"""Exercises of the chapter on the complete Transformer of 2017."""

from __future__ import annotations

import functools
import itertools
import math

import torch
from torch.nn import functional as F

from course.attention import padding
from course.grading.exercise import Exercise
from course.grading.inputs import draw
from course.models import Transformer, original

# 1: a schedule with a peak that one may choose


def rate(step, warmup, peak):
    return peak * min(step / warmup, math.sqrt(warmup / step))


RATE = Exercise(
    1,
    kind="implement",
    reference=rate,
    cases=lambda: [
        (1, 50, 0.02),
        (25, 50, 0.02),
        (50, 50, 0.02),
        (51, 50, 0.02),
        (800, 50, 0.02),
        (9, 4, 1.0),
    ],
)


@RATE.mistake
def larger_of_the_two(step, warmup, peak):
    """You take the larger of the two curves: a rate that is huge at the first update and grows without end.
    The smaller one rises, then falls."""
    return peak * max(step / warmup, math.sqrt(warmup / step))


@RATE.mistake
def peak_of_the_paper(step, warmup, peak):
    """The shape is right, but the largest rate is 1 / √warmup: `peak` is not used. Write both curves so that
    they are 1 at step = warmup, and multiply."""
    return min(step**-0.5, step * warmup**-1.5)


@RATE.mistake
def falls_with_one_over_n(step, warmup, peak):
    """After the warm-up your rate falls with 1 / step. It should fall with the root, √(warmup / step)."""
    return peak * min(step / warmup, warmup / step)


@RATE.mistake
def jumps_after_warm_up(step, warmup, peak):
    """Your rate jumps when the warm-up ends: the falling branch must be `peak` at step = warmup, so it is
    peak · √(warmup / step)."""
    return peak * (step / warmup if step <= warmup else step**-0.5)


@RATE.mistake
def counts_from_zero(step, warmup, peak):
    """Your rate is one update late: steps count from 1, so the first update has the rate peak / warmup and
    not 0, which would waste it."""
    return rate(step - 1, warmup, peak) if step > 1 else 0.0


@RATE.mistake
def stays_at_the_peak(step, warmup, peak):
    """Your rate rises well but then stays at the peak. After the warm-up it falls with the root."""
    return peak * min(step / warmup, 1.0)


@RATE.mistake
def rises_with_the_root(step, warmup, peak):
    """Your rate rises with the root of the step. The warm-up is a straight line, step / warmup."""
    return peak * min(math.sqrt(step / warmup), math.sqrt(warmup / step))


@RATE.mistake
def peak_times_the_paper(step, warmup, peak):
    """You multiply the paper's two curves by `peak`, but at step = warmup they are 1 / √warmup and not 1:
    your largest rate is peak / √warmup."""
    return peak * min(step**-0.5, step * warmup**-1.5)


@RATE.mistake
def fall_counted_from_the_peak(step, warmup, peak):
    """After the warm-up you count the steps from its end. The fall is √(warmup / step), with the steps
    counted from the first update on."""
    return peak * (step / warmup if step <= warmup else (step - warmup) ** -0.5)


@RATE.mistake
def one_update_early(step, warmup, peak):
    """Your rate is one update early: `step` counts from 1 already, nothing has to be added."""
    return rate(step + 1, warmup, peak)


# 2: smoothed labels, and padding that does not count


def smoothed_loss(logits, target, epsilon, pad):
    return F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=pad, label_smoothing=epsilon)


def loss_with(of_token, count=lambda real: real.sum(), keep=lambda real: real, axis=-1):
    """A loss made of the loss of one token, the tokens that are kept, and what the sum is divided by."""

    def loss(logits, target, epsilon, pad):
        log_p = logits.log_softmax(axis)
        right = log_p.gather(-1, target[..., None])[..., 0]
        real = target != pad
        return (of_token(log_p, right, epsilon) * keep(real)).sum() / count(real)

    return loss


def smoothed(log_p, right, epsilon):
    return -(1 - epsilon) * right - epsilon * log_p.mean(-1)


def smoothed_over_others(log_p, right, epsilon):
    others = (log_p.sum(-1) - right) / (log_p.shape[-1] - 1)
    return -(1 - epsilon) * right - epsilon * others


def sentence_cases():
    logits, other = draw((2, 4, 7), (3, 3, 5), requires_grad=True)
    return [
        (logits, torch.tensor([[3, 6, 2, 0], [5, 1, 0, 0]]), 0.1, 0),
        (other, torch.tensor([[4, 2, 2], [1, 2, 2], [3, 0, 1]]), 0.3, 2),
    ]


SMOOTHED = Exercise(2, kind="implement", reference=smoothed_loss, cases=sentence_cases, gradients=True)

SMOOTHED.mistake(
    "hard-labels",
    loss_with(lambda log_p, right, epsilon: -right),
    "That is the loss of hard labels: epsilon has no effect. Add the share epsilon of the mean of "
    "-log p over the vocabulary.",
)
SMOOTHED.mistake(
    "padding-counts",
    loss_with(smoothed, lambda real: real.numel(), torch.ones_like),
    "Padding counts as a token to predict. The model would learn to write padding, and the loss "
    "depends on how sentences were put into batches.",
)
SMOOTHED.mistake(
    "divides-by-all-positions",
    loss_with(smoothed, lambda real: real.numel()),
    "You leave out the padding from the sum, but divide by all positions: a batch with more "
    "padding gets smaller gradients. Divide by the number of real tokens.",
)


@SMOOTHED.mistake
def hard_padding(logits, target, epsilon, pad):
    """The share of the right token ignores padding, but the share of all tokens alike does not: the second
    part has to be masked as well."""
    return (
        loss_with(lambda log_p, right, epsilon: -(1 - epsilon) * right)(logits, target, epsilon, pad)
        - epsilon * logits.log_softmax(-1).mean()
    )


SMOOTHED.mistake(
    "spread-over-the-others",
    loss_with(smoothed_over_others),
    "You give epsilon to the other tokens only. In equation smoothed-target the right token gets "
    "its part of it, too: epsilon / V for every token.",
)
SMOOTHED.mistake(
    "sum-over-the-vocabulary",
    loss_with(lambda log_p, right, epsilon: -(1 - epsilon) * right - epsilon * log_p.sum(-1)),
    "The second part is a sum over the vocabulary. It is a mean: each token gets epsilon / V, not epsilon.",
)
SMOOTHED.mistake(
    "shares-exchanged",
    loss_with(lambda log_p, right, epsilon: -epsilon * right - (1 - epsilon) * log_p.mean(-1)),
    "The shares are exchanged: the right token gets 1 - epsilon, all tokens alike get epsilon.",
)
SMOOTHED.mistake(
    "smooths-the-prediction",
    loss_with(lambda log_p, right, epsilon: -((1 - epsilon) * right.exp() + epsilon / log_p.shape[-1]).log()),
    "You mix the prediction with equal shares, and take the logarithm after that. The target is "
    "mixed: logarithm first, then the weighted sum.",
)
SMOOTHED.mistake(
    "sum-instead-of-mean",
    loss_with(smoothed, lambda real: 1),
    "You return the sum over all tokens: it grows with the batch. Divide by the number of real tokens.",
)


@SMOOTHED.mistake
def mean_of_sentences(logits, target, epsilon, pad):
    """You average over each sentence first and then over the sentences: a token of a short sentence weighs
    more. Divide once, by the number of all real tokens."""
    return torch.stack(
        [smoothed_loss(z[None], y[None], epsilon, pad) for z, y in zip(logits, target, strict=True)]
    ).mean()


@SMOOTHED.mistake
def padding_is_always_zero(logits, target, epsilon, pad):
    """You take 0 for the padding. Which token it is says the argument `pad`."""
    return smoothed_loss(logits, target, epsilon, 0)


@SMOOTHED.mistake
def no_logarithm(logits, target, epsilon, pad):
    """You put the logits where log p belongs: the sum of exponentials is missing. Take
    `logits.log_softmax(-1)` first."""
    return loss_with(smoothed)(logits, target, epsilon, pad) - logits.logsumexp(-1)[target != pad].mean()


SMOOTHED.mistake(
    "probabilities-of-the-time-steps",
    loss_with(smoothed, axis=1),
    "Your softmax runs over the time steps. It runs over the vocabulary, the last axis.",
)
SMOOTHED.mistake(
    "right-token-keeps-one",
    loss_with(lambda log_p, right, epsilon: -right - epsilon * log_p.mean(-1)),
    "Your target sums to 1 + epsilon: the right token keeps its whole share. Multiply the first part "
    "by 1 - epsilon.",
)


@SMOOTHED.mistake
def nothing_for_padding(logits, target, epsilon, pad):
    """You leave the padding token out of the target. It is a token of the vocabulary like any other: each of
    the V tokens gets epsilon / V. What does not count are the *positions* of padding."""
    log_p, n_vocab = logits.log_softmax(-1), logits.shape[-1]
    right = log_p.gather(-1, target[..., None])[..., 0]
    shared = (log_p.sum(-1) - log_p[..., pad]) / (n_vocab - 1)
    return (-(1 - epsilon) * right - epsilon * shared)[target != pad].mean()


@SMOOTHED.mistake
def sign(*case):
    """The sign is wrong: you return the mean of q log p, which is negative. The loss is minus that."""
    return -smoothed_loss(*case)


# 3: parameters of a model with two vocabularies


def count(
    n_source, n_target, d_model, n_encoder, n_decoder, d_ff, *,
    bias=1, norms=(2, 3), last=2, cross=1, tables=lambda s, t: s + t,
):  # fmt: skip
    attention = 4 * d_model**2 + bias * 4 * d_model
    network = 2 * d_model * d_ff + bias * (d_ff + d_model)
    encoder = n_encoder * (attention + network + norms[0] * 2 * d_model)
    decoder = n_decoder * ((1 + cross) * attention + network + norms[1] * 2 * d_model)
    return tables(n_source, n_target) * d_model + encoder + decoder + last * 2 * d_model


def parameters(n_source, n_target, d_model, n_encoder, n_decoder, d_ff):
    return count(n_source, n_target, d_model, n_encoder, n_decoder, d_ff)


PARAMETERS = Exercise(
    3,
    kind="predict",
    reference=parameters,
    cases=lambda: [(1000, 700, 64, 6, 3, 256), (50, 80, 12, 2, 5, 20)],
)

PARAMETERS.mistake(
    "a-third-table",
    functools.partial(count, tables=lambda s, t: s + 2 * t),
    "You counted a table for the head. It is the table of the target, which is counted already.",
)
PARAMETERS.mistake(
    "one-table",
    functools.partial(count, tables=lambda s, t: max(s, t)),
    "You counted one table for both languages. Here each has its own vocabulary and its own table.",
)
PARAMETERS.mistake(
    "no-last-norms",
    functools.partial(count, last=0),
    "Two normalisations are missing: with pre-norm, each stack normalises what leaves its last block.",
)
PARAMETERS.mistake(
    "one-last-norm",
    functools.partial(count, last=1),
    "One normalisation is missing: both stacks, not only one of them, normalise what leaves their "
    "last block.",
)
PARAMETERS.mistake(
    "no-cross-attention",
    functools.partial(count, cross=0),
    "Each block of the decoder has a second attention, the one that reads the encoder.",
)
PARAMETERS.mistake(
    "no-biases",
    functools.partial(count, bias=0),
    "You left out the biases of attentions and networks: as many numbers as each projection has outputs.",
)


@PARAMETERS.mistake
def no_biases_in_the_networks(s, t, d, n, m, f):
    """The biases of the feed-forward networks are missing: d_ff on the way in, d_model on the way out."""
    return count(s, t, d, n, m, f) - (n + m) * (f + d)


@PARAMETERS.mistake
def no_biases_in_the_attentions(s, t, d, n, m, f):
    """The biases of the attentions are missing: d_model for each of the four projections."""
    return count(s, t, d, n, m, f) - (n + 2 * m) * 4 * d


@PARAMETERS.mistake
def no_output_projection(s, t, d, n, m, f):
    """You counted three projections for an attention. There is a fourth, which mixes the heads."""
    return count(s, t, d, n, m, f) - (n + 2 * m) * (d * d + d)


@PARAMETERS.mistake
def no_normalisations(s, t, d, n, m, f):
    """The normalisations are missing: each has a weight and a bias for every channel."""
    return count(s, t, d, n, m, f) - (2 * n + 3 * m + 2) * 2 * d


@PARAMETERS.mistake
def bias_in_the_head(s, t, d, n, m, f):
    """You gave the head a bias. It is the table of the target and nothing else."""
    return count(s, t, d, n, m, f) + t


PARAMETERS.mistake(
    "no-tables", functools.partial(count, tables=lambda s, t: 0), "The two tables of embeddings are missing."
)
PARAMETERS.mistake(
    "two-norms-in-the-decoder",
    functools.partial(count, norms=(2, 2)),
    "A block of the decoder has three sublayers, and so three normalisations.",
)


@PARAMETERS.mistake
def norms_without_bias(s, t, d, n, m, f):
    """A normalisation has a weight and a bias for every channel: 2 d_model numbers, not d_model."""
    return count(s, t, d, n, m, f) - (2 * n + 3 * m + 2) * d


@PARAMETERS.mistake
def stacks_exchanged(s, t, d, n, m, f):
    """You exchanged the numbers of blocks of encoder and decoder. The decoder's are the larger ones."""
    return count(s, t, d, m, n, f)


# 4: three bugs in a training step


@functools.cache
def small_model():
    """A model whose outputs depend strongly on all that they may depend on."""
    config = original(vocabulary=11, d_model=16, n_heads=4, n_layers=2, d_ff=24, dropout=0.0)
    return Transformer(config, generator=torch.Generator().manual_seed(0)).eval()


def step_with(*, mask_right=True, shifts=True, ignores_padding=True, backwards=False):
    """The loss of a training step, with some of the three bugs of the exercise."""

    def training_loss(model, source, lengths, target):
        mask = padding(lengths, source.shape[1])
        read, wanted = target[:, :-1], target[:, 1:]
        if backwards:
            read, wanted = wanted, read
        logits = model(source, read, mask if mask_right else ~mask)
        return F.cross_entropy(
            logits.flatten(0, 1),
            (wanted if shifts else read).flatten(),
            ignore_index=0 if ignores_padding else -100,
        )

    return training_loss


def run_step(answer, source, lengths, target):
    return answer(small_model(), source, lengths, target)


BUGS = {
    "mask_right": ("the mask forbids the words and shows the padding", "mask"),
    "shifts": ("the model is asked for the token that it has just read", "shift"),
    "ignores_padding": ("padding counts as a token to predict", "padding"),
}


def unfixed():
    """All ways to leave some of the bugs in."""
    for n in (1, 2, 3):
        for left in itertools.combinations(BUGS, n):
            says = "; and ".join(BUGS[bug][0] for bug in left)
            how_many = {1: "One bug is", 2: "Two bugs are", 3: "All three bugs are"}[n]
            yield (
                "left-" + "-and-".join(BUGS[bug][1] for bug in left),
                step_with(**dict.fromkeys(left, False)),
                f"{how_many} still there: {says}.",
            )


def training_sentences():
    return [
        (
            torch.tensor([[4, 9, 5, 6, 2], [7, 2, 0, 0, 0], [8, 10, 2, 0, 0]]),
            torch.tensor([5, 2, 3]),
            torch.tensor([[1, 5, 4, 2], [1, 9, 2, 0], [1, 2, 0, 0]]),
        )
    ]


BUG = Exercise(4, kind="find the bug", reference=step_with(), run=run_step, cases=training_sentences)


for found in unfixed():
    BUG.mistake(*found)


@BUG.mistake
def no_mask(model, source, lengths, target):
    """Padding of the source is not hidden: what a sentence means would depend on its neighbours in the batch.
    Turn the mask round instead of dropping it."""
    return step_with()(model, source, torch.full_like(lengths, source.shape[1]), target)


BUG.mistake(
    "shifted-backwards",
    step_with(backwards=True),
    "Shifted the wrong way: the decoder reads from the second token on and is asked for what came "
    "before. It reads all but the last token, and is asked for all but the first.",
)


@BUG.mistake
def reads_what_it_is_asked_for(model, source, lengths, target):
    """You shifted the target and what the decoder reads as well, so it is still asked for the token that it
    has just read. It reads all but the last token, and is asked for all but the first."""
    return step_with(shifts=False)(model, source, lengths, F.pad(target[:, 1:], (0, 1)))


@BUG.mistake
def divides_by_all_positions(model, source, lengths, target):
    """You leave out the padding from the sum, but divide by all positions. Divide by the number of real
    tokens."""
    return step_with()(model, source, lengths, target) * (target[:, 1:] != 0).float().mean()


@BUG.mistake
def sum_instead_of_mean(model, source, lengths, target):
    """You return the sum over the tokens. Asked for is their mean."""
    return step_with()(model, source, lengths, target) * (target[:, 1:] != 0).sum()


@BUG.mistake
def mean_of_sentences_(model, *rows):
    """You average over each sentence first and then over the sentences: a token of a short sentence weighs
    more. Divide once, by the number of all real tokens."""
    return torch.stack(
        [step_with()(model, *(x[None] for x in row)) for row in zip(*rows, strict=True)]
    ).mean()


@BUG.mistake
def end_does_not_count(model, source, lengths, target):
    """You ignore token 2. That is the end token, which the model must learn to write; padding is 0."""
    return F.cross_entropy(
        model(source, target[:, :-1], padding(lengths, source.shape[1])).flatten(0, 1),
        target[:, 1:].flatten(),
        ignore_index=2,
    )


# 5: encode once


def fast(model, source, mask, n_new):
    context = model.encode(source, mask)
    return decode_with(lambda tokens: model.decode(tokens, context, mask))(source, n_new)


def decode_with(score, begin=lambda n: torch.ones(n, 1, dtype=torch.long)):
    def decode(source, n_new):
        tokens = begin(len(source))
        for _ in range(n_new):
            tokens = torch.cat([tokens, score(tokens)[:, -1:].argmax(-1)], dim=1)
        return tokens

    return decode


def fast_without(mask_of_encoder, mask_of_decoder):
    def translate(model, source, mask, n_new):
        context = model.encode(source, mask if mask_of_encoder else None)
        seen = mask if mask_of_decoder else None
        return decode_with(lambda tokens: model.decode(tokens, context, seen))(source, n_new)

    return translate


def decode_reading(model, context, mask, tokens):
    return model.decode(tokens, context, mask)


@torch.no_grad()
def run_counting(translate, source, lengths, n_new):
    """Translate, and count how often each stack runs."""
    model, runs = small_model(), {"encoder": 0, "decoder": 0}

    def counter(name):
        def count_run(*_):
            runs[name] += 1

        return count_run

    hooks = [getattr(model, name).register_forward_hook(counter(name)) for name in runs]
    try:
        tokens = translate(model, source, padding(lengths, source.shape[1]), n_new)
    finally:
        for hook in hooks:
            hook.remove()
    return {"tokens": tokens, "runs of the encoder": runs["encoder"], "runs of the decoder": runs["decoder"]}


def sources():
    generator = torch.Generator().manual_seed(5)
    one, other = (torch.randint(3, 11, shape, generator=generator) for shape in ((6, 7), (4, 5)))
    soon_at_its_end = torch.tensor([[6, 3, 7, 9, 10]])
    return [
        (one, torch.tensor([7, 2, 4, 1, 3, 6]), 9),
        (other, torch.tensor([5, 1, 2, 3]), 6),
        (soon_at_its_end, torch.tensor([5]), 5),
    ]


FASTER = Exercise(5, kind="faster", reference=fast, run=run_counting, cases=sources)


@FASTER.mistake
def encodes_at_every_step(model, source, mask, n_new):
    """The tokens are right, but the encoder runs again for every word. The source does not change while the
    decoder writes: encode it before the loop."""
    return decode_with(lambda tokens: model(source, tokens, mask))(source, n_new)


FASTER.mistake(
    "no-mask-in-the-decoder",
    fast_without(True, False),
    "The encoder does not see the padding, but the cross-attention does: `decode` needs the mask as well.",
)
FASTER.mistake(
    "no-mask-in-the-encoder",
    fast_without(False, True),
    "The cross-attention does not see the padding, but the encoder does: `encode` needs the mask as well.",
)
FASTER.mistake(
    "no-mask-at-all",
    fast_without(False, False),
    "The mask is not used: words of a short sentence look at its padding.",
)


@FASTER.mistake
def decodes_the_last_token_only(model, source, mask, n_new):
    """You give the decoder only the last token. Without a cache it has forgotten the others, and takes the
    token for the first one. Give it all tokens so far."""
    context = model.encode(source, mask)
    return decode_with(lambda tokens: model.decode(tokens[:, -1:], context, mask))(source, n_new)


@FASTER.mistake
def reads_the_first_position(model, source, mask, n_new):
    """You take the logits of the first position. The next token follows the last one: [:, -1]."""
    context = model.encode(source, mask)
    return decode_with(lambda tokens: model.decode(tokens, context, mask)[:, :1])(source, n_new)


@FASTER.mistake
def one_sentence_at_a_time(model, source, mask, n_new):
    """The tokens are right, but you translate one sentence after the other: both stacks run once more for
    every sentence. Keep the batch together."""
    return torch.cat([fast(model, s[None], m[None], n_new) for s, m in zip(source, mask, strict=True)])


@FASTER.mistake
def without_the_start(*case):
    """The translations are right, but the start token is missing at the front: return it as well."""
    return fast(*case)[:, 1:]


@FASTER.mistake
def encodes_once_more_at_every_step(model, source, mask, n_new):
    """You encode the source before the loop, and then call `model` in it, which encodes it again every time.
    Give what `encode` has returned to `model.decode`."""
    model.encode(source, mask)
    return encodes_at_every_step(model, source, mask, n_new)


@FASTER.mistake
def stops_at_the_end_token(model, source, mask, n_new):
    """You stop when every sentence has its end token. Here exactly `n_new` tokens are appended, as the
    function above does."""
    context = model.encode(source, mask)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    while tokens.shape[1] <= n_new and not (tokens == 2).any(1).all():
        logits = model.decode(tokens, context, mask)
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
    return tokens


@FASTER.mistake
def one_token_too_few(model, source, mask, n_new):
    """You append one token too few: n_new of them follow the start token."""
    return fast(model, source, mask, n_new - 1)


@FASTER.mistake
def starts_with_padding(model, source, mask, n_new):
    """You start with token 0, which is padding. The start token is 1."""
    context = model.encode(source, mask)
    score = functools.partial(decode_reading, model, context, mask)
    return decode_with(score, lambda n: torch.zeros(n, 1, dtype=torch.long))(source, n_new)


@FASTER.mistake
def mask_turned_round(model, source, mask, n_new):
    """The cross-attention looks at nothing but padding: the mask of this book is True for real tokens
    already."""
    return decode_with(functools.partial(decode_reading, model, model.encode(source, mask), ~mask))(
        source, n_new
    )


@FASTER.mistake
def embeds_without_encoding(model, source, mask, n_new):
    """The decoder reads bare embeddings of the source: the encoder has not run at all."""
    return decode_with(functools.partial(decode_reading, model, model.embedding(source), mask))(source, n_new)


# 6: the mean of the last checkpoints


def average(states):
    return {name: sum(state[name] for state in states) / len(states) for name in states[0]}


def run_average(answer, tensors):
    """Average copies of the states, and look whether they are still what they were."""
    states = [{"weight": t.clone(), "bias": t[0].clone()} for t in tensors]
    mean = answer(states)
    kept = all(torch.equal(state["weight"], t) for state, t in zip(states, tensors, strict=True))
    return {"average": mean, "states are unchanged": kept}


AVERAGE = Exercise(
    6,
    kind="implement",
    reference=average,
    run=run_average,
    cases=lambda: [draw((5, 3, 4)), draw((3, 2, 5), seed=1)],
)


@AVERAGE.mistake
def halves_again_and_again(states):
    """You take the mean of the mean so far and the next state. The last state then weighs a half, and the
    first almost nothing. Add them all, then divide once."""
    mean = dict(states[0])
    for state in states[1:]:
        mean = {name: (mean[name] + state[name]) / 2 for name in mean}
    return mean


@AVERAGE.mistake
def changes_the_first_state(states):
    """The average is right, but you wrote it into the first state: `mean = states[0]` is no copy, and +=
    changes its tensors in place."""
    mean = states[0]
    for state in states[1:]:
        for name in mean:
            mean[name] += state[name]
    for name in mean:
        mean[name] /= len(states)
    return mean


@AVERAGE.mistake
def last_state(states):
    """That is the last state. Every state has the same share."""
    return dict(states[-1])


@AVERAGE.mistake
def sum_(states):
    """That is the sum: divide by the number of states."""
    return {name: len(states) * t for name, t in average(states).items()}


@AVERAGE.mistake
def divides_by_n_minus_one(states):
    """You divide by one less than the number of states. That belongs to a variance, not to a mean."""
    return {n: t * len(states) / (len(states) - 1) for n, t in average(states).items()}


@AVERAGE.mistake
def forgets_the_last_state(states):
    """The last state is missing from the mean."""
    return average(states[:-1])


@AVERAGE.mistake
def one_number_for_a_tensor(states):
    """You average over the entries of a tensor as well. Average over the states only: each entry with the
    same entry of the others."""
    return {name: torch.full_like(t, t.mean().item()) for name, t in average(states).items()}


@AVERAGE.mistake
def always_five(states):
    """You divide by 5. There may be another number of states: divide by `len(states)`."""
    return {name: t * len(states) / 5 for name, t in average(states).items()}


@AVERAGE.mistake
def first_and_last(states):
    """You average the first state and the last. The ones between them count as well."""
    return average([states[0], states[-1]])


# 7: the other label smoothing


def gap(n_vocab, epsilon):
    return math.log((1 - epsilon) * (n_vocab - 1) / epsilon)


GAP = Exercise(7, kind="derive", reference=gap, cases=lambda: [(5, 0.1), (100, 0.2), (37_000, 0.1)])


@GAP.mistake
def gap_of_the_chapter(n_vocab, epsilon):
    """That is the gap for the target of equation smoothed-target. Here the right token gets nothing of
    epsilon, and each other one epsilon / (V - 1)."""
    return math.log((1 - epsilon) * n_vocab / epsilon + 1)


@GAP.mistake
def all_tokens_share(n_vocab, epsilon):
    """You share epsilon among V tokens. It is shared among the V - 1 others."""
    return math.log((1 - epsilon) * n_vocab / epsilon)


@GAP.mistake
def one_too_much_in_the_ratio(n_vocab, epsilon):
    """The + 1 belongs to the target of the chapter, where the right token gets a part of epsilon too. Here
    its probability is 1 - epsilon."""
    return math.log((1 - epsilon) * (n_vocab - 1) / epsilon + 1)


@GAP.mistake
def right_token_keeps_one(n_vocab, epsilon):
    """You give the right token the probability 1. It has 1 - epsilon."""
    return math.log((n_vocab - 1) / epsilon)


@GAP.mistake
def divides_by_the_others(n_vocab, epsilon):
    """The number of others is on the wrong side: epsilon / (V - 1) stands below the fraction bar, so V - 1
    multiplies the ratio."""
    return math.log((1 - epsilon) / (epsilon * (n_vocab - 1)))


@GAP.mistake
def difference_of_probabilities(n_vocab, epsilon):
    """That is the difference of the two probabilities. The difference of the logits is the logarithm of their
    ratio."""
    return 1 - epsilon - epsilon / (n_vocab - 1)


@GAP.mistake
def nothing_is_shared(n_vocab, epsilon):
    """You give epsilon to each other token. It is shared among them: epsilon / (V - 1) for each."""
    return math.log((1 - epsilon) / epsilon)


@GAP.mistake
def sign_(n_vocab, epsilon):
    """The sign is wrong: the right token has the larger logit as long as 1 - epsilon exceeds epsilon / (V -
    1)."""
    return -gap(n_vocab, epsilon)


@GAP.mistake
def ratio_without_logarithm(n_vocab, epsilon):
    """That is the ratio of two probabilities. The difference of the logits is its logarithm."""
    return (1 - epsilon) * (n_vocab - 1) / epsilon


@GAP.mistake
def base_two(n_vocab, epsilon):
    """You took the logarithm to the base 2. Softmax uses e: the natural logarithm."""
    return math.log2((1 - epsilon) * (n_vocab - 1) / epsilon)


@GAP.mistake
def smallest_loss(n_vocab, epsilon):
    """That is the smallest loss, the entropy of the target. Asked for is the gap of the logits."""
    return -(1 - epsilon) * math.log(1 - epsilon) - epsilon * math.log(epsilon / (n_vocab - 1))


EXERCISES = (RATE, SMOOTHED, PARAMETERS, BUG, FASTER, AVERAGE, GAP)
