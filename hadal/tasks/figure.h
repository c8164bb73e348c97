// What a task can show of a model: the report and TensorBoard draw these.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

/// Pictures with what the model made of them.
struct PictureGrid {
  struct Item {
    Tensor image;  // (H, W, C) uint8, C is 1 or 3
    std::string caption;
    std::optional<bool> good;  // whether the model was right, where that is a question
  };
  std::string title;
  std::vector<Item> items;
};

/// A confusion matrix: counts (C, C) int64, truth down, prediction across.
struct MatrixFigure {
  std::string title;
  std::vector<std::string> labels;
  Tensor counts;
};

/// Curves over a common x axis: a precision-recall curve, a forecast beside the truth.
struct CurveFigure {
  struct Series {
    std::string name;
    std::vector<std::pair<double, double>> points;
  };
  std::string title, x_label, y_label;
  std::vector<Series> series;
};

/// Texts with what stands over them: what a language model wrote, a translation beside its source.
struct TextFigure {
  struct Item {
    std::string caption, text;  // UTF-8; line ends are kept
  };
  std::string title;
  std::vector<Item> items;
};

/// Recordings to listen to.
struct SoundFigure {
  struct Item {
    Tensor samples;    // (T) float, in [-1, 1]
    int64_t rate = 0;  // samples a second
    std::string caption;
    std::optional<bool> good;  // whether the model was right, where that is a question
  };
  std::string title;
  std::vector<Item> items;
};

using Figure = std::variant<PictureGrid, MatrixFigure, CurveFigure, TextFigure, SoundFigure>;

}  // namespace hadal
