"""Exercises of the chapter on the decoder."""

from __future__ import annotations

import sympy
import torch
from torch.nn import functional as F

from course.grading.exercise import Exercise
from course.grading.inputs import draw

# 1: inputs and labels


def shifted(tokens, lengths, start, end, pad, *, begun=True, ended=True, at_end=False, aside=0, rolled=False):
    """The right answer, and by its options the wrong ones."""
    texts = [row[:length].tolist() for row, length in zip(tokens, lengths.tolist(), strict=True)]
    width = tokens.shape[1] + 1
    inputs = torch.full((len(texts), width), pad)
    labels = torch.full((len(texts), width), pad)
    for b, text in enumerate(texts):
        there = ([start] if begun else []) + text + ([] if begun else [end])
        follows = text + ([end] if ended else [])
        inputs[b, : len(there)] = torch.tensor(there)
        labels[b, aside : aside + len(follows)] = torch.tensor(follows[: width - aside])
        if at_end:
            labels[b, len(text)] = pad
            labels[b, -1] = end
    if rolled:
        labels = inputs.roll(-1, dims=1)
    return inputs, labels


def shift_cases():
    one = torch.tensor([[5, 6, 7, 8], [9, 4, 3, 3], [6, 3, 3, 3]])
    two = torch.tensor([[2, 1, 2], [1, 2, 0]])
    return [(one, torch.tensor([4, 2, 1]), 1, 2, 3), (two, torch.tensor([3, 2]), 8, 9, 0)]


SHIFT = Exercise(1, kind="implement", reference=shifted, cases=shift_cases)


@SHIFT.mistake
def no_shift(*case):
    """Your labels are the inputs. The model would learn to repeat what it reads: label t is the token after
    input t."""
    inputs, _ = shifted(*case)
    return inputs, inputs


@SHIFT.mistake
def end_in_the_inputs(*case):
    """Your inputs have the end instead of the start. The model needs something to begin with, and after the
    end there is nothing to predict."""
    return shifted(*case, begun=False)


@SHIFT.mistake
def no_end(*case):
    """Your labels have no end token. A model that never sees one will never stop."""
    return shifted(*case, ended=False)


@SHIFT.mistake
def end_after_the_padding(*case):
    """You put the end into the last column. It belongs right behind each text, before the padding."""
    return shifted(*case, at_end=True)


@SHIFT.mistake
def shifted_the_other_way(*case):
    """You shift the wrong way: your label is at the place of its own token, one too far to the right."""
    return shifted(*case, aside=1)


@SHIFT.mistake
def rolls_around(*case):
    """You roll the inputs, so the start comes back at the end of a full row, and no end token follows the
    text."""
    return shifted(*case, rolled=True)


@SHIFT.mistake
def inputs_and_labels_swapped(*case):
    """You return the labels first. Inputs start with the start token and come first."""
    return shifted(*case)[::-1]


@SHIFT.mistake
def end_in_short_inputs(tokens, lengths, start, end, pad):
    """You cut inputs and labels from start, text, end and padding. In shorter texts the end is then still
    among the inputs: there should be pad."""
    inputs, labels = shifted(tokens, lengths, start, end, pad)
    short = lengths < tokens.shape[1]
    inputs[short, lengths[short] + 1] = end
    return inputs, labels


@SHIFT.mistake
def end_over_the_last_token(tokens, lengths, start, end, pad):
    """Your end stands in the place of the last token, which is never a label. It belongs behind it, in column
    `length`."""
    inputs, labels = shifted(tokens, lengths, start, end, pad)
    every = torch.arange(len(tokens))
    labels[every, lengths - 1], labels[every, lengths] = end, pad
    return inputs, labels


@SHIFT.mistake
def end_instead_of_padding(tokens, lengths, start, end, pad):
    """You fill the labels up with ends. One end closes a text; behind it stands padding, where the loss does
    not look."""
    inputs, labels = shifted(tokens, lengths, start, end, pad)
    return inputs, labels.masked_fill(torch.arange(labels.shape[1]) >= lengths[:, None], end)


@SHIFT.mistake
def one_column_short(*case):
    """Your tensors are as wide as the tokens. With a start, or with an end, each text is one longer."""
    inputs, labels = shifted(*case)
    return inputs[:, :-1], labels[:, :-1]


# 2: the layer


