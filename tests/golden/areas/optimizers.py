"""Every optimiser on three small problems at once, 200 steps: a net, an ill-conditioned quadratic and an embedding of which
each step sees a few rows. The rate falls from step to step. A case is Hadal's settings ("NAME key=value ...") and what takes
the same steps in PyTorch or timm, or, where neither has the method, the paper's formula. With maximize the loss is negated.
Kept are the parameters after some of the steps, all in one row; in single precision after fewer. Rates are low enough that
rounding does not grow beyond the tests' tolerances within 200 steps; L-BFGS makes it grow fast, so its first steps are kept.
A test demands that every setting of every method is in some case."""
from unittest import mock

import timm.optim
import torch

STEPS = 200
KEPT = {torch.float64: [1, 2, 3, 10, 30, 60, 100, 150, 200], torch.float32: [1, 10, 60, 200]}
KEPT_LBFGS = {torch.float64: [1, 2, 3, 10], torch.float32: [1, 2]}
SHAPES = {"w1": (3, 2), "b1": (3,), "w2": (2, 3), "b2": (2,), "quadratic": (2, 3), "embed.weight": (5, 2), "h": (2,)}
O = torch.optim
T = timm.optim


def rows(step):
    return torch.tensor([step % 5, (step * 2 + 1) % 5, step % 5])


def loss(p, data, step, sparse):
    net = ((torch.tanh(data["x"] @ p["w1"].T + p["b1"]) @ p["w2"].T + p["b2"] - data["y"]) ** 2).mean()
    quadratic = (data["curvature"] * (p["quadratic"] - data["goal"]) ** 2).sum() / 2
    seen = torch.nn.functional.embedding(rows(step), p["embed.weight"], sparse=sparse)
    return net + quadratic + ((seen * p["h"]).sum(1) - data["z"]).square().mean()


class ScheduleFree(O.Optimizer):
    """Defazio et al. 2024, algorithm 1, with the reference implementation's warm-up and weights: p is y."""

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, warmup_steps=0, r=0.0, weight_lr_power=2.0):
        super().__init__(params, {"lr": lr})
        self.betas, self.eps, self.decay, self.warmup, self.r, self.power = betas, eps, weight_decay, warmup_steps, r, weight_lr_power
        self.k, self.total, self.highest = 0, 0.0, 0.0

    @torch.no_grad()
    def step(self):
        self.k += 1
        beta1, beta2 = self.betas
        lr = self.param_groups[0]["lr"] * min(1.0, self.k / self.warmup if self.warmup else 1.0)
        self.highest = max(self.highest, lr)
        weight = self.k**self.r * self.highest**self.power
        self.total += weight
        c = weight / self.total
        for y in self.param_groups[0]["params"]:
            s = self.state[y]
            if not s:
                s["z"], s["x"], s["v"] = y.clone(), y.clone(), torch.zeros_like(y)
            s["v"] = beta2 * s["v"] + (1 - beta2) * y.grad**2
            s["z"] = s["z"] - lr * (y.grad / ((s["v"] / (1 - beta2**self.k)).sqrt() + self.eps) + self.decay * y)
            s["x"] = (1 - c) * s["x"] + c * s["z"]
            y.copy_((1 - beta1) * s["z"] + beta1 * s["x"])


class Sam(O.Optimizer):
    """Foret et al. 2021, equations 2 and 3; adaptive: Kwon et al. 2021, equation 7."""

    def __init__(self, params, base, rho=0.05, adaptive=False):
        super().__init__(params, {"lr": base.param_groups[0]["lr"]})
        self.base, self.rho, self.adaptive = base, rho, adaptive

    def step(self, closure):
        params = self.param_groups[0]["params"]
        scales = [p.detach().abs() if self.adaptive else torch.ones_like(p) for p in params]
        norm = torch.cat([(s * p.grad).flatten() for s, p in zip(scales, params)]).norm()
        before = [p.detach().clone() for p in params]
        with torch.no_grad():
            for p, s in zip(params, scales):
                p.add_(self.rho * s**2 * p.grad / norm)
        closure()
        with torch.no_grad():
            for p, b in zip(params, before):
                p.copy_(b)
        for group in self.base.param_groups:
            group["lr"] = self.param_groups[0]["lr"]
        self.base.step()


