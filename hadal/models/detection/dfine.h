// D-FINE (Peng et al. 2024, arXiv:2410.13842): detection by attention. Queries are picked among the places of a
// pyramid; each layer of the decoder looks at a few points for each and moves the four edges of its box by a
// distribution over uneven steps, which the next layer refines. No suppression: one query, one object.
#pragma once
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "hadal/core/config.h"
#include "hadal/models/detection/detection_model.h"
#include "hadal/models/detection/hgnet.h"

namespace hadal {

struct DfineConfig {
  int64_t classes = 80;
  HgnetConfig backbone;
  std::vector<int64_t> points = {3, 6, 3};  // that a head looks at in each level; as many levels, up to 1/32
  int64_t encoder_dim = 256, encoder_hidden = 1024, encoder_layers = 1;
  double expansion = 1, depth = 1;  // of the pyramid's blocks: channels, and how many
  int64_t dim = 256, hidden = 1024, layers = 6, heads = 8, queries = 300;
  int64_t bins = 32;      // steps of an edge's distribution
  double reach = 4;       // how flat the steps are near 0: transformers' reg_scale
  double farthest = 0.5;  // how far an edge is moved: transformers' up
  int64_t denoising = 100;
  double label_noise = 0.5, box_noise = 1;
  std::string pairing = "own";
  int64_t size = 640;

  static Fields<DfineConfig> fields();
  void validate() const;
};

/// What a layer of the decoder says of every query.
struct DfineLayerOutput {
  Tensor logits;   // (B, Q, classes)
  Tensor boxes;    // (B, Q, 4): centre and sides as shares of the picture
  Tensor corners;  // (B, Q, 4 (bins + 1)): logits of the distances of left, top, right and bottom
};

struct DfineDecoded {
  DfineLayerOutput first;  // before any distribution; boxes are what these move
  std::vector<DfineLayerOutput> layers;
};

/// Objects with noise on box and class, to be told from noise without an object (Zhang et al. 2022, arXiv:2203.03605).
struct DfineNoise {
  Tensor labels;                // (B, N) int64; `classes`: nothing
  Tensor places;                // (B, N, 4): boxes' logits
  Tensor mask;                  // (N + Q, N + Q) bool: what may look at what
  std::vector<Tensor> objects;  // a picture: (groups count) int64, which of the N stand for its objects, in turn
  int64_t groups = 0, count = 0;
};

/// Everything the losses look at.
struct DfineSeen {
  DfineDecoded decoded, noise;         // of the queries; of the noisy objects, without layers where there are none
  Tensor picked_logits, picked_boxes;  // of the encoder's places that became queries
  Tensor steps;                        // (bins + 1): the distances that the bins stand for
  double reach = 0;
};

struct DfineEncoderImpl;
struct DfineDecoderImpl;
struct DfineMlpImpl;

/// Names are transformers' DFineForObjectDetection, whose heads stand in model.decoder. Losses: vfl (what it is, by the
/// overlap), l1 and giou (where), fgl and ddf (the distributions, by the object's edges and by the last layer's), each
/// summed over layers, picked places and noise, and weighted as published. Noise is drawn from torch's generator.
struct DfineImpl : DetectionModel {
  explicit DfineImpl(const DfineConfig& config);

  /// pixels (B, 3, H, W), 0 to 1, sides multiples of 32 -> what the last layer says.
  DfineLayerOutput forward(const Tensor& pixels);

  TensorsByName losses(const Tensor& pixels, const Tensor& sizes, const Targets& targets) override;
  std::vector<Found> find(const Tensor& pixels, const Tensor& sizes, const FindOptions& options) override;
  Preparation preparation() const override;
  std::vector<std::string> heads() const override;
  TensorsByName own_names(const TensorsByName& weights) const override;

 private:
  /// Small pictures have fewer places than there are queries.
  int64_t queries_in(const Tensor& pixels) const;
  DfineSeen see(const Tensor& pixels, const DfineNoise& noise);

  DfineConfig config_;
  Hgnet backbone_{nullptr};
  nn::ModuleList encoder_in_, decoder_in_;
  std::shared_ptr<DfineEncoderImpl> encoder_;
  std::shared_ptr<DfineDecoderImpl> decoder_;
  nn::Embedding noisy_classes_{nullptr};
  nn::Sequential enc_output_;
  nn::Linear enc_score_head_{nullptr};
  std::shared_ptr<DfineMlpImpl> enc_bbox_head_;
};
TORCH_MODULE(Dfine);

/// The config.json of a published DFineForObjectDetection as a `d_fine`. Throws FileError for what it cannot be.
Part dfine_settings(const nlohmann::json& config, const std::string& name);

/// d_fine-n, -s, -m, -l, -x.
void register_dfine(DetectionCatalog& catalog);

}  // namespace hadal
