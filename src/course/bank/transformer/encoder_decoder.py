"""Exercises of the chapter on the complete Transformer of 2017."""

from __future__ import annotations

import functools
import itertools
import math

import torch
from torch.nn import functional as F

from course.attention import padding
from course.grading.exercise import Exercise, Mistake
from course.grading.inputs import draw
from course.models import Transformer, original

# 1: a schedule with a peak that one may choose


def rate(step, warmup, peak):
    return peak * min(step / warmup, math.sqrt(warmup / step))


RATE = Exercise(
    number=1,
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
    mistakes=(
        Mistake(
            "larger-of-the-two",
            lambda step, warmup, peak: peak * max(step / warmup, math.sqrt(warmup / step)),
            "You take the larger of the two curves: a rate that is huge at the first update and grows "
            "without end. The smaller one rises, then falls.",
        ),
        Mistake(
            "peak-of-the-paper",
            lambda step, warmup, peak: min(step**-0.5, step * warmup**-1.5),
            "The shape is right, but the largest rate is 1 / √warmup: `peak` is not used. Write both "
            "curves so that they are 1 at step = warmup, and multiply.",
        ),
        Mistake(
            "falls-with-one-over-n",
            lambda step, warmup, peak: peak * min(step / warmup, warmup / step),
            "After the warm-up your rate falls with 1 / step. It should fall with the root, √(warmup / "
            "step).",
        ),
        Mistake(
            "jumps-after-warm-up",
            lambda step, warmup, peak: peak * (step / warmup if step <= warmup else step**-0.5),
            "Your rate jumps when the warm-up ends: the falling branch must be `peak` at step = warmup, so"
            " it is peak · √(warmup / step).",
        ),
        Mistake(
            "counts-from-zero",
            lambda step, warmup, peak: rate(step - 1, warmup, peak) if step > 1 else 0.0,
            "Your rate is one update late: steps count from 1, so the first update has the rate peak / "
            "warmup and not 0, which would waste it.",
        ),
        Mistake(
            "stays-at-the-peak",
            lambda step, warmup, peak: peak * min(step / warmup, 1.0),
            "Your rate rises well but then stays at the peak. After the warm-up it falls with the root.",
        ),
        Mistake(
            "rises-with-the-root",
            lambda step, warmup, peak: peak * min(math.sqrt(step / warmup), math.sqrt(warmup / step)),
            "Your rate rises with the root of the step. The warm-up is a straight line, step / warmup.",
        ),
        Mistake(
            "peak-times-the-paper",
            lambda step, warmup, peak: peak * min(step**-0.5, step * warmup**-1.5),
            "You multiply the paper's two curves by `peak`, but at step = warmup they are 1 / √warmup and "
            "not 1: your largest rate is peak / √warmup.",
        ),
        Mistake(
            "fall-counted-from-the-peak",
            lambda step, warmup, peak: peak * (step / warmup if step <= warmup else (step - warmup) ** -0.5),
            "After the warm-up you count the steps from its end. The fall is √(warmup / step), with the "
            "steps counted from the first update on.",
        ),
        Mistake(
            "one-update-early",
            lambda step, warmup, peak: rate(step + 1, warmup, peak),
            "Your rate is one update early: `step` counts from 1 already, nothing has to be added.",
        ),
    ),
)


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


def loss_without_padding_in_the_target(logits, target, epsilon, pad):
    log_p, n_vocab = logits.log_softmax(-1), logits.shape[-1]
    right = log_p.gather(-1, target[..., None])[..., 0]
    shared = (log_p.sum(-1) - log_p[..., pad]) / (n_vocab - 1)
    return (-(1 - epsilon) * right - epsilon * shared)[target != pad].mean()


def sentence_cases():
    logits, other = draw((2, 4, 7), (3, 3, 5), requires_grad=True)
    return [
        (logits, torch.tensor([[3, 6, 2, 0], [5, 1, 0, 0]]), 0.1, 0),
        (other, torch.tensor([[4, 2, 2], [1, 2, 2], [3, 0, 1]]), 0.3, 2),
    ]


