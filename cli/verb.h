// The program's verbs and what they share: reading words, finding what a run folder or weights file holds.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "hadal/train/recipe.h"

namespace hadal::cli {

/// The words behind a verb: plain ones, and `key=value`.
struct Words {
  std::vector<std::string> plain;
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<std::string> own;  // keys that were asked for: the verb's, which an unknown one may have meant

  /// Takes `key` out of the settings; `otherwise` when it is not there.
  std::string take(const std::string& key, const std::string& otherwise = "");
  /// Each of them, where a key may come several times.
  std::vector<std::string> take_all(const std::string& key);
  bool has(const std::string& key) const;
};

/// A word is a setting when its part before the first `=` looks like a key (letters, digits, dots, dashes,
/// underscores).
Words read_words(const std::vector<std::string>& arguments);

int64_t read_count(const std::string& key, const std::string& text, int64_t low = 0);

/// From here on Ctrl-C, SIGTERM and the end of whoever reads the output set stop_requested(), which whoever works looks
/// at; a second Ctrl-C or SIGTERM ends the program at once.
void stop_on_signals();
/// The exit code of what was stopped so, as a shell reports a program that Ctrl-C ended.
inline constexpr int kInterrupted = 130;

struct Verb {
  std::string name, usage, about;
  std::string (*help)(const Words& words);
  int (*run)(Words words);
};
const std::vector<Verb>& verbs();

Verb train_verb();
Verb eval_verb();
Verb predict_verb();
Verb generate_verb();
Verb models_verb();
Verb recipes_verb();
Verb check_verb();
Verb doctor_verb();
Verb bench_verb();

/// A trained model to use: from a run folder, or a weights file with model=NAME.
struct Subject {
  Recipe recipe;
  std::filesystem::path weights, run;  // run is empty for a weights file
};
/// Reads `WHAT` and the settings of eval and predict. `words.plain` loses its WHAT when there is one. `to_predict`: no
/// data set is opened, so that size= can only mean the side of the prepared pictures.
Subject read_subject(Words& words, bool to_predict = false);

/// Builds the task and loads the weights.
std::unique_ptr<Task> make_task(Subject& subject, bool open_data);

}  // namespace hadal::cli
