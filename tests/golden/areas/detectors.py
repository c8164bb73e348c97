"""Parameters of every detector's presets, for the tables of models: detectors.json.

With 80 classes, as ultralytics 8.4 counts its models unfused (v5: the published files of v6.2), as Darknet's published
.weights hold numbers (running statistics with them), as yolox.py builds the paper's net,
and as transformers' class has them (dfine.py). `--rebuild` in the environment
DETECTORS counts ultralytics' anew, which takes minutes.
"""
import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

YOLO = {
    "yolov5{}": (1872157, 7235389, 21190557, 46563709, 86749405),
    "yolov8{}": (3157200, 11166560, 25902640, 43691520, 68229648),
    "yolov8{}-seg": (3409968, 11821056, 27285968, 45997728, 71827888),
    "yolov8{}-pose": (3295470, 11626046, 26464462, 44489196, 69491724),
    "yolo11{}": (2624080, 9458752, 20114688, 25372160, 56966176),
    "yolo11{}-seg": (2876848, 10113248, 22420896, 27678368, 62142656),
    "yolo11{}-pose": (2908507, 9948811, 20973273, 26230745, 58889881),
    "yolo26{}": (2572280, 10009784, 21896248, 26299704, 58993368),
    "yolo26{}-seg": (3126280, 11505800, 27112072, 31515528, 70693800),
    "yolo26{}-pose": (3747554, 11870498, 24344482, 28747938, 62914350),
}
DARKNET = {"yolov2": 50983561, "yolov2-tiny": 11237145, "yolov3": 62001757, "yolov3-tiny": 8858734,
           "yolov3-spp": 63052381, "yolov4": 64429405, "yolov4-tiny": 6062814}


def make(save):
    import dfine
    import torch
    import yolox

    known = {}
    for pattern, counts in YOLO.items():
        for size, parameters in zip("nsmlx", counts):
            source = "ultralytics/yolov5 v6.2" if "v5" in pattern else "ultralytics 8.4"
            known[pattern.format(size)] = {"parameters": parameters, "source": source}
    if os.environ.get("DETECTORS") == "--rebuild":
        from ultralytics.nn.tasks import DetectionModel, PoseModel, SegmentationModel

        for name, entry in known.items():
            if "v5" in name:
                continue
            kind = SegmentationModel if "-seg" in name else PoseModel if "-pose" in name else DetectionModel
            entry["parameters"] = sum(p.numel() for p in kind(f"{name}.yaml", verbose=False).parameters())
    known["darknet"] = {"parameters": 0, "source": "its .cfg"}
    for name, parameters in DARKNET.items():
        known[name] = {"parameters": parameters, "source": "Darknet's published .weights"}
    for size, (depth, width, depthwise) in yolox.SIZES.items():
        with torch.device("meta"):
            net = yolox.Yolox(80, depth, width, depthwise)
        known[f"yolox-{size}"] = {"parameters": sum(p.numel() for p in net.parameters()),
                                  "source": "tests/golden/areas/yolox.py"}
    for size, about in dfine.sizes().items():
        known[f"d_fine-{size}"] = {"parameters": about["parameters"], "source": dfine.SOURCE}
    path = HERE.parent / "detectors.json"
    path.write_text(json.dumps(known, indent=1) + "\n")
    print(path.name)
