"""SGD for real: many runs of one network at once, on given samples, with the gradients that JAX takes of the loss itself.

A step is w_(n+1) = y - eta_n (grad L_S(y) + omega y) + [beta (w_n - w_(n-1))], heavy ball with y = w_n, Nesterov's with y = w_n + beta (w_n - w_(n-1)) and
without the bracket. Floats in double precision stop near residuals of 1e-16 |w|. `carried` runs go on below it: they keep the residuals r themselves and move
them by r <- r + integral_0^1 J(w + t d) d dt, d the displacement of the step (Gauss-Legendre in t), which loses no digits however small d is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..exact import InputError
from ..optimiser import Optimiser, checked_for
from ..result import as_float
from .draws import Indices, draws
from .levenberg_marquardt import checked_targets
from .loss import Loss, loss_of
from .model import Floats, Network, checked_network
from .precision import double_precision, jax_module

NODES = 3


@dataclass(frozen=True)
class State:
    """Runs between two steps: w and the last displacement (runs, D), and carried residuals (runs, N, q) or None. JAX or NumPy arrays.

    The displacement is kept and not w_(n-1), since w_n - w_(n-1) has no digits left where carried runs go.
    """

    w: Any
    displacement: Any
    carried: Any = None


@dataclass(frozen=True)
class Descent:
    """An optimiser (in the convention of `loss`) on a network with targets (N, q). `nesterov` changes what momentum means."""

    network: Network
    targets: Floats
    optimiser: Optimiser
    loss: Loss
    nesterov: bool = False

    @classmethod
    def of(cls, network: Network, targets: Any, optimiser: Optimiser, loss: Loss | str, *, nesterov: bool = False) -> Descent:
        """Raises `InputError` where the optimiser does not fit the samples, or Nesterov's method has no momentum."""
        optimiser = checked_samples(optimiser, checked_network(network).size)
        if nesterov and not optimiser.momentum:
            raise InputError('nesterov needs momentum; write for example SGD("1/10", momentum="9/10")')
        return cls(network, checked_targets(network, targets), optimiser, loss_of(loss), nesterov)

    def at(self, optimiser: Optimiser) -> Descent:
        """The same with another optimiser, and with the programs compiled so far: they take step size, momentum and weight decay as arguments."""
        other = replace(self, optimiser=checked_samples(optimiser, self.network.size))
        vars(other).update(_residuals=self._residuals, _plain=self._plain, _carrying=self._carrying)
        return other

    def start(self, w: Floats, carried: bool = False) -> State:
        """Runs at rest at w (runs, D)."""
        return State(w, np.zeros_like(w), self.residuals(w) if carried else None)

    @double_precision
    def residuals(self, w: Any) -> Floats:
        """F(w) - z of every run: (runs, N, q)."""
        return np.asarray(self._residuals(w))

    @double_precision
    def moved(self, state: State, indices: Indices, every: int, scale: Floats | None = None) -> tuple[State, Floats]:
        """The state after the steps of `indices` (steps, runs, B), and log rms of the residuals of all samples after each `every` steps, (steps/every, runs).

        `scale` (steps,) multiplies the step size, for schedules. `every` must divide the number of steps.
        """
        steps, runs, b = indices.shape
        shape = (steps // every, every)
        factors = np.ones(shape) if scale is None else np.asarray(scale, dtype=float).reshape(shape)
        eta, decay, beta = (as_float(x) for x in (self.optimiser.step_size, self.optimiser.weight_decay, self.optimiser.momentum))
        run = self._plain if state.carried is None else self._carrying
        carry = (state.w, state.displacement) if state.carried is None else (state.w, state.displacement, state.carried)
        carry, logs = run(carry, (np.reshape(indices, (*shape, runs, b)), eta * factors), decay, beta)
        return State(*carry), np.asarray(logs)

    def course(self, state: State, steps: int, every: int, seed: int, piece: int) -> Iterator[tuple[State, Floats, Indices]]:
        """Pieces of `piece` steps (a multiple of `every`, and of an epoch): (state, logs, samples) after each, until `steps` are made."""
        rng = np.random.default_rng(seed)
        for _ in range(-(-steps // piece)):
            indices = draws(self.optimiser, self.network.size, piece, len(state.w), rng)
            state, logs = self.moved(state, indices, every)
            yield state, logs, indices

    @cached_property
    def _residuals(self) -> Any:
        jax = jax_module()
        return jax.jit(jax.vmap(lambda w: self.network.batched(w, self.network.inputs) - self.targets))

    def descended(self, y: Any, samples: Any, eta: Any, decay: Any, carried: Any = None) -> Any:
        """-eta (grad L_S(y) + omega y) of one run; `carried` are the residuals at y, where they are known better than by evaluating the model."""
        jax = jax_module()
        inputs = jax.tree.map(lambda a: jax.numpy.asarray(a)[samples], self.network.inputs)
        values, pull = jax.vjp(lambda v: self.network.batched(v, inputs), y)
        residuals = values - jax.numpy.asarray(self.targets)[samples] if carried is None else carried[samples]
        return -eta * (pull(jax.grad(self.loss.value)(residuals))[0] + decay * y)

    @cached_property
    def _plain(self) -> Any:
        def step(w: Any, last: Any, samples: Any, eta: Any, decay: Any, beta: Any) -> Any:
            push = beta * last
            d = push + self.descended(w + push if self.nesterov else w, samples, eta, decay)
            return w + d, d

        return jax_module().jit(self._recorded(step, lambda carry: self._residuals(carry[0])))

    @cached_property
    def _carrying(self) -> Any:
        jax = jax_module()
        nodes, weights = np.polynomial.legendre.leggauss(NODES)

        def change(w: Any, d: Any) -> Any:
            """F(w + d) - F(w), to the relative precision of d."""

            def along(t: float) -> Any:
                return jax.jvp(lambda v: self.network.batched(v, self.network.inputs), (w + t * d,), (d,))[1]

            return jax.numpy.tensordot(weights / 2, jax.vmap(along)((nodes + 1) / 2), 1)

        def step(w: Any, last: Any, r: Any, samples: Any, eta: Any, decay: Any, beta: Any) -> Any:
            push = beta * last
            if self.nesterov:
                y, at_y = w + push, r + change(w, push)
                d = self.descended(y, samples, eta, decay, at_y)
                return y + d, push + d, at_y + change(y, d)
            d = push + self.descended(w, samples, eta, decay, r)
            return w + d, d, r + change(w, d)

        return jax.jit(self._recorded(step, lambda carry: carry[2]))

    def _recorded(self, step: Any, residuals: Any) -> Any:
        """The program of `moved`: scans over pieces and steps, vectorised over the runs."""
        jax = jax_module()

        def program(carry: Any, data: Any, decay: Any, beta: Any) -> Any:
            def inner(carry: Any, one: Any) -> Any:
                return jax.vmap(step, (*[0] * len(carry), 0, None, None, None))(*carry, *one, decay, beta), None

            def outer(carry: Any, piece: Any) -> Any:
                carry, _ = jax.lax.scan(inner, carry, piece)
                return carry, 0.5 * jax.numpy.log((residuals(carry) ** 2).mean((1, 2)))

            return jax.lax.scan(outer, carry, data)

        return program


def checked_samples(optimiser: Optimiser, size: int) -> Optimiser:
    """`optimiser.checked_for` without a Gram matrix, which only Kaczmarz weights need. Raises `InputError`."""
    if getattr(optimiser, "kaczmarz", False) and getattr(optimiser, "weights", None) is None:
        raise InputError('weights = "kaczmarz" depend on the minimum; give the weights as numbers, K_ii')

    class Sized:
        pass

    stand_in: Any = Sized()
    stand_in.size = size
    return checked_for(optimiser, stand_in)


def ball(centre: Floats, radius: float, runs: int, rng: np.random.Generator) -> Floats:
    """Starts (runs, D) at the distance `radius` from `centre`, in uniform directions."""
    d = rng.standard_normal((runs, len(centre)))
    return np.asarray(centre + radius * d / np.linalg.norm(d, axis=1, keepdims=True))