def layer(x, context, self_attention, cross_attention, feed_forward, norms):
    x = x + self_attention(norms[0](x), norms[0](x), True)
    x = x + cross_attention(norms[1](x), context, False)
    return x + feed_forward(norms[2](x))


def run_layer(answer, x, context, weights):
    """Hand the answer a context, and parts that are made of the weights."""
    d = x.shape[-1]
    ones, w_self, w_cross, w_in = weights

    def attention(w):
        def attend(queries, others, causal):
            scores = queries @ w @ others.mT / d**0.5
            if causal:
                ahead = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
                scores = scores.masked_fill(ahead, -torch.inf)
            return torch.softmax(scores, dim=-1) @ others @ w

        return attend

    norms = [lambda y, gain=gain: F.layer_norm(y, (d,), gain) for gain in ones]
    parts = attention(w_self), attention(w_cross), lambda y: torch.relu(y @ w_in) @ w_in.T
    return answer(x, context, *parts, norms)


def layer_cases():
    cases = []
    for seed, batch, time, source, d in ((0, (2,), 3, 5, 4), (1, (), 4, 4, 6)):
        x, context = draw((*batch, time, d), (*batch, source, d), seed=seed, requires_grad=True)
        cases.append((x, context, draw((3, d), (d, d), (d, d), (d, 7), seed=seed + 2)))
    return cases


LAYER = Exercise(2, kind="implement", reference=layer, run=run_layer, gradients=True, cases=layer_cases)


@LAYER.mistake
def norms_the_context(x, context, self_attention, cross_attention, feed_forward, norms):
    """You put the context through the layer's norm. It comes from the encoder, which has normalised it
    already; norm 2 belongs to the target."""
    x = x + self_attention(norms[0](x), norms[0](x), True)
    x = x + cross_attention(norms[1](x), norms[1](context), False)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def no_causal_mask(x, context, self_attention, cross_attention, feed_forward, norms):
    """Your self-attention sees the future: its third argument must be True."""
    x = x + self_attention(norms[0](x), norms[0](x), False)
    x = x + cross_attention(norms[1](x), context, False)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def causal_cross_attention(x, context, self_attention, cross_attention, feed_forward, norms):
    """Your cross-attention is causal. The whole source may be read at every step: there is no later or
    earlier between the two texts."""
    x = x + self_attention(norms[0](x), norms[0](x), True)
    x = x + cross_attention(norms[1](x), context, True)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def cross_attention_first(x, context, self_attention, cross_attention, feed_forward, norms):
    """You read the source before the target. Self-attention comes first."""
    x = x + cross_attention(norms[1](x), context, False)
    x = x + self_attention(norms[0](x), norms[0](x), True)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def all_parts_from_the_input(x, context, self_attention, cross_attention, feed_forward, norms):
    """All your sublayers read the layer's input. Each reads the sum that the one before it has left."""
    own = self_attention(norms[0](x), norms[0](x), True)
    return x + own + cross_attention(norms[1](x), context, False) + feed_forward(norms[2](x))


@LAYER.mistake
def post_norm(x, context, self_attention, cross_attention, feed_forward, norms):
    """You normalise the sums: post-norm. Here the input of each sublayer is normalised, and the sum is
    not."""
    x = norms[0](x + self_attention(x, x, True))
    x = norms[1](x + cross_attention(x, context, False))
    return norms[2](x + feed_forward(x))


@LAYER.mistake
def adds_the_normalised(x, context, self_attention, cross_attention, feed_forward, norms):
    """You add to norm(x). The residual connection adds to x itself: x + F(norm(x))."""
    x = norms[0](x)
    x = x + self_attention(x, x, True)
    x = norms[1](x)
    x = x + cross_attention(x, context, False)
    x = norms[2](x)
    return x + feed_forward(x)


@LAYER.mistake
def no_residual(x, context, self_attention, cross_attention, feed_forward, norms):
    """You return what the sublayers give, without adding it to the stream: x + F(norm(x))."""
    x = self_attention(norms[0](x), norms[0](x), True)
    x = cross_attention(norms[1](x), context, False)
    return feed_forward(norms[2](x))


