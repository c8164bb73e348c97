// What can be set in D-FINE, and the five that were published.
#include "hadal/core/shape.h"
#include "hadal/models/detection/dfine.h"

namespace hadal {

Fields<DfineConfig> DfineConfig::fields() {
  using C = DfineConfig;
  const auto learns = [](Limit limit) { return limit.changes(Limit::Change::learning); };
  return {
      {"classes", &C::classes, "how many classes", at_least(1)},
      {"backbone", &C::backbone, "the network of convolutions"},
      {"points", &C::points, "points that a head looks at in each level of the pyramid, the finest first", at_least(1)},
      {"encoder_dim", &C::encoder_dim, "channels of the pyramid", at_least(4)},
      {"encoder_hidden", &C::encoder_hidden, "features within the encoder's feed-forward nets", at_least(1)},
      {"encoder_layers", &C::encoder_layers, "layers of attention on the coarsest level", at_least(0)},
      {"expansion", &C::expansion, "channels within the pyramid's blocks, as a share of half encoder_dim", above(0)},
      {"depth", &C::depth, "how many blocks the pyramid has, as a share of D-FINE-l's", between(0, 8)},
      {"dim", &C::dim, "features of a query", at_least(1)},
      {"hidden", &C::hidden, "features within the decoder's feed-forward nets", at_least(1)},
      {"layers", &C::layers, "layers of the decoder", at_least(1)},
      {"heads", &C::heads, "heads of attention, in encoder and decoder", at_least(1)},
      {"queries", &C::queries, "objects that are looked for in a picture", at_least(1)},
      {"bins", &C::bins, "steps of an edge's distribution, an even number", between(4, 1024)},
      {"reach", &C::reach, "how flat the steps are near 0 (transformers' reg_scale)", above(0)},
      {"farthest", &C::farthest, "how far an edge may be moved (transformers' up)", above(0)},
      {"denoising", &C::denoising, "noisy objects that training adds to a picture's queries, about twice as many",
       at_least(0)},
      {"label_noise", &C::label_noise, "twice the share of them whose class is another", learns(between(0, 2))},
      {"box_noise", &C::box_noise, "how far their edges are off, in halves of a side", learns(between(0, 8))},
      {"pairing", &C::pairing,
       "losses see a layer's boxes beside its own distributions (own) or beside the next layer's (transformers 5)",
       learns(one_of({"own", "transformers"}))},
      {"size", &C::size, "side of the pictures that the weights were trained on", at_least(32)}};
}

void DfineConfig::validate() const {
  require(!points.empty() && points.size() <= 4, "[d_fine] points must name 1 to 4 levels, got {}", points.size());
  require(dim % heads == 0, "[d_fine] dim ({}) must be divisible by heads ({}); nearest: {}", dim, heads,
          nearest_multiple(dim, heads));
  require(encoder_dim % heads == 0, "[d_fine] encoder_dim ({}) must be divisible by heads ({}); nearest: {}",
          encoder_dim, heads, nearest_multiple(encoder_dim, heads));
  require(encoder_dim % 4 == 0, "[d_fine] encoder_dim ({}) must be a multiple of 4; nearest: {}", encoder_dim,
          nearest_multiple(encoder_dim, 4));
  require(expansion * static_cast<double>(encoder_dim) >= 2, "[d_fine] expansion ({}) leaves a block no channel",
          expansion);
  require(bins % 2 == 0, "[d_fine] bins ({}) must be even", bins);
  require(size % 32 == 0, "[d_fine] size ({}) must be a multiple of 32; nearest: {}", size, nearest_multiple(size, 32));
}

void register_dfine(DetectionCatalog& catalog) {
  const auto add = [&](const char* size, const DfineConfig& preset) {
    catalog.add(fmt::format("d_fine-{}", size), fmt::format("D-FINE-{}", size), preset,
                [](const DfineConfig& config) { return std::make_shared<DfineImpl>(config); });
  };
  DfineConfig n, s, m, l, x;
  n.points = {6, 6};
  n.encoder_dim = n.dim = 128;
  n.encoder_hidden = n.hidden = 512;
  n.expansion = 0.34, n.depth = 0.5, n.layers = 3;
  add("n", n);
  s.expansion = 0.5, s.depth = 0.34, s.layers = 3;
  add("s", s);
  m.backbone = {
      .stem = {24, 32}, .inner = {32, 64, 128, 256}, .out = {96, 384, 768, 1536}, .blocks = {1, 1, 3, 1}, .layers = 4};
  m.depth = 0.67, m.layers = 4;
  add("m", m);
  l.backbone = {.stem = {32, 48},
                .inner = {48, 96, 192, 384},
                .out = {128, 512, 1024, 2048},
                .blocks = {1, 1, 3, 1},
                .layers = 6,
                .affine = false};
  add("l", l);
  x.backbone = {.stem = {32, 64},
                .inner = {64, 128, 256, 512},
                .out = {128, 512, 1024, 2048},
                .blocks = {1, 2, 5, 2},
                .layers = 6,
                .affine = false};
  x.encoder_dim = 384, x.encoder_hidden = 2048, x.reach = 8;
  add("x", x);
}

}  // namespace hadal
