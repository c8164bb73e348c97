"""Diffusion and flows: processes with their losses, whole paths of samplers, and networks.

Paths are diffusers' schedulers', or where it has none the papers' formulas in doubles. The network of a path is a formula
that the tests have too; weights and inputs of the others come from hashes.
"""
import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import (DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EDMDPMSolverMultistepScheduler,
                       EDMEulerScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler, HeunDiscreteScheduler,
                       UNet2DModel)
from diffusers.schedulers import scheduling_ddpm
from diffusers.training_utils import compute_snr
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from generative import Golden, fill, noise, value  # noqa: E402

CLASSES, SHAPE = 3, (3, 1, 4, 4)
LABELS = torch.tensor([0, 2, 1])


def network(x, time, labels):
    """x (N, C, H, W), time (N), labels (N) of which CLASSES is none."""
    time, labels = time.double().view(-1, 1, 1, 1), labels.double().view(-1, 1, 1, 1)
    return 0.5 * torch.tanh(x) + 0.3 * x.roll(1, 3) + 0.2 * torch.cos(0.01 * time + labels)


def see(x, time):
    return network(x, torch.full((len(x),), float(time), dtype=torch.float64), LABELS)


def pictures():
    return value("pictures", *SHAPE)


# --- processes: what is added, what is learned, what it weighs

def of_ddpm(golden, name, betas, prediction, weight):
    scheduler = DDPMScheduler(beta_schedule=betas)
    times = torch.tensor([3, 470, 930])
    x, e = pictures(), noise("noise", *SHAPE)
    x_t = scheduler.add_noise(x, e, times)
    target = {"noise": e, "x0": x, "v": scheduler.get_velocity(x, e, times)}[prediction]
    error = (network(x_t, times, LABELS) - target).square().flatten(1).mean(1)
    snr = compute_snr(scheduler, times).double()
    if weight == "min_snr":
        error = error * snr.clamp(max=5) / {"noise": snr, "x0": torch.ones_like(snr), "v": snr + 1}[prediction]
    put_process(golden, name, "ddpm", f'betas = "{BETAS[betas]}"\npredict = "{prediction}"\nweight = "{weight}"', times, x_t, target, error)


def kept(betas):
    """signal^2 in doubles, of which diffusers' floats keep four digits."""
    if betas == "squaredcos_cap_v2":
        level = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
        out = np.cumprod(1 - np.minimum(1 - level[1:] / level[:-1], 0.999))
    elif betas == "linear":
        out = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    else:
        out = np.cumprod(1 - np.linspace(1e-4 ** 0.5, 0.02 ** 0.5, 1000) ** 2)
    assert np.allclose(out, DDPMScheduler(beta_schedule=betas).alphas_cumprod, rtol=3e-4)
    return torch.tensor(out)


BETAS = {"linear": "linear", "scaled_linear": "scaled_linear", "squaredcos_cap_v2": "cosine"}


def put_process(golden, name, kind, settings, times, x_t, target, loss):
    golden.put(f"{name}/times", times.double())
    golden.put(f"{name}/noised", x_t)
    golden.put(f"{name}/wanted", target)
    golden.put(f"{name}/loss", loss)
    golden.about.setdefault("processes", []).append({"name": name, "process": kind, "settings": settings})


def of_edm(golden, weight):
    """Table 1 of arXiv:2206.00364."""
    sigma, data = torch.tensor([0.02, 0.7, 30.0], dtype=torch.float64), 0.6
    x, e = pictures(), noise("noise", *SHAPE)
    s = sigma.view(-1, 1, 1, 1)
    total = (s ** 2 + data ** 2).sqrt()
    x_t = x + s * e
    f = network(x_t / total, sigma.log() / 4, LABELS)
    d = data ** 2 / total ** 2 * x_t + s * data / total * f
    by = (sigma ** 2 + data ** 2) / (sigma * data) ** 2 if weight == "none" else (1 / sigma ** 2).clamp(max=3)
    loss = by * (d - x).square().flatten(1).mean(1)
    target = (x - data ** 2 / total ** 2 * x_t) * total / (s * data)
    put_process(golden, f"edm_{weight}", "edm", f'data_deviation = {data}\nweight = "{weight}"\ngamma = 3', sigma, x_t, target, loss)


