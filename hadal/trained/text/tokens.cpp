#include "hadal/trained/text/tokens.h"

#include <algorithm>
#include <filesystem>

#include "hadal/trained/open.h"

namespace hadal {
namespace {

/// What tokenizers learn, by the name of the setting that keeps it.
constexpr const char* kLearned[] = {"merges", "vocabulary"};
/// What others are made of, as [learned] keeps it.
constexpr auto kFiles = "files";

/// Of a kind that learns, whether it has learned or not.
bool is_learned(const Part& tokenizer) {
  const auto& item = tokenizers().at(tokenizer.name);
  return std::any_of(std::begin(kLearned), std::end(kLearned),
                     [&](const char* key) { return item.schema.find(key) != nullptr; });
}

/// Whether `part` names the file that the weights' tokenizer came from, or none at all: what the weights keep of it
/// then counts, whether the file is still there or not.
bool same_file(const Part& part, const Table& saved) {
  if (const auto* files = part.settings.find(kFiles))
    if (const auto* table = files->get_if<Table>(); table && !table->empty())
      return saved.find(kFiles) && *saved.find(kFiles) == *files;
  const auto whole = [](const Value& path) {
    const auto text = read_text(path, "tokenizer.path", {});
    return text.empty() || text.starts_with('$') ? text : std::filesystem::absolute(text).lexically_normal().string();
  };
  const auto *ours = part.settings.find("path"), *theirs = saved.find("path"), *name = saved.find("name");
  if (!ours || whole(*ours).empty()) return true;
  const bool same_kind = name && read_text(*name, "tokenizer", {}) == part.name;
  return same_kind && theirs && whole(*ours) == whole(*theirs);
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

std::shared_ptr<const Tokenizer> settle_tokenizer(Part& part, const Table& learned, const Passport* weights,
                                                  const std::function<std::string()>& training_text) {
  auto made_of = part;
  const auto* known = learned.find("tokenizer");
  const auto* saved = known ? known->get_if<Table>() : nullptr;
  if (saved && (is_learned(part) || same_file(part, *saved))) {
    auto settings = *saved;
    if (const auto* name = settings.find("name")) made_of.name = read_text(*name, "tokenizer", {});
    settings.erase("name");
    made_of.settings = std::move(settings);
  } else if (weights && learns(part)) {
    fail(
        "{} brings no tokenizer, and its ids mean nothing to one learned here: add tokenizer=huggingface "
        "tokenizer.path=FILE",
        weights->path.string());
  }
  auto tokenizer = tokenizers().make(made_of, learns(made_of) ? training_text() : std::string());
  part = tokenizers().resolve({made_of.name, tokenizer->settings()});
  for (const auto* key : kLearned) part.settings.erase(key);
  part.settings.erase(kFiles);
  return tokenizer;
}

Table learned_tokenizer(const Part& part, const Tokenizer& tokenizer) {
  Table table{{"name", part.name}};
  table.merge(tokenizer.settings());
  if (const auto* path = table.find("path"))  // where its files lay: by it another that a recipe names is known
    if (const auto text = read_text(*path, "tokenizer.path", {}); !text.empty() && !text.starts_with('$'))
      table.set("path", std::filesystem::absolute(text).lexically_normal().string());
  return {{"tokenizer", std::move(table)}};
}

Table known_before(const Table& learned, const Passport* weights) {
  if (!learned.empty() || !weights) return learned;
  const auto theirs = recipe_of(*weights);
  const auto* taught = theirs.find("learned");
  const auto* table = taught ? taught->get_if<Table>() : nullptr;
  return table ? *table : Table{};
}

void agree(Part& model, const char* key, int64_t value, const char* what, bool or_more) {
  const auto* given = model.settings.find(key);
  if (!given) return model.settings.set(key, value);
  const auto said = read_integer(*given, std::string("model.") + key, {});
  require(or_more ? said >= value : said == value, "model.{} is {} and {} {}", key, said, what, value);
}

}  // namespace hadal
