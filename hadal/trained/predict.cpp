#include "hadal/trained/predict.h"

#include <algorithm>
#include <map>
#include <set>

#include "hadal/core/stop.h"
#include "hadal/io/file.h"

namespace hadal {
namespace {

namespace fs = std::filesystem;

/// Files that grow with the answers; each is put in its place at the end, also where that is an exception: what was
/// answered by then is worth keeping.
class GrowingFile {
 public:
  explicit GrowingFile(const fs::path& path) : file_(path), list_(path.extension() == ".json") {}
  ~GrowingFile() {
    if (!whole_) return;
    try {
      finish();
    } catch (const Error&) {
    }  // what ended the predictions is the error that counts
  }
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;

  void add(const std::string& text) {
    whole_ = false;  // half a line is worth nothing
    if (list_) file_.write(std::exchange(begun_, true) ? ",\n" : "[");
    file_.write(text);
    whole_ = true;
  }
  void finish() {
    whole_ = false;
    if (list_) file_.write(begun_ ? "]\n" : "[]\n");
    file_.commit();
  }

 private:
  AtomicFile file_;
  bool list_, begun_ = false, whole_ = false;
};

class Output {
 public:
  explicit Output(const PredictJob& job) : job_(job), lines_(job.out / "predictions.jsonl") {
    for (const auto& input : job.inputs) taken_.insert(fs::weakly_canonical(input));
  }

  void add(const nlohmann::ordered_json& line) {
    // Names of files need not be UTF-8: what is not is replaced.
    const auto text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    lines_.add(text + "\n");
    if (job_.listen) job_.listen(text);
  }
  void write(const std::string& input, const Attachment& file) {
    if (file.joint) {
      auto& joint = joint_[file.ending];
      if (!joint) joint = std::make_unique<GrowingFile>(job_.out / file.ending);
      return joint->add(file.bytes());
    }
    write_file(free_path(fs::path(input).stem().string(), file.ending), file.bytes());
  }
  void finish() {
    lines_.finish();
    for (auto& [name, file] : joint_) file->finish();
  }

 private:
  fs::path free_path(const std::string& stem, const std::string& ending) {
    const auto folder = ending.ends_with(".png") ? job_.out / "pictures" : job_.out;
    auto path = folder / (stem + ending);
    const auto dot = ending.rfind('.');
    for (int64_t i = 2; !taken_.insert(fs::weakly_canonical(path)).second; ++i)
      path = folder / fmt::format("{}{}-{}{}", stem, ending.substr(0, dot), i, ending.substr(dot));
    return path;
  }

  const PredictJob& job_;
  GrowingFile lines_;
  std::map<std::string, std::unique_ptr<GrowingFile>> joint_;
  std::set<fs::path> taken_;
};

}  // namespace

PredictCount predict_all(Trained& trained, const std::vector<InputSource>& sources, const Table& options,
                         const PredictJob& job) {
  trained.predict({}, options);  // wrong options are refused before anything is written
  Output output(job);
  PredictCount count;
  const auto refuse = [&](const std::string& input, const std::string& reason) {
    if (count.failed++ == 0) count.first_error = reason;
    output.add({{"input", input}, {"error", reason}});
  };
  const auto step = static_cast<size_t>(std::max<int64_t>(1, trained.at_once()));
  for (size_t begin = 0; begin < sources.size() && !count.stopped; begin += step) {
    const auto end = std::min(sources.size(), begin + step);
    std::vector<Input> inputs;
    std::vector<std::string> errors(end - begin);
    for (auto i = begin; i < end; ++i) try {
        inputs.push_back(sources[i].read());
      } catch (const Error& error) {
        errors[i - begin] = error.what();
      }
    const auto answers = trained.predict(inputs, options);
    size_t next = 0;
    for (auto i = begin; i < end; ++i) {
      if (!errors[i - begin].empty()) {
        refuse(sources[i].name, errors[i - begin]);
        continue;
      }
      const auto& answer = answers.at(next++);
      if (!answer.error.empty()) {
        refuse(sources[i].name, answer.error);
        continue;
      }
      output.add(answer.json);
      ++count.answered;
      for (const auto& file : answer.files)
        if (job.files || file.joint) output.write(sources[i].name, file);
    }
    count.stopped = stop_requested() && end < sources.size();
  }
  output.finish();
  return count;
}

}  // namespace hadal
