"""What attention is, in plain tensors: scores, softmax, masks, weights, partial results, features, gradients.

:mod:`course.attention` hands on what readers import from here.
"""