@LAYER.mistake
def keys_not_normalised(x, context, self_attention, cross_attention, feed_forward, norms):
    """In self-attention your queries are normalised, your keys and values are not. Both come from norm(x)."""
    x = x + self_attention(norms[0](x), x, True)
    x = x + cross_attention(norms[1](x), context, False)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def one_norm_for_all(x, context, self_attention, cross_attention, feed_forward, norms):
    """You use the first norm three times. Each sublayer has its own."""
    return layer(x, context, self_attention, cross_attention, feed_forward, 3 * norms[:1])


@LAYER.mistake
def no_norms(x, context, self_attention, cross_attention, feed_forward, norms):
    """You use no norm at all. With pre-norm each sublayer reads norm(x)."""
    x = x + self_attention(x, x, True)
    x = x + cross_attention(x, context, False)
    return x + feed_forward(x)


@LAYER.mistake
def raw_queries_in_cross_attention(x, context, self_attention, cross_attention, feed_forward, norms):
    """Your cross-attention asks with x. Only the context stays as it is; the queries are norm 2 of x."""
    x = x + self_attention(norms[0](x), norms[0](x), True)
    x = x + cross_attention(x, context, False)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def context_asks(x, context, self_attention, cross_attention, feed_forward, norms):
    """Your context asks and the target answers. Queries come first, and they come from the target: the result
    has one row for each of its tokens."""
    x = x + self_attention(norms[0](x), norms[0](x), True)
    x = x + cross_attention(context, norms[1](x), False)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def cross_attends_to_itself(x, context, self_attention, cross_attention, feed_forward, norms):
    """Both of your attentions read the target. Keys and values of the second come from the context."""
    x = x + self_attention(norms[0](x), norms[0](x), True)
    x = x + cross_attention(norms[1](x), norms[1](x), False)
    return x + feed_forward(norms[2](x))


@LAYER.mistake
def adds_to_the_first_input(x, context, self_attention, cross_attention, feed_forward, norms):
    """You add every sublayer to the x that came in, so the sums in between are lost. Add each to the sum
    before it."""
    own = x + self_attention(norms[0](x), norms[0](x), True)
    other = x + cross_attention(norms[1](own), context, False)
    return x + feed_forward(norms[2](other))


@LAYER.mistake
def no_last_residual(x, context, self_attention, cross_attention, feed_forward, norms):
    """You return what the feed-forward network gives, without the stream that goes around it."""
    x = x + self_attention(norms[0](x), norms[0](x), True)
    x = x + cross_attention(norms[1](x), context, False)
    return feed_forward(norms[2](x))


@LAYER.mistake
def no_cross_attention(x, context, self_attention, cross_attention, feed_forward, norms):
    """You leave out the cross-attention: your answer does not depend on the source."""
    x = x + self_attention(norms[0](x), norms[0](x), True)
    return x + feed_forward(norms[2](x))


# 3: greedy decoding


def written(score, tokens, n_new, end, *, keep=True, any_ends=False, window=None, first=False, stop=True):
    """The right answer, and by its options the wrong ones."""
    done = torch.zeros(len(tokens), dtype=torch.bool)
    for _ in range(n_new):
        new = score(tokens if window is None else tokens[:, -window:])[:, 0 if first else -1].argmax(-1)
        if keep:
            new = torch.where(done, end, new)
        done = done | (new == end)
        tokens = torch.cat([tokens, new[:, None]], dim=1)
        if stop and (done.any() if any_ends else done.all()):
            break
    return tokens


def run_writing(answer, tokens, n_new, end, table):
    """Score the next token by all tokens so far: by their sum, and by the last one."""

    def score(tokens):
        sums = tokens.cumsum(1) + 2 * tokens
        return table[sums % len(table)]

    return answer(score, tokens, n_new, end)


def writing_cases():
    (table,) = draw((13, 6), seed=34)
    return [
        (torch.tensor([[1], [2], [3], [4]]), 7, 0, table),
        (torch.tensor([[5, 1, 2], [4, 4, 1]]), 9, 3, table),
        (torch.tensor([[2, 5]]), 3, 4, table),
    ]


WRITING = Exercise(3, kind="implement", reference=written, run=run_writing, cases=writing_cases)


@WRITING.mistake
def writes_on_after_the_end(*case):
    """A text that has ended goes on in your answer. After its end a text only gets more end tokens."""
    return written(*case, keep=False)