def of_flow(golden, weight):
    t = torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)
    x, e = pictures(), noise("noise", *SHAPE)
    s = t.view(-1, 1, 1, 1)
    x_t = (1 - s) * x + s * e
    f = network(x_t, 1000 * t, LABELS)
    loss = (f - (e - x)).square().flatten(1).mean(1)
    if weight == "min_snr":  # of the picture x_t - t f
        loss = (x_t - s * f - x).square().flatten(1).mean(1) * (((1 - t) / t) ** 2).clamp(max=5)
    put_process(golden, f"flow_{weight}", "flow", f'weight = "{weight}"', t, x_t, e - x, loss)


def processes(golden):
    for betas, name in BETAS.items():
        golden.put(f"kept/{name}", kept(betas)[::41])
    for prediction in ("noise", "v", "x0"):
        for weight in ("none", "min_snr"):
            of_ddpm(golden, f"ddpm_{prediction}_{weight}", "linear", prediction, weight)
    of_ddpm(golden, "ddpm_cosine", "squaredcos_cap_v2", "v", "min_snr")
    of_ddpm(golden, "ddpm_scaled", "scaled_linear", "noise", "none")
    for weight in ("none", "min_snr"):
        of_edm(golden, weight)
        of_flow(golden, weight)


# --- consistency

