"""Tiny random models of Hugging Face under our names, and ours under theirs: the same numbers."""

import re

import pytest
import torch
import transformers

from course.attention import padding
from course.models import GPT, Transformer
from course.models.pretrained import configuration, copy_weights, export, first_difference, load

V, T, S = 17, 7, 5


def made(name):
    """One of their models, every parameter moved: where norms and biases start, mistakes are hidden."""
    hidden = {"vocab_size": V, "hidden_size": 12, "num_hidden_layers": 2, "intermediate_size": 10}
    t5 = {"vocab_size": V, "d_model": 12, "d_kv": 5, "num_layers": 2, "num_heads": 3, "d_ff": 10}
    t5 |= {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 6}
    models = {
        "bert": lambda: transformers.BertForMaskedLM(
            transformers.BertConfig(**hidden, num_attention_heads=3, max_position_embeddings=9)
        ),
        "gpt2": lambda: transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=V, n_positions=9, n_embd=12, n_layer=2, n_head=3, bos_token_id=1, eos_token_id=1
            )
        ),
        "llama": lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                **hidden, num_attention_heads=6, num_key_value_heads=2, head_dim=4, rope_theta=300.0
            )
        ),
        "t5": lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(**t5)),
        "t5 gated": lambda: transformers.T5ForConditionalGeneration(
            transformers.T5Config(**t5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
        ),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = models[name]()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def tokens(n, seed):
    return torch.randint(0, V, (2, n), generator=torch.Generator().manual_seed(seed))


NAMES = ["bert", "gpt2", "llama", "t5", "t5 gated"]
SOURCE, TARGET, LENGTHS = tokens(S, 0), tokens(T, 1), torch.tensor([T, T - 2])


def theirs_scores(model, padded=False):
    long = padding(LENGTHS if padded else torch.tensor([T, T]), T)[:, 0, 0].long()
    if model.config.model_type == "t5":
        return model(input_ids=TARGET, attention_mask=long, decoder_input_ids=SOURCE).logits
    return model(input_ids=TARGET, attention_mask=long).logits


def our_scores(model, padded=False):
    mask = padding(LENGTHS, T) if padded else None
    if isinstance(model, Transformer):
        return model(TARGET, SOURCE, mask)
    return model(TARGET, mask)


def assert_scores(came, expected):
    """Equal to 1e-5, 170 roundings of float32 on the way through two layers.

    They are relative to the terms that are summed for a score, which are as large as the largest score: some
    scores nearly vanish, and those of T5, whose head has no scale, reach 9.
    """
    torch.testing.assert_close(came, expected, rtol=0, atol=1e-5 * max(1, expected.abs().max().item()))


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("name", NAMES)
def test_theirs_loaded(name, padded):
    theirs = made(name)
    ours = load(theirs.config, theirs.state_dict())
    came, expected = our_scores(ours, padded), theirs_scores(theirs, padded)
    if padded and not name.startswith("t5"):
        keep = padding(LENGTHS, T)[:, 0, 0]
        came, expected = came[keep], expected[keep]
    assert_scores(came, expected)
    uneven = torch.linspace(-1, 2, came.numel()).reshape(came.shape)
    tables = [ours.embedding.table]
    if name == "t5 gated":  # their class ties the head whatever the configuration says
        tables.append(ours.head.table)
    a = sum(torch.autograd.grad((came * uneven).sum(), tables))
    (b,) = torch.autograd.grad((expected * uneven).sum(), theirs.get_input_embeddings().weight)
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_ours_exported(name):
    theirs = made(name)
    model_type = theirs.config.model_type
    ours = load(theirs.config, theirs.state_dict())
    for parameter in ours.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    theirs.load_state_dict(export(ours, model_type), strict=True)
    assert_scores(our_scores(ours), theirs_scores(theirs))
    back = load(theirs.config, theirs.state_dict())
    for a, b in zip(ours.state_dict().values(), back.state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("name", "layer", "there"),
    [
        ("gpt2", "stack.layers.1.feed_forward.norm", "transformer.h.1.ln_2"),
        ("bert", "norm", "bert.embeddings.LayerNorm"),
        ("llama", "stack.layers.0.self_attention.sublayer.w_k", "model.layers.0.self_attn.k_proj"),
        ("t5", "decoder.layers.1.cross_attention.sublayer.w_v", "decoder.block.1.layer.1.EncDecAttention.v"),
    ],
)
def test_the_first_layer_that_differs_is_named(name, layer, there):
    theirs = made(name)
    ours = load(theirs.config, theirs.state_dict())

    def run(model):
        return our_scores(model) if model is ours else theirs_scores(model)

    assert first_difference(ours, theirs, run, theirs.config.model_type) is None
    ours.get_submodule(layer).weight.data.mul_(1.5)
    report = first_difference(ours, theirs, run, theirs.config.model_type)
    assert report.startswith(f"{layer} ({there}) is the first layer that differs, by ")


def test_a_missing_weight_is_named():
    theirs = made("llama")
    state = theirs.state_dict()
    del state["model.layers.1.mlp.up_proj.weight"]
    with pytest.raises(KeyError, match=r"lack model\.layers\.1\.mlp\.up_proj\.weight"):
        load(theirs.config, state)


def test_a_wrong_shape_is_named():
    theirs = made("gpt2")
    state = theirs.state_dict()
    state["transformer.h.0.attn.c_attn.weight"] = torch.zeros(12, 35)
    with pytest.raises(ValueError, match=r"c_attn\.weight must be \(36, 12\), but is \(35, 12\)"):
        load(theirs.config, state)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("llama", "model.layers.0.self_attn.q_proj.bias"),
        ("gpt2", "transformer.h.2.ln_1.weight"),
        ("llama", "model.layers.1.mlp.up_proj.weight_scale"),
        ("t5", "encoder.block.1.layer.0.SelfAttention.relative_attention_bias.weight"),
    ],
)
def test_a_weight_without_a_place_is_named(name, extra):
    theirs = made(name)
    with pytest.raises(ValueError, match=rf"hold {re.escape(extra)}, which has no place"):
        load(theirs.config, theirs.state_dict() | {extra: torch.ones(12)})


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("gpt2", "transformer.h.0.attn.bias"),
        ("gpt2", "transformer.h.1.attn.masked_bias"),
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"),
        ("bert", "bert.embeddings.position_ids"),
        ("bert", "bert.pooler.dense.weight"),
        ("bert", "cls.seq_relationship.bias"),
    ],
)
def test_buffers_and_other_heads_are_left_out(name, extra):
    """Also where a file begins with them: an integer buffer says nothing of the dtype."""
    theirs = made(name)
    ours = load(theirs.config, {extra: torch.zeros(1, 9, dtype=torch.int64)} | theirs.state_dict())
    torch.testing.assert_close(our_scores(ours), theirs_scores(theirs), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.int8, torch.float8_e4m3fn])
