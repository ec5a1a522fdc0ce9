"""Every family: what an output may depend on, how many parameters it has, and what it refuses."""

import pytest
import torch

from course.attention import padding
from course.models import BERT, GPT, Transformer, bert, gpt2, llama, original, t5

T, S = 6, 4
SIZES = {"vocabulary": 11, "d_model": 12, "n_heads": 2, "n_layers": 2, "d_ff": 10, "dropout": 0.0}
DECODERS = {
    "gpt2": lambda draw: GPT(gpt2(**SIZES), generator=draw),
    "llama": lambda draw: GPT(llama(**SIZES, n_kv_heads=1), generator=draw),
    "original": lambda draw: Transformer(original(**SIZES), generator=draw),
    "t5": lambda draw: Transformer(t5(**SIZES, d_head=5), generator=draw),
}


def made(name):
    return DECODERS[name](torch.Generator().manual_seed(0)).double()


def tokens(n, seed=0):
    return torch.randint(1, 11, (2, n), generator=torch.Generator().manual_seed(seed))


def scores(model, source, target, padded):
    if isinstance(model, GPT):
        return model(target, padding(torch.tensor([T - 2, T]), T) if padded else None)
    return model(source, target, padding(torch.tensor([S - 1, S]), S) if padded else None)


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("name", DECODERS)
def test_no_output_depends_on_a_later_token(name, padded):
    model, source, target = made(name), tokens(S), tokens(T, 1)
    first = scores(model, source, target, padded)
    for t in range(T):
        changed = target.clone()
        changed[:, t] = changed[:, t] % 10 + 1
        came = scores(model, source, changed, padded)
        assert torch.equal(came[:, :t], first[:, :t])
        assert (came[:, t] != first[:, t]).any()


@pytest.mark.parametrize("name", DECODERS)
def test_all_at_once_equals_step_by_step(name):
    model, source, target = made(name), tokens(S), tokens(T, 1)
    at_once = scores(model, source, target, False)
    for t in range(1, T + 1):
        step = scores(model, source, target[:, :t], False)[:, -1]
        torch.testing.assert_close(step, at_once[:, t - 1], rtol=0, atol=1e-12)


def test_bert_reads_both_ways_but_no_padding():
    model = BERT(bert(**SIZES), generator=torch.Generator().manual_seed(0)).double()
    text, mask = tokens(T), padding(torch.tensor([T - 2, T - 2]), T)
    first = model(text, mask)
    last, padded = text.clone(), text.clone()
    last[:, T - 3] = last[:, T - 3] % 10 + 1
    padded[:, T - 1] = padded[:, T - 1] % 10 + 1
    assert (model(last, mask)[:, 0] != first[:, 0]).any()
    assert torch.equal(model(padded, mask)[:, : T - 2], first[:, : T - 2])
    segments = torch.ones_like(text)
    assert (model(text, mask, segments) != first).any()


@pytest.mark.parametrize(
    ("model", "published"),
    [
        (lambda: GPT(gpt2()), 124_439_808),  # Hugging Face's gpt2
        (lambda: BERT(bert()), 109_514_298),  # bert-base-uncased with its head for masked tokens
        (lambda: GPT(llama()), 8_030_261_248),  # Llama 3.1 8B
        (lambda: Transformer(t5()), 60_506_624),  # t5-small
    ],
    ids=["gpt2", "bert", "llama", "t5"],
)
def test_parameters_of_the_published_models(model, published):
    with torch.device("meta"):  # shapes without memory
        assert sum(p.numel() for p in model().parameters()) == published


def test_refusals():
    with pytest.raises(ValueError, match="time = 5"):
        made("gpt2")(tokens(T), padding(torch.tensor([T, T - 1]), T)[..., : T - 1])
    with pytest.raises(TypeError, match="tokens must be an int"):
        made("gpt2")(torch.zeros(2, 3))
    with pytest.raises(TypeError, match="source must be an int"):
        made("t5")(torch.zeros(2, 3), tokens(T))
    with pytest.raises(TypeError, match="tokens must be an int"):
        BERT(bert(**SIZES))(torch.zeros(2, 3))
