// What a YOLO head computes from three levels of features, before anything is made of it: v8, 11 and 26, and v5's.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "hadal/models/detection/yolo_blocks.h"

namespace hadal::yolo {

inline constexpr std::array<int64_t, 3> kStrides = {8, 16, 32};
inline constexpr int64_t kMaskCoefficients = 32, kPrototypeWidth = 256;

struct HeadShape {
  std::vector<int64_t> in;  // widths of the levels
  int64_t classes = 80, bins = 16;
  bool light = false, end_to_end = false;
  int64_t prototype_width = 0;  // 0: no masks
  int64_t keypoints = 0, keypoint_dims = 3;
};

/// One branch's answer for the A anchor points of all levels.
struct Raw {
  Tensor boxes;         // (B, 4 bins, A): distances to left, top, right, bottom in strides, or their distributions
  Tensor scores;        // (B, classes, A) logits
  Tensor coefficients;  // (B, 32, A) of mask prototypes
  Tensor keypoints;     // (B, K dims, A)
  Tensor sigma;         // (B, 2 K, A): YOLO26 in training
};

struct Outputs {
  Raw many, one;                               // one: of end-to-end heads
  Tensor prototypes;                           // (B, 32, h, w)
  Tensor semantic;                             // (B, classes, h, w) logits: YOLO26 in training
  std::vector<std::array<int64_t, 2>> levels;  // height and width of each
};

/// Mask prototypes at a quarter of the picture's size (stride 4).
struct Prototypes : Block {
  Prototypes(int64_t in, int64_t width);
  Tensor forward(const Tensor& x) override;

 private:
  std::shared_ptr<Conv> cv1_, cv2_, cv3_;
  nn::ConvTranspose2d upsample_{nullptr};
};

/// YOLO26's: from all levels, and with a semantic segmentation beside it in training.
struct FusedPrototypes : Prototypes {
  FusedPrototypes(const std::vector<int64_t>& in, int64_t width, int64_t classes);
  /// The prototypes; `semantic` is set in training.
  Tensor fuse(const std::vector<Tensor>& features, Tensor& semantic);

 private:
  std::shared_ptr<Chain> feat_refine_, semseg_;
  std::shared_ptr<Conv> feat_fuse_;
};

/// How likely a keypoint's error is: six coupling layers (RealNVP, Dinh et al. 2017, arXiv:1605.08803), which residual
/// log-likelihood estimation learns (Li et al. 2021, arXiv:2107.11291).
struct Flow : nn::Module {
  Flow();
  /// errors (N, 2) -> log density (N)
  Tensor log_prob(const Tensor& errors);

 private:
  Tensor mask_;
  std::vector<nn::Sequential> s_, t_;
};

/// The head of v8, 11 and 26, with branches for masks or keypoints where the shape asks for them.
struct Head : nn::Module {
  explicit Head(const HeadShape& shape);
  /// `wanted`: of an end-to-end head, whether the one-to-many branch is computed too.
  Outputs forward(const std::vector<Tensor>& features, bool wanted_many = true);

  const HeadShape shape;
  Tensor bins;  // (1, bins, 1, 1): each bin's distance, which does not learn; undefined without
  std::shared_ptr<Flow> flow_model;

 private:
  struct Branch {
    std::shared_ptr<Chain> boxes, scores, extra, keypoints, sigma;
  };
  Branch add_branch(const std::string& prefix);
  Raw run(const Branch& branch, const std::vector<Tensor>& features) const;
  void first_biases(const Branch& branch);

  Branch many_, one_;
  std::shared_ptr<Prototypes> proto_;
};

/// v5's: at each pixel of a level three anchor boxes, each with a box, an objectness and class scores.
struct AnchorHead : nn::Module {
  AnchorHead(const std::vector<int64_t>& in, int64_t classes);
  /// (B, 3, h, w, 5 + classes) of each level
  std::vector<Tensor> forward(const std::vector<Tensor>& features);

  const int64_t classes;
  Tensor anchors;  // (3, 3, 2): width and height of each level's anchors, in its strides

 private:
  std::shared_ptr<Chain> m_;
};

}  // namespace hadal::yolo
