#include "hadal/trained/making/samples.h"

#include <algorithm>
#include <charconv>

#include "hadal/core/error.h"
#include "hadal/io/weights.h"
#include "hadal/ops/noise.h"

namespace hadal {
namespace {

Tensor read_latents(const std::string& path, int64_t count, at::IntArrayRef shape) {
  const auto file = read_weights(path);
  const auto found =
      std::find_if(file.entries.begin(), file.entries.end(), [](const auto& e) { return e.first == "z"; });
  if (found == file.entries.end()) fail_usage("{} holds no latents: it has no tensor z", path);
  auto z = found->second.to(torch::kFloat32);
  std::vector<int64_t> whole = {count};
  whole.insert(whole.end(), shape.begin(), shape.end());
  int64_t each = 1;
  for (const auto extent : shape) each *= extent;
  const auto wanted = fmt::format("({})", fmt::join(whole, ", "));
  if (z.dim() < 1 || z.numel() != z.size(0) * each)
    fail_usage("z in {} is ({}) and this model takes {}", path, fmt::join(z.sizes(), ", "), wanted);
  // Extents of 1 at the end, as convolutions take latents, are no other size; another order of extents would be.
  std::vector<int64_t> theirs = z.sizes().vec(), ours = whole;
  for (auto* sizes : {&theirs, &ours})
    while (sizes->size() > 2 && sizes->back() == 1) sizes->pop_back();
  ours[0] = theirs[0];
  if (theirs != ours) fail_usage("z in {} is ({}) and this model takes {}", path, fmt::join(z.sizes(), ", "), wanted);
  if (z.size(0) < count) fail_usage("{} holds {} latents and n={} are wanted", path, z.size(0), count);
  if (!z.isfinite().all().item<bool>()) fail_usage("z in {} holds numbers that are not finite", path);
  return z.slice(0, 0, count).reshape(whole);
}

/// a, and the places between it and b that lie `steps` steps apart: along the great circle, for normal noise lies near
/// a sphere.
Tensor way(const Tensor& a, const Tensor& b, int64_t steps) {
  const auto from = a.flatten().to(torch::kFloat64), to = b.flatten().to(torch::kFloat64);
  const auto cosine = (from.dot(to) / (from.norm() * to.norm()).clamp_min(1e-12)).clamp(-1, 1).item<double>();
  const auto angle = std::acos(cosine);
  std::vector<Tensor> places;
  for (int64_t i = 0; i < steps; ++i) {
    const auto share = static_cast<double>(i) / static_cast<double>(steps);
    const auto straight = std::sin(angle) < 1e-6;
    const auto with_a = straight ? 1 - share : std::sin((1 - share) * angle) / std::sin(angle);
    const auto with_b = straight ? share : std::sin(share * angle) / std::sin(angle);
    places.push_back((with_a * from + with_b * to).to(torch::kFloat32).view(a.sizes()));
  }
  return torch::stack(places);
}

}  // namespace

Fields<MakeOptions> MakeOptions::fields() {
  using C = MakeOptions;
  return {{"n", &C::n, "how many", between(1, 10'000'000)},
          {"class", &C::of, "of which class, by name or number; several take turns (default: all in turn)"},
          {"seed", &C::seed, "with a sample's number it fixes its noise", at_least(0)},
          {"latents", &C::latents, "begin from the noise in this file, its tensor z", file_path()},
          {"walk", &C::walk, "steps from each of the n to the next, a sample each; 0: no walk", between(0, 10'000)},
          {"columns", &C::columns, "of the grid; 0: nearly square, of a walk a row from each corner on", at_least(0)},
          {"layout", &C::layout,
           "where single files go: side by side, into a folder a class, or nowhere; sounds are always written",
           one_of({"files", "folders", "grid"})},
          {"raw", &C::raw, "write samples.safetensors too, as the net gives them"}};
}

void MakeOptions::validate() const {
  require(walk == 0 || n >= 2, "walk={} wants at least two corners: n=2 or more", walk);
  require(walk == 0 || n <= 10'000'000 / walk, "n={} with walk={} are too many samples", n, walk);
}

int64_t samples_in(const MakeOptions& options) {
  return options.walk > 0 ? (options.n - 1) * options.walk + 1 : options.n;
}

std::vector<int64_t> labels_of(const MakeOptions& options, const std::vector<std::string>& names) {
  if (names.empty()) {
    if (!options.of.empty())
      fail_usage("class={}: this model makes samples of no class; one with classes can be asked", options.of[0]);
    return {};
  }
  std::vector<int64_t> turns;
  for (const auto& name : options.of) {
    auto found = std::find(names.begin(), names.end(), name) - names.begin();
    if (found == std::ssize(names)) {
      int64_t number = -1;
      const auto* end = name.data() + name.size();
      if (const auto read = std::from_chars(name.data(), end, number);
          read.ec != std::errc() || read.ptr != end || number < 0 || number >= std::ssize(names))
        fail_usage("there is no class \"{}\"; there are {}: {}{}", name, names.size(),
                   fmt::join(names.begin(), names.begin() + std::min<ptrdiff_t>(20, std::ssize(names)), ", "),
                   names.size() > 20 ? ", ..." : "");
      found = number;
    }
    turns.push_back(found);
  }
  for (int64_t i = 0; turns.size() < names.size() && options.of.empty(); ++i) turns.push_back(i);
  std::vector<int64_t> out;
  const auto each = std::max<int64_t>(1, options.walk);  // a step of a walk is of the class of the corner behind it
  for (int64_t i = 0; i < samples_in(options); ++i) out.push_back(turns[static_cast<size_t>(i / each) % turns.size()]);
  return out;
}

Tensor noise_of(const MakeOptions& options, at::IntArrayRef shape) {
  const auto corners = options.latents.empty() ? sample_noise(static_cast<uint64_t>(options.seed), 0, options.n, shape)
                                               : read_latents(options.latents, options.n, shape);
  if (options.walk == 0) return corners;
  std::vector<Tensor> parts;
  for (int64_t i = 0; i + 1 < options.n; ++i) parts.push_back(way(corners[i], corners[i + 1], options.walk));
  parts.push_back(corners.slice(0, options.n - 1));
  return torch::cat(parts);
}

}  // namespace hadal
