"""PyTorch models against the JAX models of the same weights. Skipped where torch is not installed: no extra and no continuous integration installs it."""

import numpy as np
import pytest

from verify import SGD, GradientDescent, InputError
from verify.network.analysis import analyse_network
from verify.network.kernel import Status
from verify.network.loss import Loss
from verify.network.torch_adapter import TorchNetwork, analyse_torch

jax = pytest.importorskip("jax", reason="networks need the extra: pip install 'sgd-verify[network]'")
torch = pytest.importorskip("torch", reason="the PyTorch adapter is tested where torch is installed: pip install torch")
jnp = jax.numpy
nn = torch.nn

RNG = np.random.default_rng(5)
X = RNG.standard_normal((4, 3))
WEIGHTS = {"W": RNG.standard_normal((6, 3)), "b": 0.3 * RNG.standard_normal(6), "V": RNG.standard_normal((2, 6)) / 2, "c": RNG.standard_normal(2)}


def module(act=None, weights=WEIGHTS):
    made = nn.Sequential(nn.Linear(3, 6), act or nn.Tanh(), nn.Linear(6, 2)).double().eval()
    with torch.no_grad():
        for p, value in zip(made.parameters(), weights.values(), strict=True):
            p.copy_(torch.tensor(value))
    return made


def targets_of(made):
    with torch.no_grad():
        return made(torch.tensor(X)).numpy()


@pytest.mark.parametrize(("layer", "act", "h1"), [(nn.Tanh(), jnp.tanh, Status.HOLDS), (nn.ReLU(), jax.nn.relu, Status.KINKS)], ids=["tanh", "relu"])
def test_k_and_the_verdict_are_those_of_the_jax_model(layer, act, h1):
    made = module(layer)
    z = targets_of(made)
    optimiser, options = SGD("1/20"), {"loss": "mean_squared", "resolution": 0.02}
    ours = analyse_torch(made, torch.tensor(X), z, optimiser, **options)
    theirs = analyse_network(lambda p, x: p["V"] @ act(p["W"] @ x + p["b"]) + p["c"], WEIGHTS, X, z, optimiser, **options)
    np.testing.assert_allclose(ours.gram, theirs.gram, rtol=1e-12, atol=1e-13)
    assert ours.verdict.outcome == theirs.verdict.outcome != "undecided"
    assert ours.smoothness.hypothesis().status is theirs.smoothness.hypothesis().status is h1
    assert ours.smoothness.radius == pytest.approx(theirs.smoothness.radius, rel=1e-9)
    assert ours.step_sizes.mean_square.lo == pytest.approx(theirs.step_sizes.mean_square.lo, rel=1e-8)


def test_blocks_of_the_jacobian_give_the_same_k():
    network = TorchNetwork(module(), X)
    whole = network.gram(network.start)
    np.testing.assert_allclose(network.gram(network.start, memory=8 * network.outputs * network.parameters), whole, rtol=1e-13)


@pytest.mark.parametrize(
    ("layer", "status"),
    [
        (nn.GELU(), Status.HOLDS),
        (nn.BatchNorm1d(6), Status.HOLDS),
        (nn.Softmax(-1), Status.HOLDS),
        (nn.ELU(), Status.KINKS),
        (nn.Hardtanh(), Status.FAILS),
        (nn.Softsign(), Status.FAILS),
    ],
    ids=lambda x: type(x).__name__,
)
def test_h1_by_the_operations(layer, status):
    found = TorchNetwork(module(layer) if not list(layer.parameters()) else _normalised(layer), X).smoothness().hypothesis()
    assert found.status is status, found.reason


def _normalised(layer):
    return nn.Sequential(nn.Linear(3, 6), layer, nn.Linear(6, 2)).double().eval()


class Cut(nn.Module):
    """A straight-through estimator: the gradient that PyTorch uses is not that of F."""

    def forward(self, x):
        return x + (x.round() - x).detach()


class Odd(nn.Module):
    def forward(self, x):
        return torch.special.i0(x)


def test_what_is_not_known_leaves_h1_undecided():
    for layer, word in ((Odd(), "i0"), (Cut(), "detach")):
        found = TorchNetwork(module(layer), X).smoothness().hypothesis()
        assert not found.stands
        assert word in found.reason
    odd = module(Odd())
    assert analyse_torch(odd, X, targets_of(odd), GradientDescent("1/50"), loss="squared", thresholds=False).verdict.outcome == "undecided"
    given = analyse_torch(odd, X, targets_of(odd), GradientDescent("1/50"), loss="squared", thresholds=False, smooth=True)
    assert given.verdict.hypotheses[0].status is Status.ASSUMED


def refused(match, made, x=X, z=None, optimiser=None):
    with pytest.raises(InputError, match=match):
        analyse_torch(made, x, targets_of(module()) if z is None else z, optimiser or SGD("1/10"), loss="half_squared")


def test_bad_input():
    refused("0.weight is torch.float32, not float64: single precision", module().float())
    refused(r"module.1 \(Dropout\) is in training mode: .* call module.eval\(\) first", module(nn.Dropout(0.5)).train())
    refused(r"module.1 \(BatchNorm1d\) is in training mode", _normalised(nn.BatchNorm1d(6)).train())
    refused("not an interpolating minimum", module(), z=targets_of(module()) + 1)
    refused("targets has shape", module(), z=np.zeros(3))
    refused("is not a torch.nn.Module", lambda x: x)
    refused("optimiser = 0.1 is not an optimiser", module(), optimiser=0.1)
    refused("entries that are not finite", module(weights=WEIGHTS | {"b": np.full(6, np.nan)}))
    refused("K is singular and H2 fails", nn.Linear(3, 1).double(), x=RNG.standard_normal((5, 3)), z=np.zeros(5))
    refused("module.inputs. fails: RuntimeError", module(), x=np.ones((4, 5)))

    class Noisy(nn.Module):
        def forward(self, x):
            return x * torch.rand(())

    refused("differs from call to call", module(Noisy()))
    refused(r"targets came as float32, whose rounding", module(), z=targets_of(module()).astype(np.float32))
    refused("every output is constant near w", nn.Sequential(module(), nn.Threshold(1e9, 0.0)), z=np.zeros((4, 2)))
    for options, words in (
        ({}, "loss = None is not known: .half_squared"),
        ({"loss": "squared", "foo": 1}, "foo = 1 is not a known key of an analysis"),
        ({"loss": Loss("squared"), "reduction": "sum"}, "contradicts"),
    ):
        with pytest.raises(InputError, match=words):
            analyse_torch(module(), X, targets_of(module()), SGD("1/10"), **options)


def test_what_torch_cannot_differentiate_is_an_input_error():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(3, 4, batch_first=True)

        def forward(self, x):
            return self.gru(x[:, None])[0][:, -1, :1]

    made = Recurrent().double().eval()
    refused("module cannot be differentiated: ", made, z=targets_of(made))
