"""Exercises of the chapter on the encoder."""

from __future__ import annotations

import copy

import sympy
import torch
from torch import nn

from course.attention import padding
from course.grading.exercise import Exercise
from course.grading.inputs import draw

# 1: blocks in a row


def encode(x, mask, blocks, norm):
    for block in blocks:
        x = block(x, mask)
    return norm(x)


def small_block(w_q, w_k, w_v):
    """A block of attention and a residual sum, as a function of the stream and the mask."""

    def block(x, mask):
        scores = (x @ w_q) @ (x @ w_k).mT / len(w_q)
        p = torch.softmax(scores.masked_fill(~mask, -torch.inf), -1)
        return x + torch.tanh(p @ x @ w_v)

    return block


def size_of_each_row(x):
    return 2 * x / x.norm(dim=-1, keepdim=True)


def run_stack(answer, x, mask, weights):
    return answer(x, mask, [small_block(*each) for each in weights], size_of_each_row)


def stacks():
    cases = []
    for n_blocks, (T, d) in ((3, (5, 4)), (4, (6, 3))):
        (x,) = draw((2, T, d), seed=n_blocks, requires_grad=True)
        (weights,) = draw((n_blocks, 3, d, d), seed=10)
        cases.append((x, padding(torch.tensor([T, T - 2]), T)[:, 0], weights))
    return cases


STACK = Exercise(1, kind="implement", reference=encode, run=run_stack, cases=stacks, gradients=True)


@STACK.mistake
def forgets_the_last_norm(x, mask, blocks, norm):
    """You return the stream as it leaves the last block. With pre-norm blocks nothing has normalised that sum
    yet: apply the norm once, at the end."""
    for block in blocks:
        x = block(x, mask)
    return x


@STACK.mistake
def norm_after_every_block(x, mask, blocks, norm):
    """You normalise after each block. A pre-norm block normalises its own inputs; the stream itself is
    normalised once, at the end."""
    for block in blocks:
        x = norm(block(x, mask))
    return x


@STACK.mistake
def all_blocks_read_the_input(x, mask, blocks, norm):
    """You give the input to every block and add up what they say. Then no block sees what another found: pass
    the result of one to the next."""
    return norm(x + sum(block(x, mask) for block in blocks))


@STACK.mistake
def only_the_last_block_counts(x, mask, blocks, norm):
    """Each of your blocks gets the first input again, so only the last one has an effect. Assign the result
    of a block to x."""
    for block in blocks:
        out = block(x, mask)
    return norm(out)


@STACK.mistake
def same_block_every_time(x, mask, blocks, norm):
    """You apply the first block again and again. Each layer has weights of its own."""
    for _ in blocks:
        x = blocks[0](x, mask)
    return norm(x)


@STACK.mistake
def mask_only_in_the_first_layer(x, mask, blocks, norm):
    """Only your first layer is masked. From the second on, real tokens attend to the padding: every layer
    needs the mask."""
    everything = torch.ones_like(mask)
    for i, block in enumerate(blocks):
        x = block(x, everything if i else mask)
    return norm(x)


@STACK.mistake
def adds_the_stream_twice(x, mask, blocks, norm):
    """You add the stream to what a block returns. The residual connections are inside the block; outside it
    doubles the stream."""
    for block in blocks:
        x = x + block(x, mask)
    return norm(x)


@STACK.mistake
def from_the_top_down(x, mask, blocks, norm):
    """You apply the last block first. blocks[0] is the lowest."""
    for block in reversed(blocks):
        x = block(x, mask)
    return norm(x)


@STACK.mistake
def no_mask_at_all(x, mask, blocks, norm):
    """Your blocks see the padding: a sentence gets other vectors in a batch than alone. Every block gets the
    mask."""
    return encode(x, torch.ones_like(mask), blocks, norm)


@STACK.mistake
def returns_inside_the_loop(x, mask, blocks, norm):
    """You return after the first block. Move the return out of the loop."""
    for block in blocks:
        x = block(x, mask)
        return norm(x)


