"""Assignments as scipy finds them, and objects followed by ultralytics' ByteTrack, with scipy in the place of its lap."""
import sys
import types

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment


def lapjv(cost, extend_cost, cost_limit):
    """lap's: pairs that cost more than the limit are worth less than none."""
    rows, columns = linear_sum_assignment(np.minimum(cost.astype(np.float64) - cost_limit, 0))
    x, y = np.full(cost.shape[0], -1), np.full(cost.shape[1], -1)
    for i, j in zip(rows, columns):
        if cost[i, j] < cost_limit:
            x[i], y[j] = j, i
    return 0.0, x, y


def assignments(random):
    tensors = {}
    for k, (n, m) in enumerate([(1, 1), (7, 7), (5, 12), (12, 5), (40, 40), (1, 9), (9, 1), (30, 55)]):
        cost = random.normal(size=(n, m)) * 10
        if k == 4:
            cost = np.round(cost)
        rows, columns = linear_sum_assignment(cost)
        tensors[f"assign.{k}.cost"] = torch.tensor(cost)
        tensors[f"assign.{k}.sum"] = torch.tensor(cost[rows, columns].sum())
        if k != 4:
            pairs = np.full(n, -1)
            pairs[rows] = columns
            tensors[f"assign.{k}.pairs"] = torch.tensor(pairs)
        x = lapjv(cost, True, -2.0)[1]
        tensors[f"assign.{k}.limited"] = torch.tensor(sum(cost[i, j] + 2 for i, j in enumerate(x) if j >= 0), dtype=torch.float64)
    return tensors


class Found:
    """Boxes of a frame as ultralytics hands them to its tracker."""

    def __init__(self, xyxy, conf):
        self.xyxy, self.conf, self.cls = xyxy, conf, np.zeros(len(conf))

    @property
    def xywh(self):
        return np.concatenate([(self.xyxy[:, :2] + self.xyxy[:, 2:]) / 2, self.xyxy[:, 2:] - self.xyxy[:, :2]], 1)

    def __len__(self):
        return len(self.conf)

    def __getitem__(self, which):
        return Found(self.xyxy[which], self.conf[which])


def scenes(random):
    """Objects that walk, cross, hide, fade and come back, among false alarms: rows of frame, box, score, object."""
    sys.modules.setdefault("lap", types.SimpleNamespace(__version__="0.5.12", lapjv=lapjv))
    from ultralytics.trackers.byte_tracker import BYTETracker

    args = types.SimpleNamespace(track_high_thresh=0.25, track_low_thresh=0.1, new_track_thresh=0.25, track_buffer=30, match_thresh=0.8, fuse_score=True)
    tracker = BYTETracker(args)
    frames, count = 120, 9
    start, speed = random.uniform(50, 500, (count, 2)), random.uniform(-4, 4, (count, 2))
    size = random.uniform(30, 90, (count, 2))
    rows = []
    for t in range(frames):
        boxes, scores = [], []
        for k in range(count):
            if (t + 13 * k) % 40 in range(0, 3 * (k % 4)) or t < 5 * (k % 3):
                continue
            middle = start[k] + speed[k] * t + random.normal(size=2)
            sides = size[k] * (1 + 0.002 * t) + random.normal(size=2)
            boxes.append(np.concatenate([middle - sides / 2, middle + sides / 2]))
            scores.append(random.uniform(0.12, 0.24) if (t + 7 * k) % 17 < 3 else random.uniform(0.3, 0.95))
        if t % 6 == 0:
            corner = random.uniform(0, 600, 2)
            boxes.append(np.concatenate([corner, corner + random.uniform(10, 60, 2)]))
            scores.append(random.uniform(0.05, 0.6))
        boxes, scores = np.array(boxes).reshape(-1, 4), np.array(scores)
        ids = np.full(len(scores), -1)
        for row in tracker.update(Found(boxes, scores)):
            ids[int(row[7])] = int(row[4])
        rows += [[t, *box, score, number] for box, score, number in zip(boxes, scores, ids)]
    return {"track.rows": torch.tensor(np.array(rows))}


def motion():
    from ultralytics.trackers.utils.kalman_filter import KalmanFilterXYAH

    kalman = KalmanFilterXYAH()
    mean, covariance = kalman.initiate(np.array([100.0, 50, 0.5, 80]))
    states = [mean]
    for t in range(1, 12):
        if t in (5, 6):
            mean = mean.copy()
            mean[7] = 0
        mean, covariance = kalman.predict(mean, covariance)
        if t not in (5, 6):
            mean, covariance = kalman.update(mean, covariance, np.array([100 + 3.0 * t, 50 - t, 0.5 + 0.01 * t, 80 + t]))
        states.append(mean)
    return {"motion": torch.tensor(np.array(states))}


def make(save):
    random = np.random.default_rng(7)
    tensors = assignments(random)
    tensors.update(scenes(random))
    tensors.update(motion())
    save("tracking", tensors)
