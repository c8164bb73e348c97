#include <algorithm>
#include <charconv>

#include "cli/verb.h"

namespace hadal::cli {

const std::vector<Verb>& verbs() {
  static const std::vector<Verb> all = {train_verb(),   eval_verb(),  predict_verb(), generate_verb(), models_verb(),
                                        recipes_verb(), check_verb(), doctor_verb(),  bench_verb()};
  return all;
}

Words read_words(const std::vector<std::string>& arguments) {
  Words words;
  for (auto argument : arguments) {
    if (argument.starts_with("--")) {
      // --key=value means key=value, for fingers used to it.
      if (argument.find('=') == std::string::npos)
        fail_usage("unknown option {}; settings are written key=value", argument);
      argument = argument.substr(2);
    }
    const auto equals = argument.find('=');
    const bool key = equals != std::string::npos && equals > 0 &&
                     std::all_of(argument.begin(), argument.begin() + static_cast<std::ptrdiff_t>(equals),
                                 [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == '-'; });
    if (key)
      words.settings.emplace_back(argument.substr(0, equals), argument.substr(equals + 1));
    else
      words.plain.push_back(argument);
  }
  return words;
}

bool Words::has(const std::string& key) const {
  return std::any_of(settings.begin(), settings.end(), [&](const auto& item) { return item.first == key; });
}

std::vector<std::string> Words::take_all(const std::string& key) {
  own.push_back(key);
  std::vector<std::string> out;
  for (const auto& [name, text] : settings)
    if (name == key) out.push_back(text);
  std::erase_if(settings, [&](const auto& item) { return item.first == key; });
  return out;
}

std::string Words::take(const std::string& key, const std::string& otherwise) {
  own.push_back(key);
  auto value = otherwise;
  for (const auto& [name, text] : settings)
    if (name == key) value = text;
  std::erase_if(settings, [&](const auto& item) { return item.first == key; });
  return value;
}

int64_t read_count(const std::string& key, const std::string& text, int64_t low) {
  return read_integer(Word{text}, key, at_least(static_cast<double>(low)));
}

}  // namespace hadal::cli
