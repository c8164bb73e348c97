// What `hadal generate` asks of a task whose model writes texts.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hadal {

/// What generate was asked for.
struct GenerateOptions {
  std::vector<std::string> prompts;  // at least one
  int64_t tokens = 200;              // at most this many new ones a text
  int64_t count = 1;                 // texts a prompt
  double temperature = 1, top_p = 1, repetition_penalty = 1;
  int64_t top_k = 0, beams = 1;
  double length_penalty = 1;      // of beam search: a text's log probability is divided by its length to this power
  std::vector<std::string> stop;  // texts end before the first of these
  uint64_t seed = 1;
};
/// Called with each new piece of text `index` (prompt by prompt, `count` of each): whole UTF-8 characters; `done` once,
/// with the last.
using TextListener = std::function<void(size_t index, const std::string& piece, bool done)>;

/// Beside Task, for tasks that can.
class TextWriter {
 public:
  virtual ~TextWriter() = default;
  /// Writes texts; returns them without their prompts.
  virtual std::vector<std::string> generate(const GenerateOptions& options, const TextListener& listen) = 0;
};

}  // namespace hadal
