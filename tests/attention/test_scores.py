import math

import torch

from course.attention import cosine, dot_product, scaled_dot_product


def pair(dtype=torch.float64):
    draw = torch.Generator().manual_seed(0)
    return (torch.randn(2, n, 3, generator=draw, dtype=dtype) for n in (4, 5))


def by_loop(q, k, score):
    return torch.stack(
        [
            torch.stack([torch.stack([score(a, b) for b in keys]) for a in rows])
            for rows, keys in zip(q, k, strict=True)
        ]
    )


def test_dot_product_equals_a_loop():
    q, k = pair()
    torch.testing.assert_close(dot_product(q, k), by_loop(q, k, torch.dot))


def test_scaled_dot_product_divides_by_the_root_of_the_width():
    q, k = pair()
    torch.testing.assert_close(scaled_dot_product(q, k), by_loop(q, k, torch.dot) / math.sqrt(3))
    torch.testing.assert_close(scaled_dot_product(q, k, 2.0), by_loop(q, k, torch.dot) * 2)


def test_cosine_equals_torch_and_a_zero_vector_agrees_with_nothing():
    q, k = pair()
    q[0, 1] = 0
    expected = by_loop(q, k, lambda a, b: torch.cosine_similarity(a, b, dim=0))
    torch.testing.assert_close(cosine(q, k), expected)
    assert (cosine(q, k)[0, 1] == 0).all()


def test_gradients():
    q, k = (x.requires_grad_() for x in pair())
    for score in (dot_product, scaled_dot_product, cosine):
        assert torch.autograd.gradcheck(score, (q, k))
