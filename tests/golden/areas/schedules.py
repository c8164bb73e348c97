"""Every schedule of torch.optim.lr_scheduler over 500 steps, beside the settings that mean the same in Hadal; what PyTorch
lacks from transformers or the paper's formula. A case is (steps, rates) or (steps, rates and momentum); its settings are
metadata."""
import math

import torch
from torch.optim import lr_scheduler as lrs

STEPS, LR = 500, 0.3


def noam(t, warmup):
    return min((t + 1) ** -0.5, (t + 1) * warmup ** -1.5) * warmup ** 0.5


def rates_of(build, momentum, optimizer="sgd", metrics=None):
    weight = torch.nn.Parameter(torch.zeros(1))
    made = torch.optim.SGD([weight], lr=LR, momentum=0.9) if optimizer == "sgd" else torch.optim.AdamW([weight], lr=LR)
    schedule = build(made)
    out = []
    for step in range(STEPS):
        group = made.param_groups[0]
        moving = group["momentum"] if optimizer == "sgd" else group["betas"][0]
        out.append([group["lr"], moving] if momentum else [group["lr"]])
        made.step()
        if step + 1 < STEPS:
            schedule.step(*([metrics[step]] if metrics else []))
    return torch.tensor(out, dtype=torch.float64)


def make(save):
    from transformers import get_inverse_sqrt_schedule, get_wsd_schedule
    tensors, metadata = {}, {}

    def case(name, settings, build, momentum=False, **options):
        tensors[name] = rates_of(build, momentum, **options)
        metadata[name] = settings

    case("constant", 'name = "constant"', lambda o: lrs.ConstantLR(o, factor=1))
    case("constant_default", 'name = "constant"\nfactor = 0.33333333333333331\nlength = 5', lrs.ConstantLR)
    case("constant_long", 'name = "constant"\nfactor = 0.2\nlength = 77', lambda o: lrs.ConstantLR(o, 0.2, 77))
    case("linear_default", 'name = "linear"\nstart = 0.33333333333333331\nfinal = 1\nlength = 5', lrs.LinearLR)
    case("linear_down", 'name = "linear"', lambda o: lrs.LinearLR(o, 1.0, 0.0, STEPS))
    case("linear_up", 'name = "linear"\nstart = 0.01\nfinal = 0.9\nlength = 300', lambda o: lrs.LinearLR(o, 0.01, 0.9, 300))
    case("exponential", 'name = "exponential"\ngamma = 0.99\nevery = "step"', lambda o: lrs.ExponentialLR(o, 0.99))
    case("polynomial_default", 'name = "polynomial"\nlength = 5', lrs.PolynomialLR)
    case("polynomial", 'name = "polynomial"\npower = 0.9', lambda o: lrs.PolynomialLR(o, STEPS, 0.9))
    case("polynomial_square", 'name = "polynomial"\npower = 2\nlength = 400', lambda o: lrs.PolynomialLR(o, 400, 2.0))
    case("step", 'name = "step"\nperiod = 30\nevery = "step"', lambda o: lrs.StepLR(o, 30))
    case("step_gamma", 'name = "step"\nperiod = 7\ngamma = 0.9\nevery = "step"', lambda o: lrs.StepLR(o, 7, 0.9))
    case("multi_step", 'name = "multi_step"\nmilestones = [30, 80, 81, 400]\ngamma = 0.5\nevery = "step"',
         lambda o: lrs.MultiStepLR(o, [30, 80, 81, 400], 0.5))
    case("multi_step_twice", 'name = "multi_step"\nmilestones = [200, 50, 50]\nevery = "step"',
         lambda o: lrs.MultiStepLR(o, [200, 50, 50]))
    case("cosine", 'name = "cosine"', lambda o: lrs.CosineAnnealingLR(o, STEPS))
    case("cosine_floor", 'name = "cosine"\nfinal = 0.1', lambda o: lrs.CosineAnnealingLR(o, STEPS, eta_min=0.1 * LR))
    case("cosine_again", 'name = "cosine"\nfinal = 0.05\nlength = 60', lambda o: lrs.CosineAnnealingLR(o, 60, eta_min=0.05 * LR))
    case("warm_restarts", 'name = "warm_restarts"\nperiod = 40', lambda o: lrs.CosineAnnealingWarmRestarts(o, 40))
    case("warm_restarts_longer", 'name = "warm_restarts"\nperiod = 20\nfactor = 2\nfinal = 0.1',
         lambda o: lrs.CosineAnnealingWarmRestarts(o, 20, 2, 0.1 * LR))
    case("warm_restarts_tripled", 'name = "warm_restarts"\nperiod = 7\nfactor = 3',
         lambda o: lrs.CosineAnnealingWarmRestarts(o, 7, 3))
    cyclic = 'name = "cyclic"\nbase = 0.2\n'
    cycle = lambda **options: lambda o: lrs.CyclicLR(o, 0.2 * LR, LR, **options)
    case("cyclic", cyclic + "up = 50", cycle(step_size_up=50), True)
    case("cyclic_adam", cyclic + "up = 50", cycle(step_size_up=50), True, optimizer="adam")
    case("cyclic_uneven", cyclic + "up = 13\ndown = 40\nbase_momentum = 0.7\nmax_momentum = 0.99",
         cycle(step_size_up=13, step_size_down=40, base_momentum=0.7, max_momentum=0.99), True)
    case("cyclic_triangular2", cyclic + 'up = 30\nmode = "triangular2"', cycle(step_size_up=30, mode="triangular2"), True)
    case("cyclic_exp_range", cyclic + 'up = 30\ndown = 35\nmode = "exp_range"\ngamma = 0.995',
         cycle(step_size_up=30, step_size_down=35, mode="exp_range", gamma=0.995), True)
    case("cyclic_still", cyclic + "up = 30\ncycle_momentum = false", cycle(step_size_up=30, cycle_momentum=False))
    case("cyclic_scale", cyclic + 'up = 30\nmode = "formula"\nscale = "1 / x ^ 0.5"',
         cycle(step_size_up=30, scale_fn=lambda x: 1 / x ** 0.5), True)
    case("cyclic_scale_iterations", cyclic + 'up = 30\nmode = "formula"\nscale = "0.5 * (1 + sin(x * pi / 7))"\nscale_by = "iterations"',
         cycle(step_size_up=30, scale_fn=lambda x: 0.5 * (1 + math.sin(x * math.pi / 7)), scale_mode="iterations"), True)
    one = lambda **options: lambda o: lrs.OneCycleLR(o, LR, total_steps=STEPS, **options)
    case("one_cycle", 'name = "one_cycle"', one(), True)
    case("one_cycle_adam", 'name = "one_cycle"', one(), True, optimizer="adam")
    case("one_cycle_linear", 'name = "one_cycle"\nanneal = "linear"\npct_start = 0.1\ndiv_factor = 10',
         one(anneal_strategy="linear", pct_start=0.1, div_factor=10), True)
    case("one_cycle_three_phase", 'name = "one_cycle"\nthree_phase = true\nfinal_div_factor = 100',
         one(three_phase=True, final_div_factor=100), True)
    case("one_cycle_three_phase_linear",
         'name = "one_cycle"\nthree_phase = true\nanneal = "linear"\npct_start = 0.45\nbase_momentum = 0.8\nmax_momentum = 0.9',
         one(three_phase=True, anneal_strategy="linear", pct_start=0.45, base_momentum=0.8, max_momentum=0.9), True)
    case("one_cycle_still", 'name = "one_cycle"\ncycle_momentum = false', one(cycle_momentum=False))
    case("lambda", 'name = "lambda"\nfactor = "0.95 ^ floor(t / 10)"', lambda o: lrs.LambdaLR(o, lambda t: 0.95 ** (t // 10)))
    case("lambda_whole", 'name = "lambda"\nfactor = "(1 - t / T) ^ 0.9"', lambda o: lrs.LambdaLR(o, lambda t: (1 - t / STEPS) ** 0.9))
    case("multiplicative", 'name = "multiplicative"\nfactor = "0.98 + 0.01 * cos(t)"',
         lambda o: lrs.MultiplicativeLR(o, lambda t: 0.98 + 0.01 * math.cos(t)))

    case("sequential", 'name = "sequential"\nmilestones = [50]\nparts = [{ name = "linear", start = 0.01, final = 1 }, "cosine"]',
         lambda o: lrs.SequentialLR(o, [lrs.LinearLR(o, 0.01, 1.0, 50), lrs.CosineAnnealingLR(o, STEPS - 50)], [50]))
    case("sequential_three",
         'name = "sequential"\nmilestones = [20, 300]\nparts = [{ name = "constant", factor = 0.1, length = 10 }, '
         '{ name = "exponential", gamma = 0.99, every = "step" }, { name = "polynomial", power = 2, length = 150 }]',
         lambda o: lrs.SequentialLR(o, [lrs.ConstantLR(o, 0.1, 10), lrs.ExponentialLR(o, 0.99),
                                        lrs.PolynomialLR(o, 150, 2.0)], [20, 300]))
    still = lambda o: lrs.ConstantLR(o, 1.0, 1)
    cycle_part = ('{ name = "cyclic", base = 0.2, up = 13, down = 40, base_momentum = 0.7, max_momentum = 0.99 }, ',
                  cycle(step_size_up=13, step_size_down=40, base_momentum=0.7, max_momentum=0.99))
    other_part = ('{ name = "cyclic", base = 0.2, up = 30, base_momentum = 0.5, max_momentum = 0.8 }',
                  cycle(step_size_up=30, base_momentum=0.5, max_momentum=0.8))
    case("sequential_cyclic", 'name = "sequential"\nmilestones = [20, 200]\nparts = ["constant", ' + cycle_part[0] + '"constant"]',
         lambda o: lrs.SequentialLR(o, [still(o), cycle_part[1](o), still(o)], [20, 200]), True)
    case("sequential_two_cycles",
         'name = "sequential"\nmilestones = [20, 90, 200]\nparts = ["constant", ' + cycle_part[0] + '"constant", ' + other_part[0] + ']',
         lambda o: lrs.SequentialLR(o, [still(o), cycle_part[1](o), still(o), other_part[1](o)], [20, 90, 200]), True)

    case("chained", 'name = "chained"\nparts = [{ name = "constant", factor = 0.1, length = 20 }, '
         '{ name = "exponential", gamma = 0.99, every = "step" }]',
         lambda o: lrs.ChainedScheduler([lrs.ConstantLR(o, 0.1, 20), lrs.ExponentialLR(o, 0.99)], optimizer=o))
    case("chained_three",
         'name = "chained"\nparts = [{ name = "linear", start = 0.1, final = 1, length = 40 }, "cosine", '
         '{ name = "multi_step", milestones = [100, 300], gamma = 0.3, every = "step" }]',
         lambda o: lrs.ChainedScheduler([lrs.LinearLR(o, 0.1, 1.0, 40), lrs.CosineAnnealingLR(o, STEPS),
                                         lrs.MultiStepLR(o, [100, 300], 0.3)], optimizer=o))

    case("noam", 'name = "inverse_sqrt"\nwarmup = 40', lambda o: lrs.LambdaLR(o, lambda t: noam(t, 40)))
    for shape in ("linear", "cosine", "1-sqrt"):
        case(f"wsd_{shape}", f'name = "wsd"\ncooldown = 150\nshape = "{shape}"\nfinal = 0.1',
             lambda o: get_wsd_schedule(o, num_warmup_steps=0, num_decay_steps=150, num_stable_steps=STEPS - 150,
                                        decay_type=shape, min_lr_ratio=0.1))

    from torch.optim.swa_utils import SWALR
    for shape in ("cos", "linear"):
        tensors[f"swa_{shape}"] = rates_of(lambda o: SWALR(o, swa_lr=0.05, anneal_epochs=40, anneal_strategy=shape), False)
    tensors["swa_at_once"] = rates_of(lambda o: SWALR(o, swa_lr=0.05, anneal_epochs=0), False)

    random = torch.Generator().manual_seed(1)
    metrics = [3 * 0.99 ** t + 0.3 * torch.rand(1, generator=random).item() for t in range(STEPS)]
    tensors["metrics"] = torch.tensor(metrics, dtype=torch.float64)
    plateau = lambda **options: lambda o: lrs.ReduceLROnPlateau(o, **options)
    down = dict(metrics=metrics)
    up = dict(metrics=[1 - m for m in metrics])
    eps = "eps = 3.3333333333333334e-8\n"  # PyTorch's 1e-8 is a rate, not a share of it
    case("plateau", 'name = "plateau"\n' + eps, plateau(), **down)
    case("plateau_max", 'name = "plateau"\nmode = "max"\npatience = 4\nfactor = 0.7\n' + eps,
         plateau(mode="max", patience=4, factor=0.7), **up)
    case("plateau_abs", 'name = "plateau"\nthreshold_mode = "abs"\nthreshold = 0.05\npatience = 3\nfactor = 0.8\ncooldown = 5\nlowest = 0.1\n' + eps,
         plateau(threshold_mode="abs", threshold=0.05, patience=3, factor=0.8, cooldown=5, min_lr=0.1 * LR), **down)
    case("plateau_abs_max", 'name = "plateau"\nmode = "max"\nthreshold_mode = "abs"\nthreshold = 0.01\npatience = 0\nfactor = 0.9\neps = 0.01\n',
         plateau(mode="max", threshold_mode="abs", threshold=0.01, patience=0, factor=0.9, eps=0.01 * LR), **up)
    save("schedules", tensors, metadata)