def consistency(golden):
    """arXiv:2310.14189's loss and times, arXiv:2406.14548's pairs."""
    t, r = torch.tensor([0.4, 0.9, 0.05], dtype=torch.float64), torch.tensor([0.1, 0.0, 0.04], dtype=torch.float64)
    x, e = pictures(), noise("noise", *SHAPE)

    def edm(s):
        s = s.view(-1, 1, 1, 1)
        total, x_t = (s ** 2 + 0.25).sqrt(), x + s * e
        return 0.25 / total ** 2 * x_t + s * 0.5 / total * weight * network(x_t / total, s.flatten().log() / 4, LABELS)

    def flow(s):
        x_t = (1 - s.view(-1, 1, 1, 1)) * x + s.view(-1, 1, 1, 1) * e
        return x_t - s.view(-1, 1, 1, 1) * weight * network(x_t, 1000 * s, LABELS)

    for name, f in (("edm", edm), ("flow", flow)):
        weight = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
        teacher = torch.stack([x[i] if r[i] == 0 else f(r)[i] for i in range(3)]).detach()
        c = 0.03 * x[0].numel() ** 0.5
        loss = (((f(t) - teacher) ** 2).flatten(1).sum(1) + c ** 2).sqrt() - c
        golden.put(f"consistency/{name}/loss", loss / (t - r))
        (loss / (t - r)).mean().backward()
        golden.put(f"consistency/{name}/slope", weight.grad)
    golden.put("consistency/t", t)
    golden.put("consistency/r", r)
    for n in (10, 40, 1280):
        i = torch.arange(n + 1, dtype=torch.float64)
        golden.put(f"consistency/times{n}", ((0.002 ** (1 / 7) + i / n * (80 ** (1 / 7) - 0.002 ** (1 / 7))) ** 7)[::n // 10])


# --- paths

def put_path(golden, name, process, settings, sampler, path):
    golden.put(f"path/{name}", torch.stack([x.double() for x in path]))
    golden.about.setdefault("paths", []).append({"name": name, "process": process, "settings": settings, "sampler": sampler})


def ddpm_path(golden, name, scheduler, steps, settings, sampler, variances=False, **kwargs):
    """x after every step. Schedulers over noise / signal hold x / signal: `variances` says so."""
    scheduler.set_timesteps(steps)
    x, path = noise("start", *SHAPE) * float(scheduler.init_noise_sigma), []
    for i, t in enumerate(scheduler.timesteps):
        seen = see(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(seen, t, x, **{key: of(i) for key, of in kwargs.items()}).prev_sample
        if not variances:
            path.append(x)
        elif getattr(scheduler, "state_in_first_order", True) or i + 1 == len(scheduler.timesteps):
            path.append(x / (1 + scheduler.sigmas[scheduler.step_index].double() ** 2).sqrt())
    put_path(golden, name, "ddpm", settings, f"steps = {steps}\n{sampler}" + "\nbound = 0" * ("bound" not in sampler), path)


def ddpm_paths(golden):
    linear = 'betas = "linear"\n'
    steps = {"noise": "epsilon", "v": "v_prediction", "x0": "sample"}
    before = scheduling_ddpm.randn_tensor
    for predict, theirs in steps.items():
        for bound in (0, 1):
            fresh = iter(noise(f"fresh{i}", *SHAPE) for i in range(10))
            scheduling_ddpm.randn_tensor = lambda *args, **kwargs: next(fresh)
            ddpm_path(golden, f"ancestral_{predict}_{bound}",
                      DDPMScheduler(prediction_type=theirs, clip_sample=bool(bound), timestep_spacing="trailing"), 10,
                      linear + f'predict = "{predict}"', f'sampler = "ancestral"\nbound = {bound}')
    scheduling_ddpm.randn_tensor = before
    for eta in (0.0, 0.7):
        ddpm_path(golden, f"ddim_{eta}", DDIMScheduler(prediction_type="v_prediction", clip_sample=False), 12, linear,
                  f'sampler = "ddim"\nspacing = "leading"\neta = {eta}', eta=lambda i: eta,
                  variance_noise=lambda i: noise(f"fresh{i}", *SHAPE))
    scheduler = DDIMScheduler(prediction_type="v_prediction", timestep_spacing="trailing")
    scheduler.alphas_cumprod = kept("squaredcos_cap_v2")
    ddpm_path(golden, "ddim_bound", scheduler, 8, 'betas = "cosine"',
              'sampler = "ddim"\nbound = 1', eta=lambda i: 0.0, use_clipped_model_output=lambda i: True)
    epsilon = linear + 'predict = "noise"'
    ddpm_path(golden, "euler", EulerDiscreteScheduler(timestep_spacing="trailing", beta_end=0.02, beta_start=1e-4), 8, epsilon,
              'sampler = "euler"', True)
    ddpm_path(golden, "euler_karras", EulerDiscreteScheduler(use_karras_sigmas=True, beta_end=0.02, beta_start=1e-4), 8, epsilon,
              'sampler = "euler"\nspacing = "karras"', True)
    ddpm_path(golden, "heun", HeunDiscreteScheduler(timestep_spacing="trailing", beta_end=0.02, beta_start=1e-4), 8, epsilon,
              'sampler = "heun"\nspacing = "trailing"', True)
    for karras in (False, True):
        scheduler = DPMSolverMultistepScheduler(timestep_spacing="trailing", use_karras_sigmas=karras, solver_order=2)
        ddpm_path(golden, f"dpmpp_{karras}", scheduler, 9, epsilon,
                  'sampler = "dpmpp_2m"' + '\nspacing = "karras"' * karras)


def edm_paths(golden):
    for scheduler, sampler in ((EDMEulerScheduler(), "euler"), (EDMDPMSolverMultistepScheduler(), "dpmpp_2m")):
        scheduler.set_timesteps(8)
        x, path = noise("start", *SHAPE) * 80, []
        for t in scheduler.timesteps:
            x = scheduler.step(see(scheduler.scale_model_input(x, t), t), t, x).prev_sample
            path.append(x)
        put_path(golden, f"edm_{sampler}", "edm", "", f'bound = 0\nsteps = 8\nsampler = "{sampler}"', path)

    def d(x, s):
        total = (s ** 2 + 0.25) ** 0.5
        seen = 0.25 / total ** 2 * x + s * 0.5 / total * see(x / total, np.log(s) / 4)
        return (x - seen) / s

    ramp = np.linspace(0, 1, 7)
    sigmas = [*(80 ** (1 / 7) + ramp * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7, 0.0]
    for sampler in ("heun", "midpoint"):
        x, path = noise("start", *SHAPE) * 80, []
        for here, there in zip(sigmas, sigmas[1:]):
            first = d(x, here)
            if sampler == "midpoint":
                x = x + (there - here) * d(x + (there - here) / 2 * first, (here + there) / 2)
            else:
                next_x = x + (there - here) * first
                x = x + (there - here) * (first + d(next_x, there)) / 2 if there else next_x
            path.append(x)
        put_path(golden, f"edm_{sampler}", "edm", "", f'bound = 0\nsteps = 7\nsampler = "{sampler}"', path)


def flow_paths(golden):
    for shift in (1.0, 3.0):
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
        scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 6, 6))
        x, path = noise("start", *SHAPE), []
        for t in scheduler.timesteps:
            x = scheduler.step(see(x, t), t, x).prev_sample
            path.append(x)
        put_path(golden, f"flow_euler_{shift}", "flow", "", f'bound = 0\nsteps = 6\nsampler = "euler"\nshift = {shift}', path)
    times = np.linspace(1, 0, 7)
    for sampler in ("heun", "midpoint", "dpmpp_2m", "guided", "ancestral"):
        x, path, before = noise("start", *SHAPE), [], None
        for i, (here, there) in enumerate(zip(times, times[1:])):
            v = see(x, 1000 * here)
            if sampler == "heun":
                ahead = x + (there - here) * v
                x = x + (there - here) * (v + see(ahead, 1000 * there)) / 2 if there else ahead
            elif sampler == "midpoint":
                x = x + (there - here) * see(x + (there - here) / 2 * v, 500 * (here + there))
            elif sampler == "guided":
                if 2 <= i < 5:
                    none = network(x, torch.full((3,), 1000 * here), torch.full((3,), CLASSES))
                    v = none + 2.5 * (v - none)
                x = x + (there - here) * v
            elif sampler == "ancestral":
                picture, e = x - here * v, x + (1 - here) * v
                up = (there ** 2 / here ** 2 * (here ** 2 - ((1 - here) / (1 - there) * there) ** 2)) ** 0.5 if there else 0
                x = (1 - there) * picture + (there ** 2 - up ** 2) ** 0.5 * e + up * noise(f"fresh{i}", *SHAPE)
            else:
                picture = x - here * v
                with np.errstate(divide="ignore"):
                    lam = np.log((1 - np.array([*times[max(i - 1, 0):i], here, there])) / np.array([*times[max(i - 1, 0):i], here, there]))
                guess = picture
                if before is not None and there:
                    guess = picture + (picture - before) * ((lam[2] - lam[1]) / (lam[1] - lam[0]) / 2)
                x = there / here * x - (1 - there) * np.expm1(lam[-2] - lam[-1]) * guess
                before = picture
            path.append(x)
        settings = 'guidance = 2.5\nguidance_from = 0.3\nguidance_to = 0.8\nsampler = "euler"' if sampler == "guided" else f'sampler = "{sampler}"'
        put_path(golden, f"flow_{sampler}", "flow", "", f"bound = 0\nsteps = 6\n{settings}", path)


def make(save):
    golden = Golden()
    processes(golden)
    consistency(golden)
    ddpm_paths(golden)
    edm_paths(golden)
    flow_paths(golden)
    golden.about["processes"], golden.about["paths"] = json.dumps(golden.about["processes"]), json.dumps(golden.about["paths"])
    save("diffusion", golden.tensors, golden.about)
