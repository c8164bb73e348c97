// The program's verbs and what they share: reading words, finding what a run folder or weights file holds.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "hadal/train/recipe.h"
#include "hadal/trained/open.h"

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

/// A trained model to use: of a run folder, a weights file or a published folder.
struct Subject {
  Passport weights;
  Recipe recipe;  // the weights' own with the words over it, settled for this machine
};
/// Reads WHAT (`words.plain` loses it) or weights=, model=, cfg= and the settings of a verb, whose own section comes
/// first.
Subject read_subject(Words& words, const std::string& verb);
/// The recipe of WHAT alone, for help; nothing is built. Empty without WHAT.
Table recipe_of_words(const Words& words);
/// The section called `verb` of each task that has one, or of `recipe`'s task.
std::string section_help(const std::string& verb, const Table& recipe);

std::unique_ptr<Trained> make_trained(const Subject& subject);
/// Writes what a model makes of nothing but noise to `out` (empty: a folder of its own under runs/), from which what an
/// earlier call wrote is taken away.
int make_samples(Trained& trained, const Table& options, const std::string& out);
/// The task with its data, to be scored.
std::unique_ptr<Task> make_task(const Subject& subject);

}  // namespace hadal::cli