@WRITING.mistake
def stops_at_the_first_end(*case):
    """You stop as soon as one text ends, and cut the others. Stop when all have ended."""
    return written(*case, any_ends=True)


@WRITING.mistake
def never_stops(*case):
    """You always take n_new steps. When all texts have ended, stop."""
    return written(*case, stop=False)


@WRITING.mistake
def feeds_the_last_token_only(*case):
    """You call the model with the last token only. Without a cache it needs all tokens so far."""
    return written(*case, window=1)


@WRITING.mistake
def reads_the_first_row(*case):
    """You read the scores after the first token. The next token is scored in the last row."""
    return written(*case, first=True)


@WRITING.mistake
def drops_the_prompt(score, tokens, n_new, end):
    """You return the new tokens only. Return them behind those that were given."""
    return written(score, tokens, n_new, end)[:, tokens.shape[1] :]


@WRITING.mistake
def drops_the_end(score, tokens, n_new, end):
    """You cut the last column when all texts have ended. The end token is part of the answer."""
    whole = written(score, tokens, n_new, end)
    return whole[:, :-1] if (whole[:, -1] == end).all() else whole


@WRITING.mistake
def zeros_after_the_end(score, tokens, n_new, end):
    """You write zeros after the end. A text that has ended gets more `end` tokens."""
    start = tokens.shape[1]
    whole = written(score, tokens, n_new, end)
    ended = (whole[:, start:] == end).cumsum(1) > 1
    whole[:, start:] = whole[:, start:].masked_fill(ended, 0)
    return whole


@WRITING.mistake
def counts_the_prompt(score, tokens, n_new, end):
    """You count the tokens that were given among the `n_new` steps. So many new ones may follow them."""
    return written(score, tokens, n_new - tokens.shape[1], end)


@WRITING.mistake
def appends_all_rows(score, tokens, n_new, end):
    """You append the best token of every row, in one call. Only the last row is about a new token, and the
    one after it needs another call."""
    return torch.cat([tokens, score(tokens).argmax(-1)], dim=1)


@WRITING.mistake
def looks_at_the_first_text(score, tokens, n_new, end):
    """You stop when the first text ends, and never look at the others. Each text has an end of its own."""
    start = tokens.shape[1]
    whole = written(score, tokens, n_new, end, keep=False, stop=False)
    found = (whole[0, start:] == end).nonzero()
    return whole[:, : start + int(found[0]) + 1] if len(found) else whole


# 4: the next token after prompts of different length


def after(scores, lengths):
    return scores[torch.arange(len(scores)), lengths - 1]


def next_cases():
    (one, two) = draw((4, 6, 3), (2, 3, 5))
    return [(one, torch.tensor([6, 2, 4, 1])), (two, torch.tensor([1, 2]))]


NEXT = Exercise(4, kind="find the bug", reference=after, cases=next_cases)


@NEXT.mistake
def last_column(scores, lengths):
    """The bug is still there: in the last column stands padding, for all but the longest prompt."""
    return scores[:, -1]


@NEXT.mistake
def one_too_far(scores, lengths):
    """You read the row at the length. Rows count from 0: the last token of n is in row n − 1."""
    return scores[torch.arange(len(scores)), lengths]


@NEXT.mistake
def counts_from_the_back(scores, lengths):
    """You count the length from the back. The padding is at the end, so count from the front."""
    return scores[torch.arange(len(scores)), -lengths]


@NEXT.mistake
def the_same_row_for_all(scores, lengths):
    """You read one row for all prompts, that of the shortest. Each has a last token of its own."""
    return scores[:, int(lengths.min()) - 1]


@NEXT.mistake
def the_longest_for_all(scores, lengths):
    """You read one row for all prompts, that of the longest. Each has a last token of its own."""
    return scores[:, int(lengths.max()) - 1]


@NEXT.mistake
def token_instead_of_scores(scores, lengths):
    """You return tokens. Asked for are the scores, one for each token of the vocabulary."""
    return after(scores, lengths).argmax(-1)


@NEXT.mistake
def one_axis_too_many(scores, lengths):
    """Your rows are right, but an axis of length one is left over: the shape is (batch, vocabulary)."""
    return after(scores, lengths)[:, None]


@NEXT.mistake
def all_pairs(scores, lengths):
    """scores[:, lengths - 1] takes these rows of every prompt. Give the number of the prompt as well:
    scores[torch.arange(batch), lengths - 1]."""
    return scores[:, lengths - 1]


