"""PyTorch models through `torch.func`: K, residuals and what is known of smoothness, for the analysis of JAX models. No extra installs torch.

H1 is looked at in the ATen operations that one forward pass makes (`make_fx`), so that functions count as well as modules. An operation that is not listed is
unknown, and the verdict undecided.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, cast

import numpy as np

from ..exact import InputError
from ..optimiser import Optimiser
from .analysis import TOLERANCE, Interpolation, NetworkAnalysis, analyse_kernel, checked_optimiser, gram_accuracy
from .kernel import Kernel
from .levenberg_marquardt import checked_targets
from .loss import Loss, loss_of
from .model import MEMORY, Floats, Network, checked_gram
from .precision import single_precision
from .smoothness import Kinks, Smoothness, mismatch
from .step_sizes import checked_options

SMOOTH = frozenset((
    "_adaptive_avg_pool2d", "_log_softmax", "_native_batch_norm_legit_no_training", "_scaled_dot_product_flash_attention_for_cpu", "_softmax",
    "_to_copy", "_unsafe_view", "add", "addcmul", "addmm", "alias", "arange", "avg_pool2d", "baddbmm", "bmm", "cat", "clone", "constant_pad_nd",
    "convolution", "cos", "div", "dot", "embedding", "empty", "erf", "exp", "expand", "expm1", "full", "gelu", "getitem", "linear",
    "log_sigmoid_forward", "logaddexp", "logsumexp", "matmul", "mean", "mish", "mm", "mul", "mv", "native_batch_norm", "native_dropout",
    "native_group_norm", "native_layer_norm", "neg", "ones", "permute", "reshape", "rsub", "select", "sigmoid", "silu", "sin", "slice", "softplus",
    "split", "split_with_sizes", "squeeze", "stack", "sub", "sum", "t", "tanh", "transpose", "unbind", "unsqueeze", "view", "zeros",
))  # fmt: skip
AT_ZERO = {"relu": True, "leaky_relu": None, "elu": None, "abs": None, "sign": None, "sgn": None, "celu": None}  # the kink at 0, and whether m < 0 is flat
ELSEWHERE = frozenset((
    "_prelu_kernel", "amax", "amin", "argmax", "argmin", "ceil", "clamp", "clamp_max", "clamp_min", "eq", "floor", "ge", "gt", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "le", "linalg_vector_norm", "log", "lt", "max", "max_pool1d", "max_pool2d_with_indices", "maximum", "min",
    "minimum", "ne", "norm", "pow", "prelu", "reciprocal", "round", "rrelu_with_noise", "rsqrt", "softshrink", "sort", "sqrt", "threshold", "topk",
    "trunc", "where",
))  # fmt: skip
EXACT = 2e8  # numbers in the gradients of all margins up to which they are computed


def analyse_torch(
    module: Any,
    inputs: Any,
    targets: Any,
    optimiser: Optimiser,
    *,
    loss: Loss | str | None = None,
    reduction: str | None = None,
    tolerance: float = TOLERANCE,
    smooth: bool = False,
    **options: Any,
) -> NetworkAnalysis:
    """Analyse a `torch.nn.Module` at its present parameters, as `analyse_network` does a JAX model. The module sees batches: `inputs` (N, ...), outputs (N, q).

    There is no default for `loss`. The parameters are those with `requires_grad`, all float64. `smooth` True: H1 is assumed. Raises `InputError` for bad
    input, a module in training mode with dropout or batch statistics, and for what is no minimum.
    """
    convention = loss_of(loss, reduction)
    checked_optimiser(optimiser)
    checked_options(**options)
    model = TorchNetwork(module, inputs)
    z = checked_targets(cast(Any, model), _array(targets, "targets"))
    residuals = model.values(model.start) - z
    try:
        Interpolation.of(residuals, z, tolerance)  # before K is computed
    except InputError as error:
        raise InputError(f"{error}{single_precision(inputs=inputs, targets=targets)}") from None
    try:
        gram = checked_gram(model.gram(model.start))
        accuracy = gram_accuracy(model, model.start, gram, residuals)
    except InputError:
        raise
    except Exception as error:  # whatever torch.func finds in a user's model
        raise InputError(f"module cannot be differentiated: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
    kernel = Kernel.of(gram, model.outputs, model.parameters, accuracy)
    seen = Smoothness("", given=True) if smooth else model.smoothness()
    return analyse_kernel(kernel, residuals, z, optimiser, loss=convention, smoothness=seen, tolerance=tolerance, **options)


class TorchNetwork:
    """F(w) in R^(N x q) of a module, with flat parameters w (D,), in double precision on the module's device. Results are NumPy arrays."""

    def __init__(self, module: Any, inputs: Any) -> None:
        """Raises `InputError`; see `analyse_torch`."""
        torch = self.torch = torch_module()
        if not isinstance(module, torch.nn.Module):
            raise InputError(f"module = {type(module).__name__} is not a torch.nn.Module; for a JAX model use analyse_network")
        _check_mode(module)
        self.module = module
        self.named = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
        _check_parameters(self.named)
        self.start: Floats = torch.cat([p.reshape(-1) for p in self.named.values()]).cpu().numpy().copy()
        array = _array(inputs, "inputs")
        if not array.ndim or not len(array) or not np.isfinite(array).all():
            raise InputError(f"inputs has shape {array.shape} or entries that are not finite; its first axis counts the samples, at least one")
        kept = inputs if isinstance(inputs, torch.Tensor) else torch.as_tensor(array)
        self.inputs = kept.detach().to(next(iter(self.named.values())).device)
        self.inputs = self.inputs.double() if self.inputs.is_floating_point() else self.inputs
        self.size = len(self.inputs)
        self.outputs = self._probe()
        if self.parameters < self.size * self.outputs:
            raise InputError(f"the model has D = {self.parameters} parameters for N q = {self.size * self.outputs} outputs: K is singular and H2 fails")

    def _probe(self) -> int:
        """q. The module is called on one sample and on all, twice: both must agree."""
        try:
            one, many, again = (self._function(self._split(self.start), x) for x in (self.inputs[:1], self.inputs, self.inputs))
        except InputError:
            raise
        except Exception as error:  # whatever a user's model raises
            raise InputError(f"module(inputs) fails: {type(error).__name__}: {' '.join(str(error).split())[:200]}") from None
        if one.dtype != self.torch.float64:
            raise InputError(f"module(inputs) is {one.dtype}: somewhere it leaves double precision; remove the casts in its forward")
        if many.shape[0] != self.size or one.numel() == 0:
            raise InputError(f"module(inputs) has shape {tuple(many.shape)} for {self.size} inputs; its first axis must count the samples")
        if not self.torch.equal(many, again):
            raise InputError("module(inputs) differs from call to call: dropout, noise or state; call module.eval() first")
        if float((many[:1] - one).abs().max()) > 1e-9 * (1 + float(one.abs().max())):
            raise InputError("module(inputs) gives a sample another output in a batch than alone: batch statistics; call module.eval() first")
        return int(one.numel())

    def _function(self, named: Any, x: Any) -> Any:
        """(n, q)."""
        found = self.torch.func.functional_call(self.module, named, (x,))
        if not isinstance(found, self.torch.Tensor):
            raise InputError(f"module(inputs) is {type(found).__name__}, not a tensor; wrap the module so that only the output is left")
        return found.reshape(len(x), -1)

    def _split(self, w: Any) -> dict[str, Any]:
        flat = w if isinstance(w, self.torch.Tensor) else self.torch.as_tensor(np.asarray(w), device=self.inputs.device)
        parts = self.torch.split(flat, [p.numel() for p in self.named.values()])
        return {name: part.reshape(p.shape) for (name, p), part in zip(self.named.items(), parts, strict=True)}

    @property
    def parameters(self) -> int:
        """D."""
        return len(self.start)

    def values(self, w: Floats) -> Floats:
        """F(w): (N, q)."""
        with self.torch.no_grad():
            return np.asarray(self._function(self._split(w), self.inputs).cpu().numpy(), dtype=float)

    def pull(self, w: Floats, u: Floats) -> Floats:
        """J^T u (D,) for u (N, q)."""
        flat = self.torch.as_tensor(w, device=self.inputs.device)
        pulled = self.torch.func.vjp(lambda v: self._function(self._split(v), self.inputs), flat)[1](self.torch.as_tensor(u, device=flat.device))[0]
        return np.asarray(pulled.detach().cpu().numpy(), dtype=float)

    def jacobian(self, w: Floats, samples: slice = slice(None)) -> Floats:
        """The rows g_(i a), (n q, D)."""
        torch, flat = self.torch, self.torch.as_tensor(w, device=self.inputs.device)
        rows = torch.func.vmap(torch.func.jacrev(lambda v, x: self._function(self._split(v), x[None])[0]), (None, 0))(flat, self.inputs[samples])
        return np.asarray(rows.reshape(-1, self.parameters).detach().cpu().numpy(), dtype=float)

    def gram(self, w: Floats, memory: int = MEMORY) -> Floats:
        """K = J J^T, in blocks as for JAX models."""
        return Network.gram(cast(Network, self), w, memory)

    @cached_property
    def _graph(self) -> Any:
        from torch.fx.experimental.proxy_tensor import make_fx

        return make_fx(lambda v, x: self._function(self._split(v), x[None])[0])(self.torch.as_tensor(self.start, device=self.inputs.device), self.inputs[0])

    def smoothness(self) -> Smoothness:
        """H1, from the operations of one forward pass; distances of kinks at zero where their gradients fit."""
        try:
            graph = self._graph
        except Exception as error:
            return Smoothness("", unknown=(f"the forward pass, which cannot be traced ({type(error).__name__})",))
        moved, kinks, unknown, located = set[Any](), list[Kinks](), list[str](), list[Any]()
        first = True
        for node in graph.graph.nodes:
            if node.op == "placeholder":
                moved |= {node} if first else set()
                first = False
            if node.op != "call_function" or not moved.intersection(node.all_input_nodes):
                continue
            moved.add(node)
            name = getattr(node.target, "overloadpacket", node.target).__name__
            if name in AT_ZERO:
                kinks.append(Kinks(name, math.prod(node.meta["val"].shape)))
                located.append((node.args[0], len(kinks) - 1, AT_ZERO[name]))
            elif name == "div" and node.args[1] not in moved:
                continue
            elif name in ELSEWHERE or name == "div":
                kinks.append(Kinks(name, math.prod(getattr(node.meta.get("val"), "shape", (1,)))))
            elif name not in SMOOTH:
                unknown.append(name)
        count = sum(kinks[k].count for _, k, _ in located)
        if located and count * self.size * self.parameters <= EXACT:
            kinks = self._located(located, kinks)
        seen = Smoothness("every operation of the forward pass is smooth", tuple(kinks), tuple(sorted(set(unknown))), float(np.linalg.norm(self.start)))
        radius = seen.radius
        return seen if radius is None else Smoothness(seen.basis, seen.kinks, seen.unknown, seen.size, mismatch(self, self.start, radius, 0))

    def _located(self, located: list[Any], kinks: list[Kinks]) -> list[Kinks]:
        """The kinks with their distances: arguments m and |grad_w m|, sample by sample."""
        torch, graph = self.torch, self._graph
        wanted = {node for node, _, _ in located}

        class Recorder(torch.fx.Interpreter):  # type: ignore[misc, name-defined]
            def run_node(self, node: Any) -> Any:
                found = super().run_node(node)
                if node in wanted:
                    self.seen[node] = found
                return found

        def margins(v: Any, x: Any) -> Any:
            recorder = Recorder(graph)
            recorder.seen = {}
            recorder.run(v, x)
            return torch.cat([recorder.seen[node].reshape(-1) for node, _, _ in located])

        flat, m, norms = torch.as_tensor(self.start, device=self.inputs.device), [], []
        for x in self.inputs:
            m.append(margins(flat, x).detach().cpu().numpy())
            norms.append(torch.linalg.vector_norm(torch.func.jacrev(margins)(flat, x), dim=1).detach().cpu().numpy())
        cuts = np.cumsum([kinks[k].count for _, k, _ in located])[:-1]
        out = list(kinks)
        for part, norm, (_, k, side) in zip(np.split(np.stack(m), cuts, 1), np.split(np.stack(norms), cuts, 1), located, strict=True):
            out[k] = out[k].measured(part, norm, side)
        return out


