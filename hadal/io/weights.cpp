#include "hadal/io/weights.h"

#include <algorithm>
#include <set>

#include <fmt/ranges.h>

#include "hadal/core/error.h"
#include "hadal/io/bytes.h"
#include "hadal/io/file.h"
#include "hadal/io/json.h"
#include "hadal/io/llama2c.h"
#include "hadal/io/pytorch.h"
#include "hadal/io/safetensors.h"

namespace hadal {
namespace {

constexpr std::string_view kCounter = "num_batches_tracked";
/// What torch.optim.swa_utils.AveragedModel counts with beside the weights, which it calls `module.`
constexpr std::string_view kAverages = "n_averaged";
/// What programs put before every name: DataParallel, torch.compile, trainers with the network in a member.
const std::vector<std::string> kWrappers = {"module.", "_orig_mod.", "model.", "net.", "network."};

/// How a list of the files that weights are divided into is called.
constexpr std::string_view kIndex = ".index.json";

void collect(const nn::Module& module, const std::string& prefix, NamedTensors& out) {
  for (const auto& item : module.named_parameters(false))
    if (item.value().defined()) out.add(prefix + item.key(), item.value().detach());
  for (const auto& item : module.named_buffers(false))
    if (item.value().defined()) out.add(prefix + item.key(), item.value().detach());
  for (const auto& child : module.named_children()) collect(*child.value(), prefix + child.key() + ".", out);
}

bool is_pytorch_name(const std::filesystem::path& path) {
  const auto ending = path.extension();
  return ending == ".pt" || ending == ".pth" || ending == ".th";
}

std::string few(const std::vector<std::string>& names) {
  constexpr size_t kShown = 4;
  const auto count = std::min(names.size(), kShown);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<ptrdiff_t>(count), ", "),
                     names.size() > count ? fmt::format(", ... ({} in all)", names.size()) : "");
}

std::string few(const std::vector<LoadReport::Shape>& shapes) {
  std::vector<std::string> texts;
  for (const auto& shape : shapes)
    texts.push_back(fmt::format("{} {} in the file, {} in the model", shape.name, shape_text(shape.file),
                                shape_text(shape.module)));
  return few(texts);
}

/// The file's name as the module would say it; empty to leave it out.
std::string own_name(const std::string& name, const std::string& prefix, const LoadOptions& options) {
  const auto rest = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  return options.rename ? options.rename(rest) : rest;
}

size_t matches(const NamedTensors& weights, const std::map<std::string, Tensor>& own, const std::string& prefix,
               const LoadOptions& options) {
  return static_cast<size_t>(std::count_if(weights.entries.begin(), weights.entries.end(), [&](const auto& entry) {
    return own.contains(own_name(entry.first, prefix, options));
  }));
}

/// The wrappers' prefixes, also one in another, that bring the most matches; none when none does better.
std::string find_prefix(const NamedTensors& weights, const std::map<std::string, Tensor>& own,
                        const LoadOptions& options) {
  if (!options.prefix.empty()) return options.prefix;
  std::string best;
  auto most = matches(weights, own, best, options);
  auto candidates = kWrappers;
  for (const auto& outer : kWrappers)
    for (const auto& inner : kWrappers) candidates.push_back(outer + inner);
  for (const auto& candidate : candidates)
    if (const auto count = matches(weights, own, candidate, options); count > most) most = count, best = candidate;
  return best;
}

bool in_head(const std::string& name, const LoadOptions& options) {
  return std::any_of(options.head.begin(), options.head.end(),
                     [&](const auto& head) { return name.starts_with(head); });
}

using Copies = std::vector<std::pair<Tensor, Tensor>>;  // to, from

/// Compares everything, changes nothing.
Copies compare(const NamedTensors& target, const NamedTensors& weights, const LoadOptions& options,
               LoadReport& report) {
  const auto own = target.index();
  report.prefix = find_prefix(weights, own, options);
  std::map<std::string, bool> seen;
  Copies copies;
  for (const auto& [file_name, tensor] : weights.entries) {
    const auto name = own_name(file_name, report.prefix, options);
    const auto found = own.find(name);
    if (name.empty() || (file_name == kAverages && found == own.end())) continue;
    if (found == own.end()) {
      report.unexpected.push_back(file_name);
      continue;
    }
    if (std::exchange(seen[name], true))
      fail("{}: two of its tensors are called \"{}\" in the model", weights.source, name);
    const auto& into = found->second;
    if (tensor.is_complex() && !into.is_complex())
      fail("{}: \"{}\" holds complex numbers, the model real ones", weights.source, file_name);
    if (into.is_floating_point() && !tensor.is_floating_point() && !tensor.is_complex())
      fail("{}: \"{}\" holds whole numbers ({}), the model real ones; quantised weights are not read", weights.source,
           file_name, c10::toString(tensor.scalar_type()));
    if (tensor.sizes() == into.sizes()) {
      copies.emplace_back(into, tensor);
    } else {
      const LoadReport::Shape shape{name, tensor.sizes().vec(), into.sizes().vec()};
      const bool fresh = in_head(name, options) && tensor.dim() == into.dim();
      (fresh ? report.fresh_head : report.wrong_shape).push_back(shape);
    }
  }
  for (const auto& [name, tensor] : target.entries)
    if (!seen.contains(name) && !std::string_view(name).ends_with(kCounter))
      (in_head(name, options) ? report.missing_head : report.missing).push_back(name);
  report.loaded = copies.size();
  return copies;
}

