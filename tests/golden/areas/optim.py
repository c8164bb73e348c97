"""Optimisers and schedules step by step: a small problem in double precision, every rate of a run."""
import torch


def make(save):
    tensors = {}
    start = torch.randn(4, 3, dtype=torch.float64)
    target = torch.randn(4, 3, dtype=torch.float64)
    tensors["start"], tensors["target"] = start, target
    cases = {
        "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), weight_decay=0.1),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05),
        "sgd_momentum": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, dampening=0.1, weight_decay=0.01),
        "sgd_nesterov": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
    }
    for name, build in cases.items():
        weight = torch.nn.Parameter(start.clone())
        optimizer = build([weight])
        path = []
        for _ in range(50):
            optimizer.zero_grad()
            ((weight - target) ** 4 / 4).sum().backward()
            optimizer.step()
            path.append(weight.detach().clone())
        tensors[name] = torch.stack(path)
    for name, options in {"one_cycle": {}, "one_cycle_linear": {"anneal_strategy": "linear", "pct_start": 0.1, "div_factor": 10}}.items():
        optimizer = torch.optim.SGD([torch.nn.Parameter(start.clone())], lr=1.0, momentum=0.9)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=500, **options)
        rates = []
        for _ in range(500):
            group = optimizer.param_groups[0]
            rates.append([group["lr"], group["momentum"]])
            optimizer.step()
            schedule.step() if len(rates) < 500 else None
        tensors[name] = torch.tensor(rates, dtype=torch.float64)
    save("optim", tensors)