@NEXT.mistake
def mean_over_the_prompt(scores, lengths):
    """You average the scores over the prompt. Only those after its last token are about the next one."""
    real = torch.arange(scores.shape[1]) < lengths[:, None]
    return (scores * real[..., None]).sum(1) / lengths[:, None]


# 5: rows that pass through the stack


def rows(prompt, new):
    return new * prompt + new * (new - 1) // 2


ROWS = Exercise(5, kind="predict", reference=rows, cases=lambda: [(1, 10), (4, 10), (30, 300), (7, 1)])


@ROWS.mistake
def one_pass(prompt, new):
    """That is one pass over the finished text. Without a cache every step sends all tokens so far."""
    return prompt + new - 1


@ROWS.mistake
def counts_the_last_token(prompt, new):
    """You count the new token in the step that makes it. It goes in at the next step."""
    return new * prompt + new * (new + 1) // 2


@ROWS.mistake
def final_length_each_time(prompt, new):
    """You count the final length at every step. At step i there are only prompt + i tokens."""
    return new * (prompt + new)


@ROWS.mistake
def forgets_the_prompt(prompt, new):
    """You count the new tokens only. The prompt goes in again at every step."""
    return new * (new - 1) // 2


@ROWS.mistake
def prompt_once(prompt, new):
    """You count the prompt once. Without a cache it goes in again at every step."""
    return prompt + new * (new - 1) // 2


@ROWS.mistake
def counts_pairs(prompt, new):
    """You count pairs of tokens, the entries of the scores. Asked for are rows."""
    return sum((prompt + i) ** 2 for i in range(new))


@ROWS.mistake
def writes_the_prompt_too(prompt, new):
    """You begin with one token, as if the prompt were written too. The first step sends all of it."""
    return (prompt + new) * (prompt + new - 1) // 2


@ROWS.mistake
def prompt_only(prompt, new):
    """You count the prompt at every step, and never what has been written since. It goes in, too."""
    return new * prompt


# 6: right tokens before the first mistake

e, N = sympy.symbols("epsilon N", positive=True)

SURVIVAL = Exercise(6, kind="derive", reference=(1 - e) * (1 - (1 - e) ** N) / e)

SURVIVAL.mistake(
    "right-tokens-in-all",
    N * (1 - e),
    "That is the expected number of right tokens anywhere. Count only those before the first mistake.",
)
SURVIVAL.mistake(
    "probability-of-no-mistake",
    (1 - e) ** N,
    "That is the probability that the whole text is right. Sum such probabilities over its lengths.",
)
SURVIVAL.mistake(
    "counts-the-start",
    (1 - (1 - e) ** N) / e,
    "Your sum starts at t = 0, so it counts one token too many: the first is right with "
    "probability 1 − ε only.",
)
SURVIVAL.mistake("endless-text", (1 - e) / e, "That is the limit for an endless text. It has N tokens.")
SURVIVAL.mistake(
    "one-over-epsilon",
    1 / e,
    "1/ε is the mean place of the first mistake in an endless text. Count the right tokens before "
    "it, among N.",
)
SURVIVAL.mistake(
    "forgets-the-perfect-text",
    (1 - e) * (1 - (1 - e) ** N) / e - N * (1 - e) ** N,
    "You sum over the places of the first mistake, and leave out the text without one: it has N right"
    " tokens, with probability (1 − ε)^N.",
)
SURVIVAL.mistake(
    "perfect-text-only",
    N * (1 - e) ** N,
    "You count the right tokens of perfect texts only. A text with a mistake has some before it.",
)
SURVIVAL.mistake(
    "probability-of-a-mistake",
    1 - (1 - e) ** N,
    "That is the probability that there is a mistake at all. Asked for is a number of tokens.",
)
SURVIVAL.mistake(
    "stops-one-short",
    (1 - e) * (1 - (1 - e) ** (N - 1)) / e,
    "Your sum ends at N − 1. All N tokens may be right.",
)


# 7: exact match in one pass


def exact(score, labels, start, pad):
    inputs = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
    right = score(inputs).argmax(-1) == labels
    return (right | (labels == pad)).all(1).double().mean()