void check_same_model(const NamedTensors& target, const NamedTensors& weights, const LoadReport& report) {
  const auto matched = report.loaded + report.wrong_shape.size() + report.fresh_head.size();
  const auto smaller = std::min(target.size(), weights.size());
  if (target.size() == 0 || matched * 4 >= smaller + (smaller == 0)) return;
  fail("{}: weights of another model: {} of its {} names are among the model's {}; it has {}; the model expects {}",
       weights.source, matched, weights.size(), target.size(), few(weights.names()), few(target.names()));
}

/// {"weight_map": {NAME: FILE}}: the tensors of all those files, which lie beside the index.
NamedTensors read_shards(const std::filesystem::path& index, std::string_view text) {
  const auto json = parse_json(text, index.string());
  const auto map = JsonValue(json, index.native()).at("weight_map");
  std::map<std::string, std::set<std::string>> files;  // their tensors, by file
  for (const auto& [name, file] : map.table().raw().items()) files[map.at(name).text()].insert(name);
  NamedTensors out;
  out.source = index.string();
  for (auto& [file, names] : files) {
    if (std::filesystem::path(file).filename() != file || file.empty() || file.ends_with(kIndex))
      throw FileError(index.string(), fmt::format("names {}, which is no file beside it", shown(file)));
    for (auto& [name, tensor] : read_weights(index.parent_path() / file).entries)
      if (names.erase(name) > 0) out.add(name, std::move(tensor));
    if (!names.empty())
      throw FileError((index.parent_path() / file).string(),
                      fmt::format("has no {}, which the index says", *names.begin()));
  }
  return out;
}

}  // namespace

NamedTensors state_dict(const nn::Module& module) {
  NamedTensors out;
  out.source = module.name();
  collect(module, "", out);
  return out;
}

NamedTensors read_weights(const std::filesystem::path& given) {
  const auto path = weights_in(given);
  const MappedFile file(path);
  if (looks_like_pytorch(file.bytes())) return read_pytorch(file.bytes(), file.name(), file.keep_alive());
  if (file.text().size() > 8 && file.text()[8] == '{')
    return read_safetensors(file.bytes(), file.name(), file.keep_alive());
  if (is_llama2c(file.bytes())) return read_llama2c(file.bytes(), file.name());
  if (path.string().ends_with(kIndex)) return read_shards(path, file.text());
  throw FileError(file.name(), "neither safetensors nor a PyTorch file (.pt, .pth, .th) nor llama2.c's .bin");
}

NamedTensors unwrapped(NamedTensors weights, const nn::Module* module) {
  auto& entries = weights.entries;
  const auto own = module ? state_dict(*module).index() : std::map<std::string, Tensor>{};
  const auto own_already = [&] {
    return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) { return own.contains(entry.first); });
  };
  std::erase_if(entries, [](const auto& entry) { return entry.first == kAverages; });
  const auto around_all = [&](const std::string& wrapper) {
    return !entries.empty() && std::all_of(entries.begin(), entries.end(), [&](const auto& entry) {
      return entry.first.size() > wrapper.size() && entry.first.starts_with(wrapper);
    });
  };
  while (true) {
    const auto found = std::find_if(kWrappers.begin(), kWrappers.end(), around_all);
    if (found == kWrappers.end() || own_already()) return weights;
    for (auto& [name, tensor] : entries) name.erase(0, found->size());
  }
}

std::filesystem::path weights_in(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return path;
  for (const auto* name :
       {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"})
    if (std::filesystem::exists(path / name)) return path / name;
  return path;
}

void save_weights(const std::filesystem::path& path, const nn::Module& module,
                  std::map<std::string, std::string> metadata) {
  auto tensors = state_dict(module);
  tensors.metadata = std::move(metadata);
  if (is_pytorch_name(path))
    write_pytorch(path, tensors);
  else
    write_safetensors(path, tensors);
}

std::string LoadReport::text() const {
  std::vector<std::string> parts = {fmt::format("{} tensors loaded", loaded)};
  if (!missing.empty()) parts.push_back("missing: " + few(missing));
  if (!unexpected.empty()) parts.push_back("unexpected: " + few(unexpected));
  if (!wrong_shape.empty()) parts.push_back("wrong shape: " + few(wrong_shape));
  if (!missing_head.empty()) parts.push_back("left as initialised, not in the file: " + few(missing_head));
  if (!fresh_head.empty()) parts.push_back("left as initialised for another number of classes: " + few(fresh_head));
  return fmt::format("{}", fmt::join(parts, "; "));
}

LoadReport load_weights(nn::Module& module, const NamedTensors& weights, const LoadOptions& options) {
  const auto target = state_dict(module);
  LoadReport report;
  const auto copies = compare(target, weights, options, report);
  check_same_model(target, weights, report);
  if (options.strict && !report.clean())
    fail("{}: does not fit the model: {}", weights.source.empty() ? "weights" : weights.source, report.text());
  const torch::NoGradGuard no_grad;
  for (const auto& [into, from] : copies) Tensor(into).copy_(from);
  return report;
}

LoadReport load_weights(nn::Module& module, const std::filesystem::path& path, const LoadOptions& options) {
  return load_weights(module, read_weights(path), options);
}

}  // namespace hadal