SMOOTHED = Exercise(
    number=2,
    kind="implement",
    reference=smoothed_loss,
    cases=sentence_cases,
    gradients=True,
    mistakes=(
        Mistake(
            "hard-labels",
            loss_with(lambda log_p, right, epsilon: -right),
            "That is the loss of hard labels: epsilon has no effect. Add the share epsilon of the mean of "
            "-log p over the vocabulary.",
        ),
        Mistake(
            "padding-counts",
            loss_with(smoothed, lambda real: real.numel(), torch.ones_like),
            "Padding counts as a token to predict. The model would learn to write padding, and the loss "
            "depends on how sentences were put into batches.",
        ),
        Mistake(
            "divides-by-all-positions",
            loss_with(smoothed, lambda real: real.numel()),
            "You leave out the padding from the sum, but divide by all positions: a batch with more "
            "padding gets smaller gradients. Divide by the number of real tokens.",
        ),
        Mistake(
            "hard-padding",
            lambda logits, target, epsilon, pad: (
                loss_with(lambda log_p, right, epsilon: -(1 - epsilon) * right)(logits, target, epsilon, pad)
                - epsilon * logits.log_softmax(-1).mean()
            ),
            "The share of the right token ignores padding, but the share of all tokens alike does not: the"
            " second part has to be masked as well.",
        ),
        Mistake(
            "spread-over-the-others",
            loss_with(smoothed_over_others),
            "You give epsilon to the other tokens only. In equation smoothed-target the right token gets "
            "its part of it, too: epsilon / V for every token.",
        ),
        Mistake(
            "sum-over-the-vocabulary",
            loss_with(lambda log_p, right, epsilon: -(1 - epsilon) * right - epsilon * log_p.sum(-1)),
            "The second part is a sum over the vocabulary. It is a mean: each token gets epsilon / V, not "
            "epsilon.",
        ),
        Mistake(
            "shares-exchanged",
            loss_with(lambda log_p, right, epsilon: -epsilon * right - (1 - epsilon) * log_p.mean(-1)),
            "The shares are exchanged: the right token gets 1 - epsilon, all tokens alike get epsilon.",
        ),
        Mistake(
            "smooths-the-prediction",
            loss_with(
                lambda log_p, right, epsilon: -((1 - epsilon) * right.exp() + epsilon / log_p.shape[-1]).log()
            ),
            "You mix the prediction with equal shares, and take the logarithm after that. The target is "
            "mixed: logarithm first, then the weighted sum.",
        ),
        Mistake(
            "sum-instead-of-mean",
            loss_with(smoothed, lambda real: 1),
            "You return the sum over all tokens: it grows with the batch. Divide by the number of real "
            "tokens.",
        ),
        Mistake(
            "mean-of-sentences",
            lambda logits, target, epsilon, pad: torch.stack(
                [smoothed_loss(z[None], y[None], epsilon, pad) for z, y in zip(logits, target, strict=True)]
            ).mean(),
            "You average over each sentence first and then over the sentences: a token of a short sentence"
            " weighs more. Divide once, by the number of all real tokens.",
        ),
        Mistake(
            "padding-is-always-zero",
            lambda logits, target, epsilon, pad: smoothed_loss(logits, target, epsilon, 0),
            "You take 0 for the padding. Which token it is says the argument `pad`.",
        ),
        Mistake(
            "no-logarithm",
            lambda logits, target, epsilon, pad: (
                loss_with(smoothed)(logits, target, epsilon, pad) - logits.logsumexp(-1)[target != pad].mean()
            ),
            "You put the logits where log p belongs: the sum of exponentials is missing. Take "
            "`logits.log_softmax(-1)` first.",
        ),
        Mistake(
            "probabilities-of-the-time-steps",
            loss_with(smoothed, axis=1),
            "Your softmax runs over the time steps. It runs over the vocabulary, the last axis.",
        ),
        Mistake(
            "right-token-keeps-one",
            loss_with(lambda log_p, right, epsilon: -right - epsilon * log_p.mean(-1)),
            "Your target sums to 1 + epsilon: the right token keeps its whole share. Multiply the first part "
            "by 1 - epsilon.",
        ),
        Mistake(
            "nothing-for-padding",
            loss_without_padding_in_the_target,
            "You leave the padding token out of the target. It is a token of the vocabulary like any other: "
            "each of the V tokens gets epsilon / V. What does not count are the *positions* of padding.",
        ),
        Mistake(
            "sign",
            lambda *case: -smoothed_loss(*case),
            "The sign is wrong: you return the mean of q log p, which is negative. The loss is minus that.",
        ),
    ),
)


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
    number=3,
    kind="predict",
    reference=parameters,
    cases=lambda: [(1000, 700, 64, 6, 3, 256), (50, 80, 12, 2, 5, 20)],
    mistakes=(
        Mistake(
            "a-third-table",
            functools.partial(count, tables=lambda s, t: s + 2 * t),
            "You counted a table for the head. It is the table of the target, which is counted already.",
        ),
        Mistake(
            "one-table",
            functools.partial(count, tables=lambda s, t: max(s, t)),
            "You counted one table for both languages. Here each has its own vocabulary and its own table.",
        ),
        Mistake(
            "no-last-norms",
            functools.partial(count, last=0),
            "Two normalisations are missing: with pre-norm, each stack normalises what leaves its last "
            "block.",
        ),
        Mistake(
            "one-last-norm",
            functools.partial(count, last=1),
            "One normalisation is missing: both stacks, not only one of them, normalise what leaves their "
            "last block.",
        ),
        Mistake(
            "no-cross-attention",
            functools.partial(count, cross=0),
            "Each block of the decoder has a second attention, the one that reads the encoder.",
        ),
        Mistake(
            "no-biases",
            functools.partial(count, bias=0),
            "You left out the biases of attentions and networks: as many numbers as each projection has "
            "outputs.",
        ),
        Mistake(
            "no-biases-in-the-networks",
            lambda s, t, d, n, m, f: count(s, t, d, n, m, f) - (n + m) * (f + d),
            "The biases of the feed-forward networks are missing: d_ff on the way in, d_model on the way "
            "out.",
        ),
        Mistake(
            "no-biases-in-the-attentions",
            lambda s, t, d, n, m, f: count(s, t, d, n, m, f) - (n + 2 * m) * 4 * d,
            "The biases of the attentions are missing: d_model for each of the four projections.",
        ),
        Mistake(
            "no-output-projection",
            lambda s, t, d, n, m, f: count(s, t, d, n, m, f) - (n + 2 * m) * (d * d + d),
            "You counted three projections for an attention. There is a fourth, which mixes the heads.",
        ),
        Mistake(
            "no-normalisations",
            lambda s, t, d, n, m, f: count(s, t, d, n, m, f) - (2 * n + 3 * m + 2) * 2 * d,
            "The normalisations are missing: each has a weight and a bias for every channel.",
        ),
        Mistake(
            "bias-in-the-head",
            lambda s, t, d, n, m, f: count(s, t, d, n, m, f) + t,
            "You gave the head a bias. It is the table of the target and nothing else.",
        ),
        Mistake(
            "no-tables",
            functools.partial(count, tables=lambda s, t: 0),
            "The two tables of embeddings are missing.",
        ),
        Mistake(
            "two-norms-in-the-decoder",
            functools.partial(count, norms=(2, 2)),
            "A block of the decoder has three sublayers, and so three normalisations.",
        ),
        Mistake(
            "norms-without-bias",
            lambda s, t, d, n, m, f: count(s, t, d, n, m, f) - (2 * n + 3 * m + 2) * d,
            "A normalisation has a weight and a bias for every channel: 2 d_model numbers, not d_model.",
        ),
        Mistake(
            "stacks-exchanged",
            lambda s, t, d, n, m, f: count(s, t, d, m, n, f),
            "You exchanged the numbers of blocks of encoder and decoder. The decoder's are the larger ones.",
        ),
    ),
)


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
            yield Mistake(
                "left-" + "-and-".join(BUGS[bug][1] for bug in left),
                step_with(**dict.fromkeys(left, False)),
                f"{how_many} still there: {says}.",
            )


