// Hugging Face's config.json on its way to a model's settings. Heads, epsilons and the base of rotary positions leave
// no trace in the shapes of weights: what it says is taken, and what no setting gives is refused by name.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace hadal {

/// Reads one file; a key is "a" or, in a table, "a/b". An absent or null key means what transformers means by it, which
/// the caller gives as `otherwise`. What cannot be is collected, and finish() throws it.
class PublishedConfig {
 public:
  /// Throws FileError where `json` has no text called model_type. `name` is the file's. Both must outlive it.
  PublishedConfig(const nlohmann::json& json, const std::string& name);

  const std::string& kind() const { return kind_; }  // model_type
  /// Null where the key is absent or null; has() tells these apart.
  const nlohmann::json* find(const std::string& key) const;
  bool has(const std::string& key) const { return json_.contains(key); }

  int64_t integer(const std::string& key, std::optional<int64_t> otherwise);
  double number(const std::string& key, std::optional<double> otherwise);
  bool flag(const std::string& key, bool otherwise);
  std::string word(const std::string& key, const std::string& otherwise);
  /// The activation of ours that is called so there; a gated one is called by what its gate does.
  std::string activation(const std::string& key, const std::string& otherwise, bool gated = false);
  /// The first of `architectures`, which must be one of `known`; where none is named, `otherwise`, if there is one.
  std::string architecture(const std::vector<std::string>& known, const std::string& otherwise = "");
  /// As many as id2label or num_labels has; transformers' own number is 2.
  int64_t classes();

  /// The key may be absent or one of these words.
  void expect(const std::string& key, const std::vector<std::string>& known);
  /// What the key says, where it is `value`, is done by no setting.
  void refuse_flag(const std::string& key, bool value = true);
  void refuse(const std::string& what) { wrong_.push_back(what); }
  /// Throws FileError with all that was refused.
  void finish() const;

 private:
  const nlohmann::json& json_;
  const std::string& name_;
  std::string kind_;
  std::vector<std::string> wrong_;
};

}  // namespace hadal
