"""Schedules: every rate of a run."""
import torch


def make(save):
    tensors = {}
    start = torch.randn(4, 3, dtype=torch.float64)
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
