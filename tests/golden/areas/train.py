"""What the files and scores of a run must be: scikit-learn's class scores, TensorBoard's own event file."""
import pathlib
import tempfile

import numpy as np
import torch


def class_scores(save):
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support, top_k_accuracy_score
    random = np.random.default_rng(0)
    classes = 7
    targets = random.choice(classes - 1, size=300)  # the last class never occurs
    logits = random.normal(size=(300, classes)).astype(np.float32)
    logits[np.arange(300), targets] += 1.5
    logits[:, 2] = -100  # never predicted
    predicted = logits.argmax(1)
    precision, recall, f1, support = precision_recall_fscore_support(
        targets, predicted, labels=range(classes), zero_division=0)
    top = [top_k_accuracy_score(targets, logits, k=k, labels=range(classes)) for k in (1, 3)]
    save("classification_scores", {
        "logits": torch.from_numpy(logits), "targets": torch.from_numpy(targets),
        "confusion": torch.from_numpy(confusion_matrix(targets, predicted, labels=range(classes))),
        "precision": torch.from_numpy(precision), "recall": torch.from_numpy(recall), "f1": torch.from_numpy(f1),
        "support": torch.from_numpy(support), "top_1_3": torch.tensor(top, dtype=torch.float64)})


def event_file(save):
    """The bytes that TensorBoard's own writer gives for a run that was resumed at step 5."""
    from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

    def summary(*values):
        return summary_pb2.Summary(value=values)

    Value = summary_pb2.Summary.Value
    text = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING, string_val=[b"    lr = 0.1\n    "],
        tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[tensor_shape_pb2.TensorShapeProto.Dim(size=1)]))
    metadata = summary_pb2.SummaryMetadata(plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name="text"))
    events = [
        event_pb2.Event(file_version="brain.Event:2"),
        event_pb2.Event(step=5, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START)),
        event_pb2.Event(step=6, summary=summary(
            Value(tag="train/loss", simple_value=0.25), Value(tag="val/accuracy", simple_value=float("nan")))),
        event_pb2.Event(step=300, summary=summary(Value(tag="samples", image=summary_pb2.Summary.Image(
            height=2, width=3, colorspace=3, encoded_image_string=b"\x89PNG\r\n\x1a\nnot really")))),
        event_pb2.Event(step=300, summary=summary(Value(tag="voices", audio=summary_pb2.Summary.Audio(
            sample_rate=8000, num_channels=1, length_frames=5, encoded_audio_string=b"RIFF, not really", content_type="audio/wav")))),
        event_pb2.Event(step=300, summary=summary(Value(tag="config", tensor=text, metadata=metadata))),
    ]
    with tempfile.TemporaryDirectory() as folder:
        from tensorboard.summary.writer.record_writer import RecordWriter
        path = pathlib.Path(folder, "events")
        with open(path, "wb") as file:
            writer = RecordWriter(file)
            for event in events:
                event.wall_time = 1700000000.5
                writer.write(event.SerializeToString())
            writer.flush()
            data = path.read_bytes()
    save("tensorboard_events", {"bytes": torch.from_numpy(np.frombuffer(data, dtype=np.uint8).copy())})


def make(save):
    class_scores(save)
    event_file(save)