class MuonAndAdamW(O.Optimizer):
    """PyTorch's Muon on the matrices but the embedding, its AdamW on the rest. Muon's products are in bfloat16 there; here
    they are in the parameters' own type, as Hadal has them."""

    def __init__(self, params, adamw=None, **options):
        matrices = [p for n, p in zip(SHAPES, params) if n in ("w1", "w2", "quadratic")]
        rest = [p for n, p in zip(SHAPES, params) if n not in ("w1", "w2", "quadratic")]
        self.parts = [O.Muon(matrices, **options), O.AdamW(rest, **(adamw or {}))]
        self.ratio = (adamw or {}).get("lr", 1e-3) / options["lr"]
        super().__init__(params, {"lr": options["lr"]})

    def step(self):
        lr = self.param_groups[0]["lr"]
        self.parts[0].param_groups[0]["lr"], self.parts[1].param_groups[0]["lr"] = lr, lr * self.ratio
        with mock.patch.object(torch.Tensor, "bfloat16", torch.Tensor.clone):
            for part in self.parts:
                part.step()


CASES = [
    ("sgd lr=0.05", lambda p: O.SGD(p, lr=0.05)),
    ("sgd lr=0.03 weight_decay=0.01 maximize=true", lambda p: O.SGD(p, lr=0.03, weight_decay=0.01, maximize=True)),
    ("sgd lr=0.02 momentum=0.9 dampening=0.1 weight_decay=0.01",
     lambda p: O.SGD(p, lr=0.02, momentum=0.9, dampening=0.1, weight_decay=0.01)),
    ("sgd lr=0.02 momentum=0.9 nesterov=true weight_decay=0.01",
     lambda p: O.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("adam lr=0.01", lambda p: O.Adam(p, lr=0.01)),
    ("adam lr=0.005 beta1=0.8 beta2=0.95 eps=1e-6 weight_decay=0.05",
     lambda p: O.Adam(p, lr=0.005, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.05)),
    ("adam lr=0.02 beta2=0.9 weight_decay=0.05 amsgrad=true",
     lambda p: O.Adam(p, lr=0.02, betas=(0.9, 0.9), weight_decay=0.05, amsgrad=True)),
    ("adam lr=0.01 weight_decay=0.05 decoupled_weight_decay=true maximize=true",
     lambda p: O.Adam(p, lr=0.01, weight_decay=0.05, decoupled_weight_decay=True, maximize=True)),
    ("adamw lr=0.02", lambda p: O.AdamW(p, lr=0.02)),
    ("adamw lr=0.02 beta1=0.8 beta2=0.95 weight_decay=0.1 amsgrad=true",
     lambda p: O.AdamW(p, lr=0.02, betas=(0.8, 0.95), weight_decay=0.1, amsgrad=True)),
    ("adamw lr=0.01 eps=1e-3 decoupled_weight_decay=false maximize=true",
     lambda p: O.Adam(p, lr=0.01, eps=1e-3, weight_decay=0.01, maximize=True)),
    ("adamax lr=0.02 weight_decay=0.01", lambda p: O.Adamax(p, lr=0.02, weight_decay=0.01)),
    ("adamax lr=0.005 beta1=0.8 beta2=0.9 eps=1e-4 maximize=true",
     lambda p: O.Adamax(p, lr=0.005, betas=(0.8, 0.9), eps=1e-4, maximize=True)),
    ("nadam lr=0.02 weight_decay=0.01", lambda p: O.NAdam(p, lr=0.02, weight_decay=0.01)),
    ("nadam lr=0.02 weight_decay=0.05 momentum_decay=0.01 decoupled_weight_decay=true",
     lambda p: O.NAdam(p, lr=0.02, weight_decay=0.05, momentum_decay=0.01, decoupled_weight_decay=True)),
    ("nadam lr=0.01 beta1=0.8 beta2=0.98 eps=1e-3 maximize=true",
     lambda p: O.NAdam(p, lr=0.01, betas=(0.8, 0.98), eps=1e-3, maximize=True)),
    ("radam lr=0.02 weight_decay=0.01", lambda p: O.RAdam(p, lr=0.02, weight_decay=0.01)),
    ("radam lr=0.02 beta2=0.98 weight_decay=0.05 decoupled_weight_decay=true",
     lambda p: O.RAdam(p, lr=0.02, betas=(0.9, 0.98), weight_decay=0.05, decoupled_weight_decay=True)),
    ("radam lr=0.01 beta1=0.8 eps=1e-3 maximize=true",
     lambda p: O.RAdam(p, lr=0.01, betas=(0.8, 0.999), eps=1e-3, maximize=True)),
    ("sparse_adam lr=0.02 beta2=0.98", "sparse"),
    ("sparse_adam lr=0.01 beta1=0.8 eps=1e-3 maximize=true", "sparse other"),
    ("adagrad lr=0.1 lr_decay=0.01 weight_decay=0.01 initial_accumulator_value=0.1",
     lambda p: O.Adagrad(p, lr=0.1, lr_decay=0.01, weight_decay=0.01, initial_accumulator_value=0.1)),
    ("adagrad lr=0.1 maximize=true", lambda p: O.Adagrad(p, lr=0.1, maximize=True)),
    ("adagrad lr=0.1 eps=1e-8", "sparse adagrad"),
    ("sgd lr=0.04", "sparse sgd"),
    ("adadelta weight_decay=0.01", lambda p: O.Adadelta(p, weight_decay=0.01)),
    ("adadelta lr=0.5 rho=0.8 eps=1e-5 maximize=true", lambda p: O.Adadelta(p, lr=0.5, rho=0.8, eps=1e-5, maximize=True)),
    ("rmsprop lr=0.01 weight_decay=0.01", lambda p: O.RMSprop(p, lr=0.01, weight_decay=0.01)),
    ("rmsprop lr=0.001 alpha=0.9 momentum=0.9", lambda p: O.RMSprop(p, lr=0.001, alpha=0.9, momentum=0.9)),
    ("rmsprop lr=0.005 centered=true eps=1e-3", lambda p: O.RMSprop(p, lr=0.005, centered=True, eps=1e-3)),
    ("rmsprop lr=0.002 centered=true momentum=0.8 eps=1e-3 maximize=true",
     lambda p: O.RMSprop(p, lr=0.002, centered=True, momentum=0.8, eps=1e-3, maximize=True)),
    ("rprop lr=0.01", lambda p: O.Rprop(p, lr=0.01)),
    ("rprop lr=0.01 etaminus=0.4 etaplus=1.1 step_size_min=1e-4 step_size_max=0.1 maximize=true",
     lambda p: O.Rprop(p, lr=0.01, etas=(0.4, 1.1), step_sizes=(1e-4, 0.1), maximize=True)),
    ("asgd lr=0.05 weight_decay=0.01", lambda p: O.ASGD(p, lr=0.05, weight_decay=0.01)),
    ("asgd lr=0.05 lambd=0.01 alpha=0.6 t0=20 maximize=true",
     lambda p: O.ASGD(p, lr=0.05, lambd=0.01, alpha=0.6, t0=20, maximize=True)),
    ("adafactor lr=0.004 weight_decay=0.01", lambda p: O.Adafactor(p, lr=0.004, weight_decay=0.01)),
    ("adafactor lr=0.004 beta2_decay=-0.5 eps1=1e-6 eps2=0.01 d=2 maximize=true",
     lambda p: O.Adafactor(p, lr=0.004, beta2_decay=-0.5, eps=(1e-6, 0.01), d=2.0, maximize=True)),
    ("muon lr=0.004", lambda p: MuonAndAdamW(p, lr=0.004)),
    ("muon lr=0.004 momentum=0.9 nesterov=false weight_decay=0.05 ns_steps=3 adjust_lr_fn=match_rms_adamw adamw.lr=0.01 "
     "adamw.beta2=0.95", lambda p: MuonAndAdamW(p, lr=0.004, momentum=0.9, nesterov=False, weight_decay=0.05, ns_steps=3,
                                                adjust_lr_fn="match_rms_adamw", adamw=dict(lr=0.01, betas=(0.9, 0.95)))),
    ("muon lr=0.004 ns_coefficients=3,-3.2,1.2 eps=2 adamw.beta1=0.8 adamw.eps=1e-3 adamw.weight_decay=0.05 adamw.amsgrad=true",
     lambda p: MuonAndAdamW(p, lr=0.004, ns_coefficients=(3.0, -3.2, 1.2), eps=2.0,
                            adamw=dict(betas=(0.8, 0.999), eps=1e-3, weight_decay=0.05, amsgrad=True))),
    ("lbfgs lr=0.1 max_iter=2 history_size=5", lambda p: O.LBFGS(p, lr=0.1, max_iter=2, history_size=5)),
    ("lbfgs max_iter=3 history_size=10 line_search_fn=strong_wolfe",
     lambda p: O.LBFGS(p, max_iter=3, history_size=10, line_search_fn="strong_wolfe")),
    ("lbfgs lr=0.2 max_iter=8 max_eval=4 tolerance_grad=0.1",
     lambda p: O.LBFGS(p, lr=0.2, max_iter=8, max_eval=4, tolerance_grad=0.1)),
    ("lbfgs lr=0.5 max_iter=8 tolerance_grad=0.5 tolerance_change=0.2",
     lambda p: O.LBFGS(p, lr=0.5, max_iter=8, tolerance_grad=0.5, tolerance_change=0.2)),
    ("lamb lr=0.004", lambda p: T.Lamb(p, lr=0.004)),
    ("lamb lr=0.004 max_grad_norm=0 weight_decay=0 always_adapt=true trust_clip=true bias_correction=false",
     lambda p: T.Lamb(p, lr=0.004, max_grad_norm=None, weight_decay=0.0, always_adapt=True, trust_clip=True,
                      bias_correction=False)),
    ("lamb lr=0.004 grad_averaging=false decoupled_decay=true weight_decay=0.1",
     lambda p: T.Lamb(p, lr=0.004, grad_averaging=False, decoupled_decay=True, weight_decay=0.1)),
    ("lamb lr=0.004 beta1=0.8 beta2=0.98 eps=1e-3", lambda p: T.Lamb(p, lr=0.004, betas=(0.8, 0.98), eps=1e-3)),
    ("lars lr=0.2 momentum=0.9 weight_decay=0.01 trust_coeff=0.02",
     lambda p: T.Lars(p, lr=0.2, momentum=0.9, weight_decay=0.01, trust_coeff=0.02)),
    ("lars lr=0.2 always_adapt=true trust_coeff=0.02 eps=0.01",
     lambda p: T.Lars(p, lr=0.2, always_adapt=True, trust_coeff=0.02, eps=0.01)),
    ("lars lr=0.02 momentum=0.9 nesterov=true trust_clip=true weight_decay=0.01 trust_coeff=0.02",
     lambda p: T.Lars(p, lr=0.02, momentum=0.9, nesterov=True, trust_clip=True, weight_decay=0.01, trust_coeff=0.02)),
    ("lars lr=0.02 momentum=0.9 dampening=0.1", lambda p: T.Lars(p, lr=0.02, momentum=0.9, dampening=0.1)),
    ("lion lr=0.003 weight_decay=0.1", lambda p: T.Lion(p, lr=0.003, weight_decay=0.1)),
    ("lion lr=0.003 beta1=0.95 beta2=0.98 maximize=true",
     lambda p: T.Lion(p, lr=0.003, betas=(0.95, 0.98), maximize=True)),
    ("adan lr=0.005 eps=1e-3 weight_decay=0.02", lambda p: T.Adan(p, lr=0.005, eps=1e-3, weight_decay=0.02)),
    ("adan lr=0.005 beta1=0.9 beta2=0.8 beta3=0.95 weight_decay=0.02 no_prox=true",
     lambda p: T.Adan(p, lr=0.005, betas=(0.9, 0.8, 0.95), weight_decay=0.02, no_prox=True)),
    ("adopt lr=0.02 weight_decay=0.01", lambda p: T.Adopt(p, lr=0.02, weight_decay=0.01)),
    ("adopt lr=0.005 beta2=0.99 eps=0.1 clip_exp=0 weight_decay=0.1 decoupled=true",
     lambda p: T.Adopt(p, lr=0.005, betas=(0.9, 0.99), eps=0.1, clip_exp=None, weight_decay=0.1, decoupled=True)),
    ("adopt lr=0.005 beta1=0.8 eps=0.1 maximize=true",
     lambda p: T.Adopt(p, lr=0.005, betas=(0.8, 0.9999), eps=0.1, maximize=True)),
    ("schedule_free_adamw lr=0.02", lambda p: ScheduleFree(p, lr=0.02)),
    ("schedule_free_adamw lr=0.02 beta1=0.95 beta2=0.98 eps=1e-3 weight_decay=0.1 warmup_steps=20 r=1 weight_lr_power=1",
     lambda p: ScheduleFree(p, lr=0.02, betas=(0.95, 0.98), eps=1e-3, weight_decay=0.1, warmup_steps=20, r=1.0,
                            weight_lr_power=1.0)),
    ("sam base={name=\"sgd\",lr=0.02,momentum=0.9}", lambda p: Sam(p, O.SGD(p, lr=0.02, momentum=0.9))),
    ("sam base={name=\"adamw\",lr=0.005} rho=0.2 adaptive=true",
     lambda p: Sam(p, O.AdamW(p, lr=0.005), rho=0.2, adaptive=True)),
]


class Sparse(O.Optimizer):
    """SparseAdam takes sparse gradients alone: the embedding's; the dense ones of the others it gets as sparse ones with
    every row."""

    def __init__(self, params, make):
        self.inner = make(params)
        super().__init__(params, {"lr": self.inner.param_groups[0]["lr"]})

    def step(self):
        self.inner.param_groups[0]["lr"] = self.param_groups[0]["lr"]
        for p in self.param_groups[0]["params"]:
            if not p.grad.is_sparse and isinstance(self.inner, O.SparseAdam):
                p.grad = p.grad.to_sparse(1)
        self.inner.step()


SPARSE = {"sparse": lambda p: O.SparseAdam(p, lr=0.02, betas=(0.9, 0.98)),
          "sparse other": lambda p: O.SparseAdam(p, lr=0.01, betas=(0.8, 0.999), eps=1e-3, maximize=True),
          "sparse adagrad": lambda p: O.Adagrad(p, lr=0.1, eps=1e-8), "sparse sgd": lambda p: O.SGD(p, lr=0.04)}


def run(settings, make, data, dtype):
    sign = -1 if "maximize=true" in settings else 1
    torch.set_default_dtype(dtype)  # of optimisers' own numbers
    data = {k: v.to(dtype) for k, v in data.items()}
    params = {name: torch.nn.Parameter(data["start." + name].clone()) for name in SHAPES}
    sparse = isinstance(make, str)
    optimizer = Sparse(list(params.values()), SPARSE[make]) if sparse else make(list(params.values()))
    lr = optimizer.param_groups[0]["lr"]
    keep, kept = (KEPT_LBFGS if isinstance(optimizer, O.LBFGS) else KEPT)[dtype], []
    for step in range(keep[-1]):
        optimizer.param_groups[0]["lr"] = lr * (1 - step / (2 * STEPS))

        def closure():
            optimizer.zero_grad()
            value = sign * loss(params, data, 0 if isinstance(optimizer, O.LBFGS) else step, sparse)
            value.backward()
            return value

        if isinstance(optimizer, O.LBFGS):
            optimizer.step(closure)
        else:
            closure()
            optimizer.step(closure) if isinstance(optimizer, Sam) else optimizer.step()
        if step + 1 in keep:
            kept.append(torch.cat([p.detach().flatten() for p in params.values()]))
    torch.set_default_dtype(torch.float32)
    scored = torch.cat([optimizer.state[p]["x"].flatten() for p in params.values()]) if isinstance(optimizer, ScheduleFree) else None
    assert torch.stack(kept).isfinite().all(), settings
    return torch.stack(kept), scored


def make(save):
    random = lambda *shape: torch.randn(*shape, dtype=torch.float64)
    data = {"start." + name: random(*shape) for name, shape in SHAPES.items()}
    data |= {"x": random(8, 2), "y": random(8, 2), "z": random(3), "goal": random(2, 3),
             "curvature": torch.logspace(-2, 1, 6, dtype=torch.float64).view(2, 3)}
    data = {k: v.float().double() for k, v in data.items()}  # the same numbers in both precisions
    tensors, cases = dict(data), []
    for i, (settings, build) in enumerate(CASES):
        sparse = isinstance(build, str)
        cases.append(settings + (" (sparse)" if sparse else ""))
        for dtype, name in ((torch.float64, "double"), (torch.float32, "float")):
            tensors[f"{i}.{name}"], scored = run(settings, build, data, dtype)
            if scored is not None and dtype == torch.float64:
                tensors[f"{i}.scored"] = scored
    lists = {f"kept{suffix}.{name}": " ".join(map(str, kept[dtype])) for suffix, kept in (("", KEPT), (".lbfgs", KEPT_LBFGS))
             for name, dtype in (("double", torch.float64), ("float", torch.float32))}
    save("optimizers", tensors, {"cases": "\n".join(cases), **lists})