def unmasked(model, source, lengths, target):
    return step_with()(model, source, torch.full_like(lengths, source.shape[1]), target)


def training_sentences():
    return [
        (
            torch.tensor([[4, 9, 5, 6, 2], [7, 2, 0, 0, 0], [8, 10, 2, 0, 0]]),
            torch.tensor([5, 2, 3]),
            torch.tensor([[1, 5, 4, 2], [1, 9, 2, 0], [1, 2, 0, 0]]),
        )
    ]


BUG = Exercise(
    number=4,
    kind="find the bug",
    reference=step_with(),
    run=run_step,
    cases=training_sentences,
    mistakes=(
        *unfixed(),
        Mistake(
            "no-mask",
            unmasked,
            "Padding of the source is not hidden: what a sentence means would depend on its neighbours in "
            "the batch. Turn the mask round instead of dropping it.",
        ),
        Mistake(
            "shifted-backwards",
            step_with(backwards=True),
            "Shifted the wrong way: the decoder reads from the second token on and is asked for what came "
            "before. It reads all but the last token, and is asked for all but the first.",
        ),
        Mistake(
            "reads-what-it-is-asked-for",
            lambda model, source, lengths, target: step_with(shifts=False)(
                model, source, lengths, F.pad(target[:, 1:], (0, 1))
            ),
            "You shifted the target and what the decoder reads as well, so it is still asked for the token "
            "that it has just read. It reads all but the last token, and is asked for all but the first.",
        ),
        Mistake(
            "divides-by-all-positions",
            lambda model, source, lengths, target: (
                step_with()(model, source, lengths, target) * (target[:, 1:] != 0).float().mean()
            ),
            "You leave out the padding from the sum, but divide by all positions. Divide by the number of "
            "real tokens.",
        ),
        Mistake(
            "sum-instead-of-mean",
            lambda model, source, lengths, target: (
                step_with()(model, source, lengths, target) * (target[:, 1:] != 0).sum()
            ),
            "You return the sum over the tokens. Asked for is their mean.",
        ),
        Mistake(
            "mean-of-sentences",
            lambda model, *rows: torch.stack(
                [step_with()(model, *(x[None] for x in row)) for row in zip(*rows, strict=True)]
            ).mean(),
            "You average over each sentence first and then over the sentences: a token of a short sentence "
            "weighs more. Divide once, by the number of all real tokens.",
        ),
        Mistake(
            "end-does-not-count",
            lambda model, source, lengths, target: F.cross_entropy(
                model(source, target[:, :-1], padding(lengths, source.shape[1])).flatten(0, 1),
                target[:, 1:].flatten(),
                ignore_index=2,
            ),
            "You ignore token 2. That is the end token, which the model must learn to write; padding is 0.",
        ),
    ),
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


def slow(model, source, mask, n_new):
    return decode_with(lambda tokens: model(source, tokens, mask))(source, n_new)


def fast_without(mask_of_encoder, mask_of_decoder):
    def translate(model, source, mask, n_new):
        context = model.encode(source, mask if mask_of_encoder else None)
        seen = mask if mask_of_decoder else None
        return decode_with(lambda tokens: model.decode(tokens, context, seen))(source, n_new)

    return translate


def only_the_last_token(model, source, mask, n_new):
    context = model.encode(source, mask)
    return decode_with(lambda tokens: model.decode(tokens[:, -1:], context, mask))(source, n_new)


def first_position(model, source, mask, n_new):
    context = model.encode(source, mask)
    return decode_with(lambda tokens: model.decode(tokens, context, mask)[:, :1])(source, n_new)


def one_sentence_at_a_time(model, source, mask, n_new):
    return torch.cat([fast(model, s[None], m[None], n_new) for s, m in zip(source, mask, strict=True)])


def decode_reading(model, context, mask, tokens):
    return model.decode(tokens, context, mask)


def encodes_in_vain(model, source, mask, n_new):
    model.encode(source, mask)
    return slow(model, source, mask, n_new)


def until_all_have_ended(model, source, mask, n_new):
    context = model.encode(source, mask)
    tokens = torch.ones(len(source), 1, dtype=torch.long)
    while tokens.shape[1] <= n_new and not (tokens == 2).any(1).all():
        logits = model.decode(tokens, context, mask)
        tokens = torch.cat([tokens, logits[:, -1:].argmax(-1)], dim=1)
    return tokens


def starts_with_padding(model, source, mask, n_new):
    context = model.encode(source, mask)
    score = functools.partial(decode_reading, model, context, mask)
    return decode_with(score, lambda n: torch.zeros(n, 1, dtype=torch.long))(source, n_new)


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


FASTER = Exercise(
    number=5,
    kind="faster",
    reference=fast,
    run=run_counting,
    cases=sources,
    mistakes=(
        Mistake(
            "encodes-at-every-step",
            slow,
            "The tokens are right, but the encoder runs again for every word. The source does not change "
            "while the decoder writes: encode it before the loop.",
        ),
        Mistake(
            "no-mask-in-the-decoder",
            fast_without(True, False),
            "The encoder does not see the padding, but the cross-attention does: `decode` needs the mask "
            "as well.",
        ),
        Mistake(
            "no-mask-in-the-encoder",
            fast_without(False, True),
            "The cross-attention does not see the padding, but the encoder does: `encode` needs the mask "
            "as well.",
        ),
        Mistake(
            "no-mask-at-all",
            fast_without(False, False),
            "The mask is not used: words of a short sentence look at its padding.",
        ),
        Mistake(
            "decodes-the-last-token-only",
            only_the_last_token,
            "You give the decoder only the last token. Without a cache it has forgotten the others, and "
            "takes the token for the first one. Give it all tokens so far.",
        ),
        Mistake(
            "reads-the-first-position",
            first_position,
            "You take the logits of the first position. The next token follows the last one: [:, -1].",
        ),
        Mistake(
            "one-sentence-at-a-time",
            one_sentence_at_a_time,
            "The tokens are right, but you translate one sentence after the other: both stacks run once "
            "more for every sentence. Keep the batch together.",
        ),
        Mistake(
            "without-the-start",
            lambda *case: fast(*case)[:, 1:],
            "The translations are right, but the start token is missing at the front: return it as well.",
        ),
        Mistake(
            "encodes-once-more-at-every-step",
            encodes_in_vain,
            "You encode the source before the loop, and then call `model` in it, which encodes it again "
            "every time. Give what `encode` has returned to `model.decode`.",
        ),
        Mistake(
            "stops-at-the-end-token",
            until_all_have_ended,
            "You stop when every sentence has its end token. Here exactly `n_new` tokens are appended, as "
            "the function above does.",
        ),
        Mistake(
            "one-token-too-few",
            lambda model, source, mask, n_new: fast(model, source, mask, n_new - 1),
            "You append one token too few: n_new of them follow the start token.",
        ),
        Mistake(
            "starts-with-padding",
            starts_with_padding,
            "You start with token 0, which is padding. The start token is 1.",
        ),
        Mistake(
            "mask-turned-round",
            lambda model, source, mask, n_new: decode_with(
                functools.partial(decode_reading, model, model.encode(source, mask), ~mask)
            )(source, n_new),
            "The cross-attention looks at nothing but padding: the mask of this book is True for real tokens "
            "already.",
        ),
        Mistake(
            "embeds-without-encoding",
            lambda model, source, mask, n_new: decode_with(
                functools.partial(decode_reading, model, model.embedding(source), mask)
            )(source, n_new),
            "The decoder reads bare embeddings of the source: the encoder has not run at all.",
        ),
    ),
)


# 6: the mean of the last checkpoints


def average(states):
    return {name: sum(state[name] for state in states) / len(states) for name in states[0]}


def halves(states):
    mean = dict(states[0])
    for state in states[1:]:
        mean = {name: (mean[name] + state[name]) / 2 for name in mean}
    return mean


def in_place(states):
    mean = states[0]
    for state in states[1:]:
        for name in mean:
            mean[name] += state[name]
    for name in mean:
        mean[name] /= len(states)
    return mean


def one_mean(states):
    return {name: torch.full_like(t, t.mean().item()) for name, t in average(states).items()}


def run_average(answer, tensors):
    """Average copies of the states, and look whether they are still what they were."""
    states = [{"weight": t.clone(), "bias": t[0].clone()} for t in tensors]
    mean = answer(states)
    kept = all(torch.equal(state["weight"], t) for state, t in zip(states, tensors, strict=True))
    return {"average": mean, "states are unchanged": kept}


AVERAGE = Exercise(
    number=6,
    kind="implement",
    reference=average,
    run=run_average,
    cases=lambda: [draw((5, 3, 4)), draw((3, 2, 5), seed=1)],
    mistakes=(
        Mistake(
            "halves-again-and-again",
            halves,
            "You take the mean of the mean so far and the next state. The last state then weighs a half, "
            "and the first almost nothing. Add them all, then divide once.",
        ),
        Mistake(
            "changes-the-first-state",
            in_place,
            "The average is right, but you wrote it into the first state: `mean = states[0]` is no copy, "
            "and += changes its tensors in place.",
        ),
        Mistake(
            "last-state",
            lambda states: dict(states[-1]),
            "That is the last state. Every state has the same share.",
        ),
        Mistake(
            "sum",
            lambda states: {name: len(states) * t for name, t in average(states).items()},
            "That is the sum: divide by the number of states.",
        ),
        Mistake(
            "divides-by-n-minus-one",
            lambda states: {n: t * len(states) / (len(states) - 1) for n, t in average(states).items()},
            "You divide by one less than the number of states. That belongs to a variance, not to a mean.",
        ),
        Mistake(
            "forgets-the-last-state",
            lambda states: average(states[:-1]),
            "The last state is missing from the mean.",
        ),
        Mistake(
            "one-number-for-a-tensor",
            one_mean,
            "You average over the entries of a tensor as well. Average over the states only: each entry "
            "with the same entry of the others.",
        ),
        Mistake(
            "always-five",
            lambda states: {name: t * len(states) / 5 for name, t in average(states).items()},
            "You divide by 5. There may be another number of states: divide by `len(states)`.",
        ),
        Mistake(
            "first-and-last",
            lambda states: average([states[0], states[-1]]),
            "You average the first state and the last. The ones between them count as well.",
        ),
    ),
)


# 7: the other label smoothing


def gap(n_vocab, epsilon):
    return math.log((1 - epsilon) * (n_vocab - 1) / epsilon)


GAP = Exercise(
    number=7,
    kind="derive",
    reference=gap,
    cases=lambda: [(5, 0.1), (100, 0.2), (37_000, 0.1)],
    mistakes=(
        Mistake(
            "gap-of-the-chapter",
            lambda n_vocab, epsilon: math.log((1 - epsilon) * n_vocab / epsilon + 1),
            "That is the gap for the target of equation smoothed-target. Here the right token gets nothing"
            " of epsilon, and each other one epsilon / (V - 1).",
        ),
        Mistake(
            "all-tokens-share",
            lambda n_vocab, epsilon: math.log((1 - epsilon) * n_vocab / epsilon),
            "You share epsilon among V tokens. It is shared among the V - 1 others.",
        ),
        Mistake(
            "one-too-much-in-the-ratio",
            lambda n_vocab, epsilon: math.log((1 - epsilon) * (n_vocab - 1) / epsilon + 1),
            "The + 1 belongs to the target of the chapter, where the right token gets a part of epsilon too. "
            "Here its probability is 1 - epsilon.",
        ),
        Mistake(
            "right-token-keeps-one",
            lambda n_vocab, epsilon: math.log((n_vocab - 1) / epsilon),
            "You give the right token the probability 1. It has 1 - epsilon.",
        ),
        Mistake(
            "divides-by-the-others",
            lambda n_vocab, epsilon: math.log((1 - epsilon) / (epsilon * (n_vocab - 1))),
            "The number of others is on the wrong side: epsilon / (V - 1) stands below the fraction bar, so "
            "V - 1 multiplies the ratio.",
        ),
        Mistake(
            "difference-of-probabilities",
            lambda n_vocab, epsilon: 1 - epsilon - epsilon / (n_vocab - 1),
            "That is the difference of the two probabilities. The difference of the logits is the logarithm "
            "of their ratio.",
        ),
        Mistake(
            "nothing-is-shared",
            lambda n_vocab, epsilon: math.log((1 - epsilon) / epsilon),
            "You give epsilon to each other token. It is shared among them: epsilon / (V - 1) for each.",
        ),
        Mistake(
            "sign",
            lambda n_vocab, epsilon: -gap(n_vocab, epsilon),
            "The sign is wrong: the right token has the larger logit as long as 1 - epsilon exceeds "
            "epsilon / (V - 1).",
        ),
        Mistake(
            "ratio-without-logarithm",
            lambda n_vocab, epsilon: (1 - epsilon) * (n_vocab - 1) / epsilon,
            "That is the ratio of two probabilities. The difference of the logits is its logarithm.",
        ),
        Mistake(
            "base-two",
            lambda n_vocab, epsilon: math.log2((1 - epsilon) * (n_vocab - 1) / epsilon),
            "You took the logarithm to the base 2. Softmax uses e: the natural logarithm.",
        ),
        Mistake(
            "smallest-loss",
            lambda n_vocab, epsilon: (
                -(1 - epsilon) * math.log(1 - epsilon) - epsilon * math.log(epsilon / (n_vocab - 1))
            ),
            "That is the smallest loss, the entropy of the target. Asked for is the gap of the logits.",
        ),
    ),
)

EXERCISES = (RATE, SMOOTHED, PARAMETERS, BUG, FASTER, AVERAGE, GAP)