def run_exact(answer, labels, start, pad, table):
    """The share, and the number of rows that went through the model, which may be less than all labels."""
    counted = 0

    def score(tokens):
        nonlocal counted
        counted += tokens.numel()
        return table[(tokens.cumsum(1) + 2 * tokens) % len(table)]

    return float(answer(score, labels, start, pad)), max(counted, labels.numel())


def exact_cases():
    (table,) = draw((13, 6), seed=6)
    table[:, 0] -= 9  # nothing but padding is 0

    def score(tokens):
        return table[(tokens.cumsum(1) + 2 * tokens) % 13]

    cases = []
    for start, lengths, wrong in ((1, [5, 2, 4, 3], 0), (2, [3, 3, 2], 1), (4, [2, 4], None)):
        tokens = torch.full((1, 1), start)
        for _ in range(max(lengths)):
            tokens = torch.cat([tokens, score(tokens)[:, -1:].argmax(-1)], dim=1)
        labels = tokens[:, 1:].repeat(len(lengths), 1)
        labels[torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]] = 0
        if wrong is not None:
            labels[-1, wrong] = labels[-1, wrong] % 5 + 1
        cases.append((labels, start, 0, table))
    return cases


EXACT = Exercise(7, kind="faster", reference=exact, run=run_exact, cases=exact_cases)


@EXACT.mistake
def step_by_step(score, labels, start, pad):
    """The share is right, but you decode: one call for each token. Call the model once, on the start and the
    labels."""
    tokens = torch.full_like(labels[:, :1], start)
    for _ in range(labels.shape[1]):
        tokens = torch.cat([tokens, score(tokens)[:, -1:].argmax(-1)], dim=1)
    return ((tokens[:, 1:] == labels) | (labels == pad)).all(1).double().mean()


@EXACT.mistake
def padding_must_match(score, labels, start, pad):
    """You ask the model to predict the padding, too. What it writes behind the end is of no account."""
    inputs = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
    return (score(inputs).argmax(-1) == labels).all(1).double().mean()


@EXACT.mistake
def share_of_tokens(score, labels, start, pad):
    """That is the share of right tokens. A text counts only if all of its tokens are right."""
    inputs = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
    return (score(inputs).argmax(-1) == labels)[labels != pad].double().mean()


@EXACT.mistake
def no_shift_(score, labels, start, pad):
    """You feed the labels as they are. Input t must be the token before label t: put the start in front and
    drop the last."""
    right = score(labels).argmax(-1) == labels
    return (right | (labels == pad)).all(1).double().mean()


@EXACT.mistake
def first_token_not_judged(score, labels, start, pad):
    """You never ask for the first token: the start is missing from your inputs."""
    right = score(labels[:, :-1]).argmax(-1) == labels[:, 1:]
    return (right | (labels[:, 1:] == pad)).all(1).double().mean()


@EXACT.mistake
def any_token(score, labels, start, pad):
    """You count a text when any token is right. All must be."""
    inputs = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
    right = score(inputs).argmax(-1) == labels
    return (right & (labels != pad)).any(1).double().mean()


@EXACT.mistake
def all_texts_at_once(score, labels, start, pad):
    """You ask whether every text is right. Take `all` over the tokens of a text, and then the mean."""
    inputs = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
    right = score(inputs).argmax(-1) == labels
    return (right | (labels == pad)).all().double()


@EXACT.mistake
def share_of_entries(score, labels, start, pad):
    """That is a share of tokens, and padding counts as right. A text counts if all of it is right."""
    inputs = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], dim=1)
    right = score(inputs).argmax(-1) == labels
    return (right | (labels == pad)).double().mean()


@EXACT.mistake
def number_of_texts(score, labels, start, pad):
    """You count the texts. Asked for is their share."""
    return exact(score, labels, start, pad) * len(labels)


@EXACT.mistake
def sends_the_last_label(score, labels, start, pad):
    """The share is right, but you send one row too many per text: nothing follows the last label."""
    inputs = torch.cat([torch.full_like(labels[:, :1], start), labels], dim=1)
    right = score(inputs)[:, :-1].argmax(-1) == labels
    return (right | (labels == pad)).all(1).double().mean()


# 8: a detector of leaks


def leaks(model, x):
    weights = torch.linspace(1, 2, model(x).shape[-1], dtype=x.dtype) ** 3
    return _leaks(model, x, weights)


