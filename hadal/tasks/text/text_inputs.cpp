#include "hadal/tasks/text/text_inputs.h"

#include <algorithm>

#include "hadal/core/utf8.h"
#include "hadal/data/text/parallel.h"
#include "hadal/io/file.h"
#include "hadal/io/json.h"
#include "hadal/io/weights.h"

namespace hadal {
namespace {

/// What tokenizers learn, by the name of the setting that keeps it.
constexpr const char* kLearned[] = {"merges", "vocabulary"};

/// Of a kind that learns, whether it has learned or not.
bool is_learned(const Part& tokenizer) {
  const auto& item = tokenizers().at(tokenizer.name);
  return std::any_of(std::begin(kLearned), std::end(kLearned),
                     [&](const char* key) { return item.schema.find(key) != nullptr; });
}

}  // namespace

bool learns(const Part& tokenizer) {
  const auto& item = tokenizers().at(tokenizer.name);
  // config.toml keeps what was not learned yet as an empty list or text.
  return std::any_of(std::begin(kLearned), std::end(kLearned), [&](const char* key) {
    const auto* value = tokenizer.settings.find(key);
    return item.schema.find(key) && (!value || value->text() == "[]" || value->text() == "\"\"");
  });
}

std::string texts_to_learn(const Part& tokenizer, const std::vector<std::string>& splits,
                           const std::function<std::string(const std::string& split)>& text_of) {
  auto text = text_of("train");
  if (tokenizer.name != "characters") return text;
  for (const auto& split : splits)
    if (split != "train") text += text_of(split);
  return text;
}

std::shared_ptr<const Tokenizer> settle_tokenizer(Part& part, const TaskContext& context,
                                                  const std::function<std::string()>& training_text) {
  auto made_of = part;
  if (is_learned(part) && !context.weights.empty()) {
    const auto weights = read_weights(context.weights);
    if (const auto saved = weights.metadata.find("tokenizer"); saved != weights.metadata.end()) {
      auto table = parse_toml(saved->second, context.weights.string());
      if (const auto* name = table.find("name")) made_of.name = read_text(*name, "tokenizer", {});
      table.erase("name");
      made_of.settings = table;
    } else if (learns(part)) {
      fail(
          "{} brings no tokenizer, and its ids mean nothing to one learned here: add tokenizer=huggingface "
          "tokenizer.path=FILE",
          weights.source);
    }
  }
  auto tokenizer = tokenizers().make(made_of, learns(made_of) ? training_text() : std::string());
  // What was learned stands in the run's settings: one that goes on must not learn other numbers for its tokens.
  part = tokenizers().resolve({made_of.name, tokenizer->settings()});
  return tokenizer;
}

void check_own_settings(const NamedTensors& weights, const Part& model, bool trains) {
  const auto found = weights.metadata.find("config");
  if (found == weights.metadata.end()) return;
  const auto config = parse_toml(found->second, weights.source);
  const auto* saved = config.find_path("model");
  const auto* theirs = saved ? saved->get_if<Table>() : nullptr;
  if (!theirs) return;
  const auto text = [](const Table& settings, const std::string& key) {
    const auto* value = settings.find_path(key);
    if (key == "kv_heads" && value && value->text() == "0") value = settings.find("heads");
    return value ? value->text() : "";
  };
  // The reach and the scale of positions may be changed to train on, and given to a model that had none.
  std::vector<std::string> traceless = {"heads",    "kv_heads",   "activation", "norm",
                                        "norm_eps", "norm_first", "positions"};
  if (!trains) {
    traceless.push_back("rotary.base");
    if (text(*theirs, "window") != "0") traceless.push_back("window");
    if (text(*theirs, "rotary.scaling") != "\"none\"")
      traceless.insert(traceless.end(), {"rotary.scaling", "rotary.factor"});
  }
  std::string wrong;
  for (const auto& key : traceless) {
    const auto was = text(*theirs, key), is = text(model.settings, key);
    if (!was.empty() && !is.empty() && was != is)
      wrong += fmt::format("{}model.{}={}", wrong.empty() ? "" : " ", key, was);
  }
  if (!wrong.empty())
    fail("{} was trained with {}, which its shapes do not show: give the same", weights.source, wrong);
}

std::string tokenizer_metadata(const Part& part, const Tokenizer& tokenizer) {
  auto table = tokenizer.settings();
  table.set("name", part.name);
  if (const auto* path = table.find("path"))  // the weights may be used from another folder
    if (const auto text = read_text(*path, "tokenizer.path", {}); !text.empty() && !text.starts_with('$'))
      table.set("path", std::filesystem::absolute(text).lexically_normal().string());
  return to_toml(table);
}

std::optional<About> about_beside(const std::filesystem::path& weights) {
  std::error_code ignored;
  const auto folder = std::filesystem::is_directory(weights, ignored) ? weights : weights.parent_path();
  const auto path = folder / "config.json";
  if (!std::filesystem::is_regular_file(path, ignored)) return {};
  auto json = parse_json(read_file(path), path.string());
  if (!json.is_object() || !json.contains("model_type") || !json["model_type"].is_string()) return {};
  return About(std::move(json), path.string());
}

std::vector<std::string> classes_of(const std::filesystem::path& weights) {
  const auto file = read_weights(weights);
  if (const auto own = file.metadata.find("classes"); own != file.metadata.end()) try {
      return parse_json(own->second, file.source).get<std::vector<std::string>>();
    } catch (const nlohmann::json::exception&) {
      return {};
    }
  const auto about = about_beside(weights);
  const auto* labels = about ? about->find("id2label") : nullptr;
  if (!labels || !labels->is_object()) return {};
  std::vector<std::string> names;
  bool told = false;
  for (size_t i = 0; i < labels->size(); ++i) {
    const auto found = labels->find(std::to_string(i));
    if (found == labels->end() || !found->is_string()) return {};
    names.push_back(found->get<std::string>());
    told = told || names.back() != fmt::format("LABEL_{}", i);
  }
  return told ? names : std::vector<std::string>{};
}

std::vector<NamedText> texts_to_predict(const PredictOptions& options, Predictions& predictions) {
  std::vector<NamedText> texts;
  for (const auto& text : options.texts) try {
      check_utf8(text, "text=");
      texts.push_back({"text", text});
    } catch (const Error& error) {
      predictions.fail(text, error.what());
    }
  const auto enough = [&] { return options.limit > 0 && std::ssize(texts) >= options.limit; };
  for (const auto& input : options.inputs) {
    if (enough()) break;
    try {
      auto lines = read_lines(input);
      for (size_t i = 0; i < lines.size(); ++i)
        texts.push_back({fmt::format("{}:{}", input, i + 1), std::move(lines[i])});
    } catch (const Error& error) {
      predictions.fail(input, error.what());
    }
  }
  if (enough()) texts.resize(static_cast<size_t>(options.limit));
  return texts;
}

std::vector<NamedText> readable(std::vector<NamedText> texts, Predictions& predictions,
                                const std::function<void(const NamedText&)>& read) {
  std::erase_if(texts, [&](const NamedText& text) {
    try {
      return read(text), false;
    } catch (const Error& error) {
      return predictions.fail(text.name, error.what()), true;
    }
  });
  return texts;
}

int64_t finish_texts(Predictions& predictions, const PredictOptions& options) {
  return predictions.finish(options.inputs.size() + options.texts.size(), "inputs could not be read");
}

void agree(Part& model, const char* key, int64_t value, const char* what, bool or_more) {
  const auto* given = model.settings.find(key);
  if (!given) return model.settings.set(key, value);
  const auto said = read_integer(*given, std::string("model.") + key, {});
  require(or_more ? said >= value : said == value, "model.{} is {} and {} {}", key, said, what, value);
}

}  // namespace hadal
