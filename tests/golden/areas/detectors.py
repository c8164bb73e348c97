"""Parameters of every detector's presets, as its reference builds them: detectors.json, for the tables of models.

YOLO v8, 11 and 26 are ultralytics' own; v5's are those of its published files (v6.2), Darknet's what its published .weights
hold without running statistics, YOLOX's the paper's net of yolox.py.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

V5 = {"n": 1872157, "s": 7235389, "m": 21190557, "l": 46563709, "x": 86749405}


def count(module):
    return sum(p.numel() for p in module.parameters())


def make(save):
    from ultralytics.nn.tasks import DetectionModel, PoseModel, SegmentationModel
    from ultralytics import __version__

    import yolox

    kinds = {"": DetectionModel, "-seg": SegmentationModel, "-pose": PoseModel}
    known = {}
    for size, parameters in V5.items():
        known[f"yolov5{size}"] = {"parameters": parameters, "source": "ultralytics/yolov5 v6.2"}
    for family in ("yolov8", "yolo11", "yolo26"):
        for size in "nsmlx":
            for ending, kind in kinds.items():
                name = f"{family}{size}{ending}"
                known[name] = {"parameters": count(kind(f"{name}.yaml", verbose=False)),
                               "source": f"ultralytics {__version__}"}
    for size, (depth, width, depthwise) in yolox.SIZES.items():
        net = yolox.Yolox(80, depth, width, depthwise)
        known[f"yolox-{size}"] = {"parameters": count(net), "source": "tests/golden/areas/yolox.py"}
    path = HERE.parent / "detectors.json"
    path.write_text(json.dumps(known, indent=1) + "\n")
    print(path.name)
