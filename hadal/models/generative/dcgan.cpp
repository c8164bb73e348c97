#include "hadal/models/generative/dcgan.h"

#include <charconv>
#include <map>

#include "hadal/core/shape.h"
#include "hadal/models/generative/spectral_norm.h"

namespace hadal {
namespace {

constexpr double kSlope = 0.2;

/// Convolutions N(0, 0.02), norms' weights N(1, 0.02), biases 0: section 3 of the paper, and PyTorch's example.
void init_weights(nn::Module& module) {
  if (WithoutInit::active()) return;
  const torch::NoGradGuard no_grad;
  for (const auto& child : module.modules(false)) {  // itself is in no shared_ptr while it is made
    if (auto* up = child->as<nn::ConvTranspose2d>()) up->weight.normal_(0, 0.02);
    if (auto* down = child->as<nn::Conv2d>()) down->weight.normal_(0, 0.02);
    if (auto* norm = child->as<nn::BatchNorm2d>()) {
      norm->weight.normal_(1, 0.02);
      norm->bias.zero_();
    }
  }
}

nn::ConvTranspose2d up(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding) {
  return nn::ConvTranspose2d(nn::ConvTranspose2dOptions(in, out, kernel).stride(stride).padding(padding).bias(false));
}

void push_down(nn::Sequential& main, const DcganConfig& config, int64_t in, int64_t out, int64_t kernel, int64_t stride,
               int64_t padding) {
  if (config.norm == "spectral")
    main->push_back(SpectralConv2d(in, out, kernel, stride, padding, false));
  else
    main->push_back(nn::Conv2d(nn::Conv2dOptions(in, out, kernel).stride(stride).padding(padding).bias(false)));
}

}  // namespace

Fields<DcganConfig> DcganConfig::fields() {
  return {
      {"channels", &DcganConfig::channels, "colours of a pixel: 1 grey, 3 RGB", at_least(1)},
      {"image", &DcganConfig::image, "side of the square picture in pixels: 28, or 8, 16, 32, 64, ...", at_least(8)},
      {"classes", &DcganConfig::classes, "classes that can be asked for; 0: none", at_least(0)},
      {"latent", &DcganConfig::latent, "random numbers a picture is made of", at_least(1)},
      {"width", &DcganConfig::width, "channels beside the picture, doubled with every halving", at_least(1)},
      {"norm", &DcganConfig::norm, "of the discriminator: batch is the paper's; a gradient penalty wants another",
       one_of({"batch", "spectral", "none"})}};
}

void DcganConfig::validate() const {
  const auto seven = image % 7 == 0 ? image / 7 : image / 4;
  require((image % 7 == 0 || image % 4 == 0) && seven >= 2 && (seven & (seven - 1)) == 0 && image <= 1024,
          "[dcgan] image ({}) must be 4 or 7 pixels doubled a few times: 8, 14, 16, 28, 32, 56, 64, ...; nearest: {}",
          image,
          image < 12   ? 8
          : image < 22 ? 16
          : image < 30 ? 28
          : image < 48 ? 32
                       : 64);
}

int64_t DcganConfig::first_side() const { return image % 7 == 0 ? 7 : 4; }

int64_t DcganConfig::doublings() const {
  int64_t count = 0;
  for (auto side = first_side(); side < image; side *= 2) ++count;
  return count;
}

DcganGeneratorImpl::DcganGeneratorImpl(const DcganConfig& config) : config_(config) {
  validate_config(config, "dcgan");
  const auto doublings = config.doublings();
  auto width = config.width << (doublings - 1);
  const auto finish = [&](int64_t channels) {
    main_->push_back(nn::BatchNorm2d(channels));
    main_->push_back(nn::ReLU());
  };
  main_->push_back(up(config.latent, width, config.first_side(), 1, 0));
  finish(width);
  for (int64_t i = 1; i < doublings; ++i, width /= 2) {
    main_->push_back(up(width, width / 2, 4, 2, 1));
    finish(width / 2);
  }
  main_->push_back(up(width, config.channels, 4, 2, 1));
  register_module("main", main_);
  if (config.classes > 0) embed_ = register_module("embed", Embedding(config.classes, config.latent));
  init_weights(*this);
}

Tensor DcganGeneratorImpl::make(const Tensor& z, const Tensor& labels) {
  auto latents = checked("dcgan", z, labels);
  if (embed_) latents = latents * embed_(labels);
  return main_->forward(latents.unsqueeze(-1).unsqueeze(-1)).tanh();  // (N, latent, 1, 1) -> (N, C, H, W)
}

DcganDiscriminatorImpl::DcganDiscriminatorImpl(const DcganConfig& config) : config_(config) {
  validate_config(config, "dcgan");
  const auto leaky = nn::LeakyReLUOptions().negative_slope(kSlope);
  auto width = config.width;
  push_down(main_, config, config.channels, width, 4, 2, 1);
  main_->push_back(nn::LeakyReLU(leaky));
  for (int64_t i = 1; i < config.doublings(); ++i, width *= 2) {
    push_down(main_, config, width, width * 2, 4, 2, 1);
    if (config.norm == "batch")
      main_->push_back(nn::BatchNorm2d(width * 2));
    else
      main_->push_back(nn::Identity());  // keeps the numbers
    main_->push_back(nn::LeakyReLU(leaky));
  }
  push_down(main_, config, width, 1, config.first_side(), 1, 0);
  register_module("main", main_);
  const auto flat = width * config.first_side() * config.first_side();
  if (config.classes > 0) embed_ = register_module("embed", Embedding(config.classes, flat, 0.02));
  init_weights(*this);
}

Tensor DcganDiscriminatorImpl::judge(const Tensor& pictures, const Tensor& labels) {
  expect_shape("dcgan", pictures, {kAny, config_.channels, config_.image, config_.image});
  expect_labels("dcgan", labels, pictures.size(0), config_.classes);
  if (!embed_) return main_->forward(pictures).flatten();  // (N, 1, 1, 1) -> (N)
  auto features = pictures;
  const auto last = std::prev(main_->end());
  for (auto layer = main_->begin(); layer != last; ++layer) features = layer->forward(features);
  return last->forward(features).flatten() + (embed_(labels) * features.flatten(1)).sum(1);
}

Table dcgan_settings(const TensorsByName& weights) {
  constexpr std::string_view kOurs = "generator.main.";
  std::map<int, Tensor> convolutions;
  Tensor embed;
  bool normed = false;  // behind the first convolution: a discriminator has none there
  for (const auto& [name, tensor] : Gan(nullptr, nullptr).own_names(weights)) {
    if (name == "generator.embed.weight" && tensor.dim() == 2) embed = tensor;
    if (name == "generator.main.1.running_mean") normed = true;
    if (!name.starts_with(kOurs) || tensor.dim() != 4) continue;
    int place = 0;
    const auto* begin = name.data() + kOurs.size();
    const auto read = std::from_chars(begin, name.data() + name.size(), place);
    if (read.ec == std::errc() && std::string_view(read.ptr) == ".weight") convolutions.emplace(place, tensor);
  }
  constexpr size_t kMost = 8;  // doublings
  if (!normed || convolutions.size() < 2 || convolutions.size() > kMost) return {};
  const auto &first = convolutions.begin()->second, &last = convolutions.rbegin()->second;
  const auto side = first.size(2) << (convolutions.size() - 1);
  return {{"channels", last.size(1)},
          {"image", side},
          {"classes", embed.defined() ? embed.size(0) : 0},
          {"latent", first.size(0)},
          {"width", last.size(0)}};
}

void register_dcgan(GanCatalog& catalog) {
  const auto add = [&](const char* name, const char* about, const DcganConfig& preset) {
    catalog.add(name, about, preset, [](const DcganConfig& config) {
      return std::make_shared<Gan>(std::make_shared<DcganGeneratorImpl>(config),
                                   std::make_shared<DcganDiscriminatorImpl>(config));
    });
  };
  add("dcgan", "Convolutional generator and discriminator, as PyTorch's example", {});
  add("dcgan-conditional", "DCGAN that makes the class asked for", {.classes = 10});
}

}  // namespace hadal