@STACK.mistake
def norm_before_every_block(x, mask, blocks, norm):
    """You normalise what each block gets. A pre-norm block does that inside, in front of its sublayers, and
    adds to the stream as it was: a norm outside changes the stream itself."""
    for block in blocks:
        x = block(norm(x), mask)
    return norm(x)


@STACK.mistake
def residual_around_the_block(x, mask, blocks, norm):
    """You wrote the formula of one pre-norm sublayer around the whole block. Its norms and its residual
    connections are inside: pass the stream on as it comes."""
    for block in blocks:
        x = x + block(norm(x), mask)
    return norm(x)


@STACK.mistake
def norm_at_the_bottom(x, mask, blocks, norm):
    """You normalise the embeddings. The last norm belongs above the last block."""
    return forgets_the_last_norm(norm(x), mask, blocks, norm)


@STACK.mistake
def adds_the_embedding_again(x, mask, blocks, norm):
    """You add the embedding once more at the end. It is in the stream already, with a factor of one."""
    return norm(x + forgets_the_last_norm(x, mask, blocks, norm))


# 2: one vector for a sentence


def sentence_vector(z, mask):
    weights = mask[..., None].to(z)
    return (z * weights).sum(1) / weights.sum(1).clamp(min=1)


def sentences():
    cases = []
    for seed, lengths in enumerate(([5, 2, 1], [3, 4, 0])):
        (z,) = draw((3, 5, 4), seed=seed, requires_grad=True)
        cases.append((z, torch.arange(5) < torch.tensor(lengths)[:, None]))
    return cases


POOL = Exercise(2, kind="implement", reference=sentence_vector, cases=sentences, gradients=True)


@POOL.mistake
def mean_over_all_rows(z, mask):
    """You average over all rows, padding included. The vector of a sentence then depends on the longest
    sentence of its batch."""
    return z.mean(1)


@POOL.mistake
def divides_by_the_longest(z, mask):
    """You leave the padding out of the sum but divide by the length of the row. Divide by the number of real
    tokens."""
    return (z * mask[..., None]).mean(1)


@POOL.mistake
def sum_for_mean(z, mask):
    """You return the sum of the real tokens. A long sentence gets a long vector: divide by their number."""
    return (z * mask[..., None]).sum(1)


