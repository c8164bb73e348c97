#include "hadal/trained/making/maker.h"

#include <algorithm>
#include <cmath>

#include "hadal/core/stop.h"
#include "hadal/io/image.h"
#include "hadal/io/safetensors.h"
#include "hadal/ops/noise.h"

namespace hadal {
namespace {

constexpr int64_t kShown = 400;  // pictures of a grid

/// Wide enough for the numbers of all: files stay in order by name.
std::string stem_of(int64_t index, int64_t count) {
  return fmt::format("{:0{}}", index, std::max<size_t>(4, fmt::format("{}", count - 1).size()));
}

/// A class name as a folder's.
std::string folder_of(std::string name) {
  for (auto& c : name)
    if (c == '/' || c == '\\' || c == '\0') c = '_';
  return name.empty() || name[0] == '.' ? "_" + name : name;
}

}  // namespace

Tensor plain_grid(const std::vector<Tensor>& pictures, int64_t columns) {
  require(!pictures.empty(), "a grid wants at least one picture");
  const auto count = std::ssize(pictures), height = pictures[0].size(0), width = pictures[0].size(1);
  if (columns == 0) columns = static_cast<int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  columns = std::min(columns, count);
  const auto rows = (count + columns - 1) / columns;
  const auto factor = std::max<int64_t>(1, 96 / std::max(height, width));
  constexpr int64_t kGap = 2;
  const auto cell_h = height * factor + kGap, cell_w = width * factor + kGap;
  auto grid = torch::full({rows * cell_h + kGap, columns * cell_w + kGap, 3}, 32, torch::kUInt8);
  for (int64_t i = 0; i < count; ++i) {
    auto large = pictures[static_cast<size_t>(i)].repeat_interleave(factor, 0).repeat_interleave(factor, 1);
    const auto y = i / columns * cell_h + kGap, x = i % columns * cell_w + kGap;
    grid.slice(0, y, y + height * factor).slice(1, x, x + width * factor).copy_(large);
  }
  return grid;
}

void Maker::each_batch(const Making& making, const std::function<void(const Wanted&, const Tensor&)>& take,
                       const std::function<bool(double share)>& told) {
  struct LeftHalfWay {};
  const Using guard(model(), use_);
  const auto count = samples_in(making.options);
  const auto all = labels_of(making.options, names());
  const auto labels = all.empty() ? Tensor() : torch::tensor(all, torch::kInt64);
  const bool given = !making.options.latents.empty() || making.options.walk > 0;
  const auto whole = given ? noise_of(making.options, noise_shape()) : Tensor();
  for (int64_t first = 0; first < count; first += use_.batch) {
    const auto size = std::min(use_.batch, count - first);
    Wanted wanted{given ? whole.slice(0, first, first + size)
                        : sample_noise(static_cast<uint64_t>(making.options.seed), first, size, noise_shape()),
                  labels.defined() ? labels.slice(0, first, first + size).to(use_.device) : Tensor(), first};
    wanted.noise = wanted.noise.to(use_.device);
    const auto within = [&](double share) {
      if (!told) return throw_if_stopped();
      if (!told((static_cast<double>(first) + share * static_cast<double>(size)) / static_cast<double>(count)))
        throw LeftHalfWay();
    };
    try {
      within(0);
      take(wanted, making.make(wanted, within).to(torch::kFloat32).cpu());
      within(1);
    } catch (const LeftHalfWay&) {
      return;
    }
  }
}

Tensor Maker::samples(const Making& making) {
  std::vector<Tensor> parts;
  each_batch(making, [&](const Wanted&, const Tensor& raw) { parts.push_back(raw); });
  return torch::cat(parts);
}

void Maker::generate(std::span<const Input> prompts, const Table& given, const Told& told) {
  require(prompts.empty(),
          "this model makes pictures and reads no prompt: class=NAME asks for a class, seed=N for others");
  const auto making = this->making(given);
  const auto& options = making.options;
  const auto count = samples_in(options);
  std::vector<Tensor> shown, raws;
  int64_t made = 0;
  const auto how_far = [&](double share) { return told({.index = static_cast<size_t>(made), .part = share}); };
  const auto take = [&](const Wanted& wanted, const Tensor& raw) {
    const auto pictures = as_pictures(raw);
    if (options.raw) raws.push_back(raw);
    for (int64_t i = 0; i < raw.size(0); ++i) {
      const auto index = wanted.first + i;
      const auto picture = pictures[i].contiguous();
      if (index < kShown) shown.push_back(picture);
      Answer answer;
      auto stem = stem_of(index, count);
      const auto label = wanted.labels.defined() ? wanted.labels[i].item<int64_t>() : -1;
      const auto of = label < 0 ? "" : names().at(static_cast<size_t>(label));
      if (options.layout == "folders")
        stem = folder_of(label < 0 ? "samples" : of) + "/" + stem;
      else
        stem = "pictures/" + stem;
      if (options.layout != "grid") {
        answer.json["file"] = stem + ".png";
        answer.files.push_back({stem + ".png", [picture] { return encode_png(picture); }});
      }
      for (auto& file : files_of(raw[i], stem)) {
        answer.json["file"] = file.ending;
        answer.files.push_back(std::move(file));
      }
      if (label >= 0) answer.json["class"] = of;
      answer.json["seed"] = options.seed;
      answer.json["index"] = index;
      made = index + 1;
      if (made == count) {
        const auto row = options.n == 2 ? options.walk + 1 : options.walk;  // the last corner of more stands alone
        const auto columns = options.columns > 0 || options.walk == 0 ? options.columns : row;
        answer.files.push_back({"grid.png", [&shown, columns] { return encode_png(plain_grid(shown, columns)); }});
        for (const auto& [name, draw] : making.also)
          answer.files.push_back({name, [&draw = draw] { return encode_png(draw()); }});
        if (options.raw)
          answer.files.push_back({"samples.safetensors",
                                  [&raws] { return encode_safetensors({{{"samples", torch::cat(raws)}}, {}, {}}); }});
        for (const auto& file : answer.files)
          if (file.ending.find('/') == std::string::npos) answer.json["of_all"].push_back(file.ending);
      }
      if (!told({.index = static_cast<size_t>(index), .part = 1, .made = &answer})) return;
    }
  };
  each_batch(making, take, how_far);
}

Tensor Maker::operator()(int64_t count, const Table& options) {
  auto asked = options;
  asked.set("n", count);
  return as_pictures(samples(making(asked)));
}

std::unique_ptr<Maker> load_maker(const std::filesystem::path& what, const UseOptions& options) {
  auto opened = open_trained(what, options);
  auto* maker = dynamic_cast<Maker*>(opened.get());
  if (!maker) fail_usage("{} makes no pictures: hadal predict {} --help says what it is", what.string(), what.string());
  opened.release();
  return std::unique_ptr<Maker>(maker);
}

}  // namespace hadal
