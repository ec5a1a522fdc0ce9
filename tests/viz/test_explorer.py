"""The attention explorer: its numbers and its manners."""

from __future__ import annotations

import re

import pytest
import torch
from explored import TOKENS

from course.viz import explorer


def test_it_is_small_deterministic_and_self_contained(weights):
    page = explorer(weights, TOKENS)._repr_html_()
    assert len(page.encode()) < 30_000
    assert page == explorer(weights, TOKENS)._repr_html_()
    assert page != explorer(weights, TOKENS, title="Other")._repr_html_()
    assert not re.search(r"\b(src|href|@import|fetch|url\()\b", page)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}


def test_what_a_notebook_stores(weights):
    bundle = explorer(weights, TOKENS, title="Layer 1")._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/plain"] == "Explorer('Layer 1': 4 heads, 12 queries, 12 keys)"
    assert repr(explorer(torch.eye(3), TOKENS[:3])) == "Explorer('Attention': 1 head, 3 queries, 3 keys)"


def test_without_scripts_there_is_a_table_for_each_head(weights):
    page = explorer(weights, TOKENS, heads=["a", "b", "c", "d"])._repr_html_()
    assert page.count("<table") == 4
    assert "<caption>Attention: head b</caption>" in page
    assert page.count("<td>") == 4 * 12 * 12
    assert f"<td>{weights[0, 0, 0]:.3f}<td>{weights[0, 0, 1]:.3f}" in page


def test_tokens_are_text_and_not_markup():
    evil = ["</script><script>alert(1)</script>", '"><img onerror=alert(1)>', "&amp;"]
    page = explorer(torch.eye(3), evil, heads=['"><b>'], title="<i>$explorer")._repr_html_()
    assert "alert(1)<" not in page
    assert "<img" not in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert page.count("<script>") == page.count("</script>") == 1


def test_attention_that_needs_a_gradient_or_is_short(weights):
    explorer(weights.requires_grad_(), TOKENS)
    explorer(weights.to(torch.bfloat16), TOKENS)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ((torch.eye(3), TOKENS), ValueError, "queries must have 3 names, like the weights, but has 12"),
        ((torch.eye(3), TOKENS[:3], TOKENS), ValueError, "keys must have 3 names"),
        ((torch.eye(3), "cat"), TypeError, "queries must be a list of strings, but got 'cat'"),
        ((torch.eye(3), [1, 2, 3]), TypeError, "queries must be a list of strings"),
        ((torch.eye(3).tolist(), TOKENS[:3]), TypeError, "weights must be a torch.Tensor"),
        ((torch.eye(3, dtype=torch.long), TOKENS[:3]), TypeError, "weights must be a float tensor"),
        ((torch.eye(3)[None, None], TOKENS[:3]), ValueError, "choose one sequence of the batch"),
        ((torch.ones(3), TOKENS[:3]), ValueError, "weights must have at least 2 axes"),
        ((torch.eye(3) - 1, TOKENS[:3]), ValueError, "give the weights, not the scores"),
        ((torch.eye(3) / 0, TOKENS[:3]), ValueError, "must be finite"),
        ((2 * torch.eye(3), TOKENS[:3]), ValueError, "query 0 of head 0 sum to 2.000"),
        ((torch.eye(65), ["a"] * 65), ValueError, "at most 64 queries can be shown, but there are 65"),
    ],
)
def test_bad_input(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        explorer(*arguments)


def test_bad_heads():
    with pytest.raises(ValueError, match="heads must have 1 names, like the weights, but has 2"):
        explorer(torch.eye(3), TOKENS[:3], heads=["a", "b"])


def test_a_query_to_start_with_that_is_not_there():
    with pytest.raises(ValueError, match="start must be one of 3 queries, but got 3"):
        explorer(torch.eye(3), ["a", "b", "c"], start=3)