def test_quantised_weights_are_refused(dtype):
    theirs = made("llama")
    state = {name: weight.to(dtype) for name, weight in theirs.state_dict().items()}
    with pytest.raises(ValueError, match=f"is {dtype}; quantised weights have no counterpart"):
        load(theirs.config, state)


@pytest.mark.parametrize("kept", ["transformer.wte.weight", "lm_head.weight"])
def test_of_tied_weights_one_will_do(kept):
    theirs = made("gpt2")
    gone = {"transformer.wte.weight", "lm_head.weight"} - {kept}
    state = {name: weight for name, weight in theirs.state_dict().items() if name not in gone}
    ours = load(theirs.config, state)
    torch.testing.assert_close(our_scores(ours), theirs_scores(theirs), rtol=0, atol=1e-5)


def test_tied_weights_that_differ_are_refused():
    theirs = made("gpt2")
    state = theirs.state_dict() | {"lm_head.weight": torch.zeros(V, 12)}
    with pytest.raises(ValueError, match=r"lm_head\.weight differs from transformer\.wte\.weight"):
        load(theirs.config, state)


def test_the_widest_dtype_is_kept():
    theirs = made("llama")
    half = {name: weight.bfloat16() for name, weight in theirs.state_dict().items()}
    assert load(theirs.config, half).head.table.dtype == torch.bfloat16
    half["model.norm.weight"] = half["model.norm.weight"].float()
    assert load(theirs.config, half).head.table.dtype == torch.float32


def test_t5_in_float16_is_refused():
    theirs = made("t5").half()
    with pytest.raises(ValueError, match="T5 overflows in float16"):
        load(theirs.config, theirs.state_dict())


def test_a_feed_forward_width_written_out():
    with torch.random.fork_rng(devices=[]):
        config = transformers.GPT2Config(
            vocab_size=V, n_positions=9, n_embd=12, n_layer=1, n_head=3, n_inner=20
        )
        theirs = transformers.GPT2LMHeadModel(config).eval()
    ours = load(theirs.config, theirs.state_dict())
    torch.testing.assert_close(our_scores(ours), theirs_scores(theirs), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (transformers.LlamaConfig(is_causal=False), "is_causal = False has no counterpart"),
        (transformers.BertConfig(add_cross_attention=True), "add_cross_attention = True has no counterpart"),
        (transformers.GPT2Config(sliding_window=4), "sliding_window = 4 has no counterpart"),
        (transformers.GPT2Config(scale_attn_weights=False), "scale_attn_weights must be True, but is False"),
        (transformers.BertConfig(hidden_act="tanh"), "activation must be one of .*'tanh'"),
        (transformers.LlamaConfig(attention_bias=True), "attention_bias must be False"),
        (
            transformers.LlamaConfig(
                rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
            ),
            "rope_type must be 'default', but is 'linear'",
        ),
        (transformers.T5Config(num_layers=2, num_decoder_layers=3), "num_decoder_layers must be 2, but is 3"),
        (transformers.BloomConfig(), "must be one of bert, gpt2, llama, t5.*'bloom'"),
    ],
)
def test_settings_without_counterpart(config, words):
    with pytest.raises(ValueError, match=words):
        configuration(config)


def test_an_unknown_family():
    with pytest.raises(ValueError, match="'bloom'"):
        export(GPT(configuration(made("gpt2").config)), "bloom")
    with pytest.raises(ValueError, match="'bloom'"):
        copy_weights(GPT(configuration(made("gpt2").config)), {}, "bloom")
