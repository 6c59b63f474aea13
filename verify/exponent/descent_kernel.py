"""The compiled inner loop of the optimisers beyond plain SGD: heavy ball, weight decay, reshuffled epochs, vector outputs. As `kernels`, it imports numba."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .kernels import Kernel, advanced, chosen, compiled, renormalised, scrambled


@functools.cache
def descent(factor: bool, momentum: bool) -> Kernel:
    """r <- stay r - back r_previous - scale sum_k a_k rows[k] over the rows k of the drawn samples, a_k = r_k, or <rows[k], r> with `factor` (rows: gradients).

    `rows` (k, n) is K in residual coordinates or the gradients; sample i owns the rows first[i] .. first[i+1]-1, none if it does nothing here. The state is
    (r, r_previous) with `momentum`, else r. Without replacement the samples of a period are drawn by a Fisher-Yates shuffle of `order` (chains, N): a period of
    one step is a batch without replacement, of N/B steps an epoch. The vector is renormalised every `gap` steps; rounds and spacing count periods.
    A step costs (1 + B q) n multiplications, twice that with `factor`.
    """

    @compiled
    def run(
        rows: Any, scale: float, stay: float, back: float, first: Any, keep: Any, alias: Any, batch: int, replacement: bool, period: int, gap: int,
        order: Any, state: Any, rng: Any, rounds: int, spacing: int, growth: Any,
    ) -> None:  # fmt: skip
        n, samples, most = rows.shape[1], first.shape[0] - 1, 0
        for i in range(samples):
            most = max(most, first[i + 1] - first[i])
        picked, weight = np.empty(batch * most, np.int64), np.empty(batch * most)
        for chain in range(state.shape[0]):
            r, s = state[chain], rng[chain]
            for _ in range(rounds):
                since = 0
                for _ in range(spacing):
                    place = 0
                    for _ in range(period):
                        count = 0
                        for _ in range(batch):
                            s = advanced(s)
                            if replacement:
                                i = chosen(scrambled(s) * samples, keep, alias)
                            else:
                                at = place + np.int64(scrambled(s) * (samples - place))
                                i = order[chain, at]
                                order[chain, at] = order[chain, place]
                                order[chain, place] = i
                                place += 1
                            for k in range(first[i], first[i + 1]):
                                a = 0.0
                                if factor:
                                    for j in range(n):
                                        a += rows[k, j] * r[j]
                                else:
                                    a = r[k]
                                picked[count], weight[count] = k, scale * a
                                count += 1
                        if momentum:
                            for j in range(n):
                                before = r[j]
                                r[j] = stay * before - back * r[n + j]
                                r[n + j] = before
                        elif stay != 1.0:
                            for j in range(n):
                                r[j] *= stay
                        for c in range(count):
                            k, a = picked[c], weight[c]
                            for j in range(n):
                                r[j] -= a * rows[k, j]
                        since += 1
                        if since == gap:
                            growth[chain] += renormalised(r, r.shape[0], gap == 1)
                            since = 0
                if since > 0:
                    growth[chain] += renormalised(r, r.shape[0], False)
            rng[chain] = s

    return run
