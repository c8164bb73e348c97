"""Files of weights as Python writes them: safetensors of every type, and PyTorch's formats, old and new."""
import collections
import os
import pathlib
import pickle
import sys
import types
import warnings

import torch

FOLDER = pathlib.Path(__file__).parent.parent / "io"


def all_dtypes():
    torch.manual_seed(1)
    floats = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64,
              torch.float8_e4m3fn, torch.float8_e5m2]
    whole = [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64]
    out = {str(dtype).split(".")[1]: torch.randn(2, 3).to(dtype) for dtype in floats}
    out |= {str(dtype).split(".")[1]: torch.tensor([0, 1, 2, 100, 5]).to(dtype) for dtype in whole}
    out["bool"] = torch.tensor([True, False, True])
    out["empty"] = torch.zeros(0, 4)
    out["scalar"] = torch.tensor(2.5)
    return out


def views():
    """Shared storages, strides, offsets, parameters and half precision."""
    torch.manual_seed(2)
    base = torch.randn(4, 6)
    return collections.OrderedDict(
        base=base, transposed=base.t(), column=base[:, 2], tail=base[2:], expanded=torch.tensor([[1.5]]).expand(3, 2),
        parameter=torch.nn.Parameter(torch.randn(3)), half=torch.randn(5).half(), brain=torch.randn(5).bfloat16(),
        tied=base)


def foreign_class():
    """A class of a module that exists only while this runs, as ultralytics' classes for anyone else."""
    module = types.ModuleType("somewhere.models")

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 2, 3, bias=False)
            self.norm = torch.nn.BatchNorm2d(2)
            self.layers = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
            self.register_buffer("anchors", torch.arange(4.0))
            self.register_buffer("scratch", torch.ones(2), persistent=False)
            self.names = {0: "cat", 1: "dog"}
            self.loose = torch.zeros(3)

    Net.__module__, Net.__qualname__ = "somewhere.models", "Net"
    module.Net = Net
    sys.modules["somewhere"] = types.ModuleType("somewhere")
    sys.modules["somewhere.models"] = module
    return Net


class Attack:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


class Evaluation:
    def __reduce__(self):
        return eval, ("1 + 1",)


def no_source(*_, **__):
    raise OSError("the files shall not hold the source code of classes, nor where it lies")


def make(save):
    FOLDER.mkdir(exist_ok=True)
    torch.serialization.get_source_lines_and_file = no_source
    warnings.simplefilter("ignore")
    legacy = {"_use_new_zipfile_serialization": False}
    dtypes, shared = all_dtypes(), views()
    save("io/dtypes", dtypes, {"made by": "Python", "epoch": 3})
    torch.save(dtypes, FOLDER / "dtypes.pt")
    save("io/views", {key: value.detach() for key, value in shared.items()})
    torch.save(shared, FOLDER / "views.pt")
    torch.save(shared, FOLDER / "views-legacy.pt", **legacy)
    torch.save(shared, FOLDER / "views-protocol4.pt", pickle_protocol=4)

    torch.manual_seed(3)
    net = foreign_class()()
    save("io/net", net.state_dict())
    torch.save(net, FOLDER / "net.pt")
    torch.save({"epoch": 7, "best": 81.25, "name": "net", "ema": None, "model": net}, FOLDER / "net-legacy.pt", **legacy)
    wrapped = collections.OrderedDict((f"module.{key}", value) for key, value in net.state_dict().items())
    torch.save({"epoch": 7, "best": 81.25, "state_dict": wrapped, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
               FOLDER / "checkpoint.pth")
    torch.save({"a": {"b": torch.ones(2)}, "list": [torch.zeros(1), torch.ones(1)]}, FOLDER / "nested.pt")

    torch.save({"state_dict": {"w": torch.ones(1)}, "x": Attack()}, FOLDER / "attack.pt")
    torch.save({"w": torch.ones(1), "x": Evaluation()}, FOLDER / "attack-legacy.pt", **legacy)
    torch.save({"w": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)}, FOLDER / "quantised.pt")
    torch.save({"w": torch.eye(2).to_sparse()}, FOLDER / "sparse.pt")
    for protocol in range(6):
        value = {"none": None, "yes": True, "int": -5, "big": 2**70, "float": 1.25, "text": "é\n'", "list": [1, (2, 3)],
                 "set": {4}, "bytes": b"xy", "object": collections.OrderedDict(a=1)}
        (FOLDER / f"protocol{protocol}.pkl").write_bytes(pickle.dumps(value, protocol))

    torch.manual_seed(4)
    scripted = torch.nn.Sequential(collections.OrderedDict(
        conv=torch.nn.Conv2d(1, 2, 3), norm=torch.nn.BatchNorm2d(2), layers=torch.nn.Sequential(torch.nn.Linear(2, 2))))
    save("io/scripted", scripted.state_dict())
    torch.jit.script(scripted).save(str(FOLDER / "scripted.pt"))
    print(f"{FOLDER.name}/: {sum(file.stat().st_size for file in FOLDER.iterdir()) / 1024:.0f} KiB")