def _leaks(model, x, weights):
    x = x.detach().requires_grad_()
    scores = model(x) @ weights
    rows = [torch.autograd.grad(s, x, retain_graph=True)[0].abs().amax(-1) for s in scores]
    depends = torch.stack(rows) > 1e-9
    return depends.triu(1)


def run_leaks(answer, x, kind, weight):
    """Models of six kinds, with their outputs normalised or not."""
    time = x.shape[0]
    mask = torch.ones(time, time, dtype=torch.bool).tril({"one off": 1, "no mask": time}.get(kind, 0))

    def model(x):
        if kind == "norm over time":
            x = x - x.mean(0)
        scores = (x @ weight @ x.T).masked_fill(~mask, -torch.inf)
        y = x + torch.softmax(scores, dim=-1) @ x @ weight
        share = {"mean taken away": -1, "mean added": 1}.get(kind, 0)  # of one channel alone
        y = torch.cat([y[:, :1] + share * x[:, :1].mean(0), y[:, 1:]], dim=1)
        return F.layer_norm(y, y.shape[-1:]) if kind == "no mask" else y

    return answer(model, x)


def leak_cases():
    x, weight = (a.double() for a in draw((5, 4), (4, 4), seed=3))
    kinds = "right", "one off", "no mask", "norm over time", "mean taken away", "mean added"
    return [(x, kind, 0.5 * weight) for kind in kinds]


LEAKS = Exercise(8, kind="implement", reference=leaks, run=run_leaks, cases=leak_cases)


@LEAKS.mistake
def sums_each_output(model, x):
    """You differentiate the sum of each output. Behind a layer norm that sum is constant, and your test
    passes a model without a mask. Weigh the entries unevenly."""
    return _leaks(model, x, torch.ones(model(x).shape[-1], dtype=x.dtype))


@LEAKS.mistake
def counts_the_diagonal(model, x):
    """You count the diagonal. An output may depend on its own input: only later ones leak."""
    x = x.detach()
    jacobian = torch.autograd.functional.jacobian(model, x)
    return (jacobian.abs().amax((1, 3)) > 1e-9).triu(0)


@LEAKS.mistake
def looks_at_the_past(model, x):
    """You report what depends on earlier inputs. That is what a decoder is for: look at s > t."""
    jacobian = torch.autograd.functional.jacobian(model, x.detach())
    return (jacobian.abs().amax((1, 3)) > 1e-9).tril(-1)


@LEAKS.mistake
def transposed(model, x):
    """Your rows are the inputs. Row t, column s: output t depends on input s."""
    return leaks(model, x).T


@LEAKS.mistake
def next_token_only(model, x):
    """You look one token ahead. A leak may come from any later token."""
    found = leaks(model, x)
    return found & ~torch.ones_like(found).triu(2)


@LEAKS.mistake
def all_dependences(model, x):
    """You report every dependence. Only those on later inputs are leaks."""
    jacobian = torch.autograd.functional.jacobian(model, x.detach())
    return jacobian.abs().amax((1, 3)) > 1e-9


@LEAKS.mistake
def sign_of_the_gradient(model, x):
    """You add gradients before you compare them: negative ones are missed. Take absolute values first."""
    jacobian = torch.autograd.functional.jacobian(model, x.detach())
    return (jacobian.sum((1, 3)) > 1e-9).triu(1)


@LEAKS.mistake
def no_absolute_values(model, x):
    """You look for the largest derivative, and miss a pair whose derivatives are all zero or negative. Take
    absolute values first."""
    jacobian = torch.autograd.functional.jacobian(model, x.detach())
    return (jacobian.amax((1, 3)) > 1e-9).triu(1)


@LEAKS.mistake
def all_channels(model, x):
    """You ask whether all derivatives of a pair are different from zero. One is enough: a leak may go through
    one channel."""
    jacobian = torch.autograd.functional.jacobian(model, x.detach())
    return (jacobian.abs() > 1e-9).all(3).all(1).triu(1)


@LEAKS.mistake
def one_answer_for_all(model, x):
    """You say whether there is a leak. Say where: one boolean for each pair, (time, time)."""
    return bool(leaks(model, x).any())


EXERCISES = (SHIFT, LAYER, WRITING, NEXT, ROWS, SURVIVAL, EXACT, LEAKS)