def torch_module() -> Any:
    """PyTorch, or an `InputError` that says how to get it."""
    try:
        import torch
        import torch.fx
    except ImportError:
        raise InputError("PyTorch models need torch; install it with: pip install torch") from None
    return torch


def _check_mode(module: Any) -> None:
    """Refuse dropout and batch statistics in training mode."""
    for name, part in module.named_modules():
        kind = type(part).__name__
        if part.training and (("Dropout" in kind and getattr(part, "p", 1)) or "BatchNorm" in kind or getattr(part, "dropout", 0)):
            raise InputError(f"module.{name} ({kind}) is in training mode: outputs depend on chance or on the batch; call module.eval() first")


def _check_parameters(named: dict[str, Any]) -> None:
    if not named:
        raise InputError("module has no parameters with requires_grad; nothing is trained")
    for name, p in named.items():
        if str(p.dtype) != "torch.float64":
            lost = "single precision leaves residuals near 1e-7 and rates no meaning below; " if p.is_floating_point() else ""
            raise InputError(f"module.{name} is {p.dtype}, not float64: {lost}call module.double() and find the minimum again")
        if not bool(p.isfinite().all()):
            raise InputError(f"module.{name} has entries that are not finite; training has diverged, or the file is damaged")


def _array(values: Any, name: str) -> Any:
    try:
        array = np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values)
    except (TypeError, ValueError):
        raise InputError(f"{name} is not an array of numbers") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} has the type {array.dtype}; give numbers")
    return array
