#include "hadal/trained/text/pooling_files.h"

#include "hadal/io/bytes.h"
#include "hadal/io/file.h"
#include "hadal/io/json.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// A step's folder below the model's.
std::string step_path(const JsonValue& step) {
  const auto path = step.text_or("path", "");
  const fs::path parts(path);
  bool inside = parts.is_relative();
  for (const auto& part : parts) inside = inside && part != "..";
  if (!inside) step.at("path").fail_here(fmt::format("= {} leads out of the folder", shown(path)));
  return path;
}

}  // namespace

PoolingSteps parse_pooling_steps(std::string_view json, std::string_view name) {
  const auto parsed = parse_json(json, name);
  const JsonValue list(parsed, name);
  PoolingSteps steps;
  std::string before;
  for (size_t i = 0; i < list.list().size(); ++i) {
    const auto step = list.at(i);
    const auto& whole = step.table().at("type").text();
    const auto type = whole.substr(whole.rfind('.') + 1);  // "sentence_transformers.models.Pooling"
    if (type == "Transformer" && before.empty())
      steps.transformer = step_path(step);
    else if (type == "Pooling" && before == "Transformer")
      steps.pooling = step_path(step);
    else if (type == "Normalize" && before == "Pooling")
      steps.normalize = true;
    else
      step.at("type").fail_here(
          fmt::format("= {} is no step that Hadal has there; it has Transformer, Pooling and, at "
                      "the end, Normalize",
                      shown(whole)));
    before = type;
  }
  if (before != "Pooling" && before != "Normalize")
    list.fail_here("has no Pooling behind its Transformer: it makes no vector of a text");
  return steps;
}

void parse_pooling(std::string_view json, std::string_view name, Pooling& pooling) {
  const auto parsed = parse_json(json, name);
  const JsonValue config(parsed, name);
  if (config.table().has("word_embedding_dimension"))
    pooling.dim = config.at("word_embedding_dimension").integer(1, int64_t{1} << 24);
  static constexpr std::pair<const char*, const char*> kFlags[] = {
      {"pooling_mode_cls_token", "cls"},  {"pooling_mode_mean_tokens", "mean"},
      {"pooling_mode_max_tokens", "max"}, {"pooling_mode_mean_sqrt_len_tokens", "root_mean"},
      {"pooling_mode_lasttoken", "last"}, {"pooling_mode_weightedmean_tokens", "weightedmean"},
  };
  std::vector<std::string> modes;
  if (config.has("pooling_mode")) {
    const auto& mode = config.at("pooling_mode").text();
    modes.push_back(mode == "lasttoken" ? "last" : mode == "mean_sqrt_len_tokens" ? "root_mean" : mode);
  } else {
    for (const auto& [key, mode] : kFlags)
      if (config.flag_or(key, false)) modes.emplace_back(mode);
  }
  if (modes.size() != 1)
    config.fail_here(fmt::format("names {} kinds of pooling ({}), expected one", modes.size(), fmt::join(modes, ", ")));
  const auto mode = pooling_mode(modes[0]);
  if (!mode)
    config.fail_here(
        fmt::format("wants the pooling {}, which Hadal does not have; it has mean, cls, max, the last token "
                    "and the mean by the root of the length",
                    shown(modes[0])));
  pooling.mode = *mode;
}

Pooling read_pooling(const fs::path& folder) {
  Pooling pooling;
  PoolingSteps steps{.pooling = "1_Pooling", .normalize = true};
  const auto modules = folder / "modules.json";
  const bool named = fs::exists(modules);
  if (named) steps = parse_pooling_steps(read_file(modules), modules.string());
  pooling.normalize = steps.normalize;
  const auto config = folder / steps.pooling / "config.json";
  if (named || fs::exists(config)) parse_pooling(read_file(config), config.string(), pooling);
  const auto reach = folder / steps.transformer / "sentence_bert_config.json";
  if (fs::exists(reach)) {
    const auto name = reach.string();
    const auto parsed = parse_json(read_file(reach), name);
    const JsonValue said(parsed, name);
    if (said.table().has("max_seq_length")) pooling.longest = said.at("max_seq_length").integer(1, int64_t{1} << 40);
  }
  return pooling;
}

}  // namespace hadal