@POOL.mistake
def nothing_over_nothing(z, mask):
    """A sentence without tokens gives 0/0, which is NaN. Divide by at least 1."""
    return (z * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


@POOL.mistake
def repairs_afterwards(z, mask):
    """You replace the NaN after the division. The output is right, but the gradient is NaN all the same:
    avoid the division by zero, do not repair its result."""
    return nothing_over_nothing(z, mask).nan_to_num()


@POOL.mistake
def number_of_the_whole_batch(z, mask):
    """You divide by the number of real tokens in the whole batch. Count them for each sentence,
    mask.sum(1)."""
    return (z * mask[..., None]).sum(1) / mask.sum().clamp(min=1)


@POOL.mistake
def mask_the_wrong_way(z, mask):
    """You average the padding. In this book True means a real token."""
    return sentence_vector(z, ~mask)


@POOL.mistake
def all_sentences_in_one(z, mask):
    """z[mask] joins the real tokens of all sentences, so every sentence gets the same vector."""
    found = z[mask].mean(0)
    return found.expand(len(z), -1)


@POOL.mistake
def sum_with_the_filler(z, mask):
    """You divide by the number of real tokens, but your sum runs over the padding as well."""
    return z.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


@POOL.mistake
def largest_instead_of_mean(z, mask):
    """You take the largest value of each channel. The mean is asked for."""
    return z.masked_fill(~mask[..., None], -torch.inf).amax(1)


@POOL.mistake
def softmax_of_zeros_and_ones(z, mask):
    """A softmax of ones and zeros gives the padding e^0, not nothing. Divide the mask itself by its sum."""
    return (torch.softmax(mask.to(z), 1)[..., None] * z).sum(1)


@POOL.mistake
def takes_the_last_token(z, mask):
    """You return the last real token's vector. That is what models that read from left to right do; here the
    mean of the real tokens is asked for."""
    return z[torch.arange(len(z)), mask.sum(1) - 1]


@POOL.mistake
def takes_the_first_token(z, mask):
    """You return the first token's vector. That is a choice some models make, but here the mean of the real
    tokens is asked for."""
    return z[:, 0]


# 3: from which length on do the scores cost more?

D, D_FF, G = sympy.symbols("d_model d_ff g", positive=True)

LENGTH = Exercise(3, kind="derive", reference=D + D / G + sympy.Rational(3, 2) * D_FF)

LENGTH.mistake(
    "two-matrices-in-the-network",
    D + D / G + D_FF,
    "A gated feed-forward network has three matrices, not two: 6 T d_model d_ff operations.",
)
LENGTH.mistake(
    "full-keys-and-values",
    2 * D + sympy.Rational(3, 2) * D_FF,
    "You count keys and values as wide as the queries. They have 1/g of the heads, so their two "
    "projections cost 1/g.",
)
LENGTH.mistake(
    "no-groups-no-gate",
    2 * D + D_FF,
    "That is the answer for the block of 2017. Here keys and values have fewer heads, and the "
    "network has a third matrix.",
)
LENGTH.mistake(
    "scores-shrink-with-the-groups",
    G * (D + D / G + sympy.Rational(3, 2) * D_FF),
    "You made the scores cheaper by g. Every query head has its own scores, with shared keys too: "
    "4 T² d_model, whatever g.",
)
LENGTH.mistake(
    "scores-without-averages",
    2 * D + 2 * D / G + 3 * D_FF,
    "You counted one product of T × T. There are two: the scores, and the averages of the values.",
)
LENGTH.mistake(
    "forgets-the-network",
    D + D / G,
    "You compared with the projections alone. The feed-forward network works for every token, too.",
)
LENGTH.mistake(
    "forgets-the-projections",
    sympy.Rational(3, 2) * D_FF,
    "You compared with the feed-forward network alone. The four projections belong to the rest.",
)
LENGTH.mistake(
    "multiply-adds-mixed",
    (D + D / G + sympy.Rational(3, 2) * D_FF) / 2,
    "You counted a multiply-add as one operation on one side and as two on the other.",
)
LENGTH.mistake(
    "one-projection-left-out",
    D / 2 + D / G + sympy.Rational(3, 2) * D_FF,
    "One of the wide projections is missing. Queries and the output both have d_model × d_model.",
)
LENGTH.mistake(
    "multiplies-by-the-group",
    D + D * G + sympy.Rational(3, 2) * D_FF,
    "You made keys and values wider by g. g heads of queries share one of keys, so there are fewer: "
    "d_model / g.",
)
LENGTH.mistake(
    "keys-or-values",
    D + D / (2 * G) + sympy.Rational(3, 2) * D_FF,
    "You counted one narrow projection. Keys and values have one each.",
)
LENGTH.mistake(
    "everything-shared",
    2 * D / G + sympy.Rational(3, 2) * D_FF,
    "You made all four projections narrow. Only keys and values are shared; queries and the output "
    "keep d_model × d_model.",
)
LENGTH.mistake(
    "multiply-adds-in-the-network",
    D + D / G + sympy.Rational(3, 4) * D_FF,
    "You counted a multiply-add of the network as one operation. Everywhere else it is two.",
)


# 4: layers that start equal


def make_layers(make, n):
    return nn.ModuleList(make() for _ in range(n))


def run_layers(answer, make, n):
    """What a model built from the answer has: parameters, and how alike two layers are."""
    calls = []

    def counted():
        calls.append(make())
        return calls[-1]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = answer(counted, n)
    model = nn.Module()
    model.layers = made
    layers = list(made)  # a generator can be read only once
    weights = torch.stack([layer.weight.detach() for layer in layers])
    biases = torch.stack([layer.bias.detach() for layer in layers])
    parts = [(a - b).norm() / a.norm() for i, a in enumerate(weights) for b in weights[:i]]
    return {
        "number of layers": len(layers),
        "calls of make": len(calls),
        "parameters that the model finds": sum(p.numel() for p in model.parameters()),
        "every layer has weights of its own": len({layer.weight.data_ptr() for layer in layers}) == n,
        "layers start different": min(float(part) for part in parts) > 0.5,
        "biases start at zero": bool((biases == 0).all()),
        "weights are small, as make() draws them": float(weights.std()) < 0.5,
    }


def make_linear(d):
    def make():
        layer = nn.Linear(d, d + 1)
        nn.init.normal_(layer.weight, std=d**-0.5)
        nn.init.zeros_(layer.bias)
        return layer

    return make


COPIES = Exercise(
    4,
    kind="find the bug",
    reference=make_layers,
    run=run_layers,
    cases=lambda: [(make_linear(8), 3), (make_linear(16), 5)],
)


@COPIES.mistake
def one_layer_many_times(make, n):
    """Your layers are all the same object: the model has the parameters of one layer. Call make() for
    each."""
    layer = make()
    return nn.ModuleList([layer] * n)


@COPIES.mistake
def copies_of_one_layer(make, n):
    """Your layers are separate, but all start with the same weights: deepcopy copies them. Call make() for
    each layer, so that each is drawn."""
    layer = make()
    return nn.ModuleList(copy.deepcopy(layer) for _ in range(n))


@COPIES.mistake
def a_plain_list(make, n):
    """A model does not find the parameters of layers in a plain list, so they would never be trained. Use
    nn.ModuleList."""
    return [make() for _ in range(n)]


@COPIES.mistake
def same_seed_for_each(make, n):
    """You set the seed before each layer, so all draws are the same. Set it once, outside."""
    layers = []
    for _ in range(n):
        torch.manual_seed(0)
        layers.append(make())
    return nn.ModuleList(layers)


@COPIES.mistake
def a_little_noise(make, n):
    """Your layers differ by a little noise only, and the biases no longer start at zero. Draw each layer by
    itself."""
    layers = copies_of_one_layer(make, n)
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter += 1e-3 * torch.randn(parameter.shape)
    return layers


@COPIES.mistake
def draws_everything_anew(make, n):
    """You drew all parameters anew with standard deviation 1, biases too. That undoes what make() has chosen:
    a scale that fits the width, and biases of zero."""
    layers = copies_of_one_layer(make, n)
    for parameter in layers.parameters():
        nn.init.normal_(parameter)
    return layers


@COPIES.mistake
def one_layer_too_many(make, n):
    """You made one layer too many."""
    return nn.ModuleList(make() for _ in range(n + 1))


@COPIES.mistake
def one_layer_too_few(make, n):
    """You made one layer too few: there must be n of them."""
    return nn.ModuleList(make() for _ in range(n - 1))


@COPIES.mistake
def matrices_drawn_anew(make, n):
    """You copied one layer and drew the matrices anew by a rule of your own. make() has a rule already, and
    yours replaces it: call make() for each layer."""
    layers = copies_of_one_layer(make, n)
    for parameter in layers.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
    return layers


@COPIES.mistake
def resets_the_copies(make, n):
    """You copied one layer and called reset_parameters. That draws by torch's rule, not by the one in make():
    the biases are no longer zero. Call make() for each layer."""
    layers = copies_of_one_layer(make, n)
    for layer in layers:
        layer.reset_parameters()
    return layers


# 5: positions when the filler is on the left


def positions_of(mask):
    return (mask.long().cumsum(1) - 1).clamp(min=0)


def run_positions(answer, mask):
    """What a table of as many positions as columns makes of the answer; filler may get any of its rows."""
    found = answer(mask)
    inside = (found >= 0) & (found < mask.shape[1])
    return {"positions of the real tokens": found * mask, "all are rows of the table": bool(inside.all())}


def filled():
    left = torch.arange(6) >= torch.tensor([[0], [3], [5]])
    return [(left,), (left.flip(1),), (torch.tensor([[0, 1, 1, 0], [0, 0, 1, 0], [1, 1, 1, 1]]).bool(),)]


LEFT = Exercise(5, kind="find the bug", reference=positions_of, run=run_positions, cases=filled)


@LEFT.mistake
def counts_columns(mask):
    """You number the columns. A sentence with filler in front then starts at a position that depends on the
    longest sentence: count the real tokens."""
    return torch.arange(mask.shape[1]).expand(mask.shape)


@LEFT.mistake
def starts_at_one(mask):
    """Your first real token has position 1. A running sum counts the token itself: subtract 1."""
    return mask.long().cumsum(1)


@LEFT.mistake
def counts_from_the_end(mask):
    """You count from the right: the last real token has position 0."""
    return (mask.long().flip(1).cumsum(1).flip(1) - 1).clamp(min=0)


@LEFT.mistake
def counts_down_the_batch(mask):
    """Your running sum goes over the sentences of the batch. Time is axis 1."""
    return (mask.long().cumsum(0) - 1).clamp(min=0)


@LEFT.mistake
def filler_always_left(mask):
    """You subtract the number of filler tokens from the column. That is right if all of them stand on the
    left, and wrong if they stand on the right."""
    return (torch.arange(mask.shape[1]) - (~mask).sum(1, keepdim=True)).clamp(min=0)


@LEFT.mistake
def filler_at_minus_one(mask):
    """Your real tokens are right, but filler in front gets -1. That is no row of a table: nn.Embedding stops
    with an error, and plain indexing takes the last row. Give it 0, for instance."""
    return mask.long().cumsum(1) - 1


@LEFT.mistake
def filler_behind_the_table(mask):
    """Your real tokens are right, but the filler gets a position that the table need not have. Take one that
    exists for certain, such as 0."""
    return torch.where(mask, mask.long().cumsum(1) - 1, mask.shape[1])


@LEFT.mistake
def columns_from_the_right(mask):
    """You number the columns from right to left. The first real token has position 0."""
    return torch.arange(mask.shape[1]).flip(0).expand(mask.shape)


@LEFT.mistake
def subtracts_before_counting(mask):
    """You subtract 1 from the mask before the running sum, so nothing is left to count. Count first, then
    subtract."""
    return (mask.long() - 1).clamp(min=0).cumsum(1)


# 6: one head looks forwards, the other backwards


REACH = Exercise(
    6,
    kind="predict",
    reference=lambda n_layers: (3**n_layers - 1) // 2,
    cases=lambda: [(1,), (2,), (3,), (6,)],
)


@REACH.mistake
def one_head(n_layers):
    """That is the reach of one head that looks forwards. The other head lengthens the paths at their
    beginnings, and a path that is handed over brings its beginning along."""
    return 2**n_layers - 1


@REACH.mistake
def whole_path(n_layers):
    """That is the length of the whole known path, backwards and forwards. Count the arrows beyond v."""
    return 3**n_layers


@REACH.mistake
def whole_path_less_one(n_layers):
    """The whole path has 3^l arrows, but only about half of them lie beyond v: write down b and c for two
    layers."""
    return 3**n_layers - 1


@REACH.mistake
def counts_from_k(n_layers):
    """That is c, the arrows from k. The token knows v = f(k) from the start: count those beyond v."""
    return (3**n_layers + 1) // 2


@REACH.mistake
def counts_backwards(n_layers):
    """One less than b. Start from c, which is one larger than b at every depth."""
    return (3**n_layers - 3) // 2


@REACH.mistake
def each_head_doubles(n_layers):
    """You let both heads double the path, one after the other. They work at the same time: two paths are
    joined to the one that is there."""
    return 4**n_layers - 1


@REACH.mistake
def one_after_the_other(n_layers):
    """Your second head reads what the first has just written. The heads of a layer read the same stream:
    compute both from the old b and c."""
    b, c = 0, 1
    for _ in range(n_layers):
        c = c + (b + c)
        b = b + (b + c)
    return c - 1


@REACH.mistake
def one_head_from_k(n_layers):
    """That is the path of one head that looks forwards, counted from k. There are two heads, and v is known
    from the start."""
    return 2**n_layers


@REACH.mistake
def twice_one_head(n_layers):
    """You took one head's reach twice. The second head looks the other way, and what it finds lengthens the
    paths that are handed over in the next layer."""
    return 2 * (2**n_layers - 1)


@REACH.mistake
def one_layer_more(n_layers):
    """That is right for one layer more. Before the first layer nothing beyond v is known: reach(0) is 0."""
    return (3 ** (n_layers + 1) - 1) // 2


@REACH.mistake
def a_hop_for_each_head(n_layers):
    """You let each head add one arrow. But a look-up finds a token that has made progress itself, and takes
    over its whole path."""
    return 2 * n_layers


@REACH.mistake
def a_hop_for_each_layer(n_layers):
    """You let each layer add one arrow. But a look-up finds a token that has made progress itself, and takes
    over its whole path."""
    return n_layers


# 7: how differently two queries look


def dobrushin(p):
    return torch.cdist(p, p, p=1).amax((-2, -1)) / 2


def weights_of_many():
    cases = []
    for seed, shape in enumerate(((4, 6), (2, 5, 3), (2, 3, 3, 7))):
        (e,) = draw(shape, seed=seed)
        cases.append((torch.softmax(2 * e, -1),))
    return cases


MIXING = Exercise(7, kind="implement", reference=dobrushin, cases=weights_of_many)


@MIXING.mistake
def forgets_the_half(p):
    """You left out the ½. Half of the sum of absolute differences is the weight that has moved, which is at
    most 1."""
    return 2 * dobrushin(p)


@MIXING.mistake
def euclidean_distance(p):
    """You took the Euclidean distance of two rows. The bound needs the sum of absolute differences, p=1."""
    return torch.cdist(p, p).amax((-2, -1)) / 2


@MIXING.mistake
def mean_of_the_pairs(p):
    """You average over the pairs of queries. The bound must hold for the pair that looks most differently:
    take the largest."""
    return torch.cdist(p, p, p=1).mean((-2, -1)) / 2


@MIXING.mistake
def neighbours_only(p):
    """You compare each query with the next one. All pairs count."""
    return (p[..., 1:, :] - p[..., :-1, :]).abs().sum(-1).amax(-1) / 2


@MIXING.mistake
def one_for_the_batch(p):
    """You take the largest over all sequences and heads. Each matrix of weights has a coefficient of its own:
    reduce the last two axes only."""
    return (torch.cdist(p, p, p=1).amax() / 2).expand(p.shape[:-2])


@MIXING.mistake
def compares_keys(p):
    """You compare columns, the keys. Two queries are two rows."""
    return dobrushin(p.mT)


@MIXING.mistake
def largest_single_difference(p):
    """You took the largest difference of two weights. Add up the differences over the keys, then take the
    largest pair."""
    return (p[..., :, None, :] - p[..., None, :, :]).abs().amax((-3, -2, -1))


@MIXING.mistake
def overlap(p):
    """That is 1 − κ, the weight that two queries have in common at least."""
    return 1 - dobrushin(p)


@MIXING.mistake
def distance_from_the_mean(p):
    """You compare each query with the mean of all. Compare them with one another."""
    return (p - p.mean(-2, keepdim=True)).abs().sum(-1).amax(-1) / 2


@MIXING.mistake
def without_absolute_values(p):
    """You add up the differences with their signs. Each row sums to one, so that is always 0."""
    return (p[..., :, None, :] - p[..., None, :, :]).sum(-1).amax((-2, -1)) / 2


@MIXING.mistake
def compares_with_the_first(p):
    """You compare each query with the first one. All pairs count."""
    return (p - p[..., :1, :]).abs().sum(-1).amax(-1) / 2


@MIXING.mistake
def squares(p):
    """You add up squares of the differences. The coefficient is made of absolute differences."""
    return (p[..., :, None, :] - p[..., None, :, :]).square().sum(-1).amax((-2, -1)) / 2


@MIXING.mistake
def another_pair_for_each_key(p):
    """You take the largest difference for each key and add these up. They can come from different pairs of
    queries: add over the keys first, then take the largest pair."""
    return (p.amax(-2) - p.amin(-2)).sum(-1) / 2


@MIXING.mistake
def mean_over_the_keys(p):
    """You take the mean over the keys. Take half of the sum."""
    return (p[..., :, None, :] - p[..., None, :, :]).abs().mean(-1).amax((-2, -1))


EXERCISES = (STACK, POOL, LENGTH, COPIES, LEFT, REACH, MIXING)
