// A trained model with all that it takes to use it: inputs in, answers out. No data set, no losses: a program, `hadal
// predict` and `hadal generate` use one, and every task holds one that it trains.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hadal/core/catalog.h"
#include "hadal/core/precision.h"
#include "hadal/io/passport.h"
#include "hadal/models/model.h"

namespace hadal {

/// What it is given: nothing (it makes), pictures, a file as one text, a text a line, tables (CSV), sounds.
enum class Takes { nothing, picture, text, lines, table, sound };

struct Input {
  std::string name;    // as messages and answers call it: a path, FILE:LINE, "text"
  std::string bytes;   // the file's content, or the text
  Tensor image;        // (H, W, 3 or 1) uint8: a video's frame, a program's own picture; then `bytes` are not looked at
  int64_t frame = -1;  // which of the video `name`, from 0; frames of one come in order, and 0 begins another
  double time = 0;     // of the frame, in seconds
};

/// A file that goes with an answer, made when it is wanted.
struct Attachment {
  std::string ending;  // behind the input's name: ".png", "-forecast.csv"; of a joint file its whole name
  std::function<std::string()> bytes;
  bool joint = false;     // one file for all answers, a piece below the other; of a .json elements of one list
  std::string head = {};  // begins a joint file
  std::function<Tensor()> picture = {};  // what a ".png" shows, (H, W, 3) uint8, for those that want no file
  bool of_video = false;                 // of a joint file: one for each video, called as it with the ending
};

struct Answer {
  nlohmann::ordered_json json;  // begins with {"input": its name}
  std::vector<Attachment> files;
  std::string error;  // why there is none: then the rest is empty
};

/// Of what generate makes: text as it grows, how far a picture is, the whole at its end.
struct Piece {
  size_t index = 0;              // which one
  std::string text = {};         // whole UTF-8 characters
  double part = 0;               // 0 to 1
  const Answer* made = nullptr;  // once, with the last piece
};
/// False: enough, stop.
using Told = std::function<bool(const Piece&)>;

/// How a model is used: by programs as they like, by tasks as the recipe says.
struct Use {
  torch::Device device = torch::kCPU;
  std::string precision = "fp32";  // resolved: not "auto"
  int64_t batch = 16;
  bool channels_last = false;         // keep pictures and convolutions with their channels innermost
  uint64_t seed = 1;                  // of weights that nobody gives
  const Passport* weights = nullptr;  // loaded when given; looked at only while a thing is made
  bool learns = false;                // to be trained: heads may begin anew
};

/// Eval mode, no gradients and the numbers of `use`, for the life of the guard.
class Using {
 public:
  Using(nn::Module& model, const Use& use) : autocast_(use.device, use.precision) { model.eval(); }

 private:
  torch::NoGradGuard no_grad_;
  Autocast autocast_;
};

/// `options` (a verb's words, a request) go over the recipe's section of the verb's name. What a thing has no setting
/// for is refused by name.
class Trained {
 public:
  virtual ~Trained() = default;
  virtual Model& model() = 0;
  virtual Takes takes() const = 0;
  /// What it says of itself at the start: "resnet18: 11,181,642 parameters, 10 classes".
  virtual std::string summary() const = 0;
  /// An answer for each input. Throws UsageError for wrong options; what is wrong with an input is its answer's error.
  virtual std::vector<Answer> predict(std::span<const Input>, const Table& /*options*/ = {}) {
    fail_usage("this model predicts nothing; hadal generate makes something of it");
  }
  /// Inputs that one call of predict() should be given: enough to fill its batches.
  virtual int64_t at_once() const { return 16; }
  virtual void generate(std::span<const Input> /*prompts*/, const Table& /*options*/, const Told&) {
    fail_usage("this model makes nothing; it is for hadal predict");
  }
};

/// What the data taught, and how it is used. The settings are those of the task of the same name, without its data.
using TrainedCatalog = Catalog<std::unique_ptr<Trained>, const Table& /*learned*/, const Use&>;
/// By the names of tasks.
const TrainedCatalog& trained();

/// A recipe's section with a call's options over it, checked; `name` is the section's, for messages.
template <Configured Options>
Options options_over(const Options& section, const Table& options, const std::string& name) {
  Options out = section;
  read_config(out, options, name);
  validate_config(out, name);
  return out;
}

}  // namespace hadal
