// What Hugging Face's config.json says of the weights beside it. Heads, epsilons and the base of rotary positions leave
// no trace in the shapes of weights: read with others, they load and write nonsense.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace hadal {

/// Whether two settings are the same to a float32, which they may have been on their way: 9.999999747378752e-06 is
/// 1e-5.
bool same_as_floats(double a, double b);

/// Holds the file's word against a model's settings; absent keys say nothing.
class About {
 public:
  /// `json` has a text called model_type; `name` is for messages.
  About(nlohmann::json json, std::string name);

  const std::string& kind() const { return kind_; }  // model_type
  /// Its kind must be one of these.
  void expect_kind(const std::vector<std::string>& known);
  /// The number under `key` ("a/b" in a table) must be `ours`, that of `setting`. `otherwise` stands for an absent one.
  void expect(const std::string& key, double ours, const std::string& setting,
              std::optional<double> otherwise = std::nullopt);
  /// The word under `key` must be one of `known`, which mean `ours`.
  void expect(const std::string& key, const std::vector<std::string>& known, const std::string& setting);
  /// The flag under `key` must be `ours`, that of `setting`.
  void expect_flag(const std::string& key, bool ours, const std::string& setting);
  /// What `key` says is done by no setting.
  void refuse_flag(const std::string& key, bool value);
  /// A model of this kind has `setting` = `needed`.
  void need(const std::string& setting, const std::string& ours, const std::string& needed);
  /// What no setting gives.
  void refuse(const std::string& what) { wrong_.push_back(what); }
  /// Null where the key is absent or null; has() tells these apart.
  const nlohmann::json* find(const std::string& key) const;
  bool has(const std::string& key) const { return json_.contains(key); }

  /// Throws FileError with all that is wrong.
  void finish() const;

 private:
  nlohmann::json json_;
  std::string name_, kind_;
  std::vector<std::string> wrong_;
};

}  // namespace hadal
