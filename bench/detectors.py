#!/usr/bin/env python3
"""The PyTorch side of bench/steps.py for detectors: --peer bench/detectors.py.

detectors.py [--precision fp32] [--channels-last] [--threads N] [--runs N] WORKLOAD
yolov8n-train: ultralytics' model with its assignment and losses, 8 pictures of 320x320 with 8 boxes each, SGD.
yolov8n-infer: the same with convolution and norm fused, one picture of 640x640, boxes decoded, no NMS.
maskrcnn-train, maskrcnn-infer: torchvision's on ResNet-50-FPN, 4 classes, two pictures of 800x1066 with 2 objects, or one.
"""
import torch

import peer


def ultralytics_model(options):
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel
    model = DetectionModel("yolov8n.yaml", nc=4, verbose=False)
    model.args = get_cfg()
    return model.to(memory_format=options.layout)


def yolo_training(options):
    model = ultralytics_model(options).train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    steps = torch.arange(8.0)
    boxes = torch.stack([8 + 34 * steps, 20 + 15 * steps, 40 + 34 * steps, 80 + 25 * steps], 1)
    middle = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1) / 320
    batch = {"img": torch.rand(8, 3, 320, 320).to(memory_format=options.layout), "bboxes": middle.repeat(8, 1),
             "cls": (torch.arange(8) % 4).float().repeat(8)[:, None], "batch_idx": torch.arange(8.0).repeat_interleave(8)}

    def step():
        optimizer.zero_grad()
        with options.autocast():
            loss = model(batch)[0].sum()
        loss.backward()
        optimizer.step()
    return step


def yolo_inference(options):
    model = ultralytics_model(options).eval().fuse(verbose=False)
    pixels = torch.rand(1, 3, 640, 640).to(memory_format=options.layout)

    @torch.inference_mode()
    def step():
        with options.autocast():
            model(pixels)
    return step


def mask_rcnn(options):
    import torchvision
    return torchvision.models.detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=5).to(
        memory_format=options.layout)


def mask_training(options):
    model = mask_rcnn(options).train()
    optimizer = torch.optim.SGD(model.parameters(), 1e-4)
    pictures = [torch.rand(3, 800, 1066) for _ in range(2)]
    boxes = torch.tensor([[10.0, 20.0, 200.0, 300.0], [100.0, 50.0, 400.0, 400.0]]) * (800 / 480)
    truth = [{"boxes": boxes, "labels": torch.tensor([1, 2]), "masks": torch.ones(2, 800, 1066, dtype=torch.uint8)} for _ in pictures]

    def step():
        optimizer.zero_grad()
        with options.autocast():
            losses = model(pictures, truth)
        sum(losses.values()).backward()
        optimizer.step()
    return step


def mask_inference(options):
    model, pictures = mask_rcnn(options).eval(), [torch.rand(3, 800, 1066)]

    @torch.inference_mode()
    def step():
        with options.autocast():
            model(pictures)
    return step


peer.run({"yolov8n-train": yolo_training, "yolov8n-infer": yolo_inference, "maskrcnn-train": mask_training,
          "maskrcnn-infer": mask_inference})
