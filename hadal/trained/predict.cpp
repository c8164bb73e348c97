#include "hadal/trained/predict.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "hadal/core/stop.h"
#include "hadal/io/file.h"
#include "hadal/io/image.h"

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

/// An input when its turn has come.
struct Taken {
  std::string name;
  Input input = {};
  double rate = 0;         // of the video that it is a frame of
  std::string error = {};  // why there is none
};

/// The sources' inputs one after the other; a video is opened when its turn comes and gives as many as it has.
class Feed {
 public:
  explicit Feed(const std::vector<InputSource>& sources) : sources_(sources) {}

  bool more() const { return next_ < sources_.size(); }
  std::optional<Taken> next() {
    while (more()) {
      const auto& source = sources_[next_];
      try {
        if (!source.open) {
          ++next_;
          return Taken{source.name, source.read()};
        }
        if (!video_) video_ = source.open();
        if (auto frame = video_->next())
          return Taken{source.name, {source.name, {}, frame->image, frame->index, frame->time}, video_->rate()};
      } catch (const Error& error) {
        if (source.open) end_video();
        return Taken{.name = source.name, .error = error.what()};
      }
      end_video();
    }
    return {};
  }

 private:
  void end_video() {
    video_.reset();
    ++next_;
  }

  const std::vector<InputSource>& sources_;
  std::unique_ptr<VideoReader> video_;
  size_t next_ = 0;
};

nlohmann::ordered_json line_of(const Input& input, const nlohmann::ordered_json& answer) {
  if (input.frame < 0) return answer;
  nlohmann::ordered_json line = {
      {"input", input.name}, {"frame", input.frame}, {"time", std::round(input.time * 1e6) / 1e6}};
  for (const auto& [key, value] : answer.items())
    if (key != "input") line[key] = value;
  return line;
}

class Output {
 public:
  Output(const PredictJob& job, const std::vector<InputSource>& sources)
      : job_(job), lines_(job.out / "predictions.jsonl") {
    for (const auto& input : job.inputs) taken_.insert(fs::weakly_canonical(input));
    for (const auto& source : sources)
      if (source.open) taken_.insert(fs::weakly_canonical(source.name));
  }
  ~Output() {
    try {
      end_video();
    } catch (const Error&) {
    }  // as of the growing files
  }

  void add(const nlohmann::ordered_json& line) {
    // Names of files need not be UTF-8: what is not is replaced.
    const auto text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    lines_.add(text + "\n");
    if (job_.listen) job_.listen(text);
  }
  void write(const Input& input, double rate, const Attachment& file) {
    auto stem = fs::path(input.name).stem().string();
    if (file.joint) {
      auto& joint = joint_[file.ending];
      if (joint && file.of_video && input.frame == 0) std::exchange(joint, nullptr)->finish();
      if (!joint) {
        joint = std::make_unique<GrowingFile>(file.of_video ? free_path(stem, file.ending) : job_.out / file.ending);
        if (!file.head.empty()) joint->add(file.head);
      }
      return joint->add(file.bytes());
    }
    if (input.frame >= 0 && file.ending == ".png") return add_frame(input, rate, stem, file);
    if (input.frame >= 0) stem += fmt::format("-{}", input.frame);
    write_file(free_path(stem, file.ending), file.bytes());
  }
  void finish() {
    end_video();
    lines_.finish();
    for (auto& [name, file] : joint_) file->finish();
  }

 private:
  void add_frame(const Input& input, double rate, const std::string& stem, const Attachment& file) {
    if (input.frame == 0) end_video();
    if (!video_) video_ = std::make_unique<VideoWriter>(free_path(stem, ".mp4"), rate);
    video_->add(file.picture ? file.picture() : decode_image(file.bytes(), input.name));
  }
  void end_video() {
    if (const auto video = std::move(video_)) video->close();
  }
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
  std::unique_ptr<VideoWriter> video_;
  std::set<fs::path> taken_;
};

}  // namespace

PredictCount predict_all(Trained& trained, const std::vector<InputSource>& sources, const Table& options,
                         const PredictJob& job) {
  trained.predict({}, options);  // wrong options are refused before anything is written
  Output output(job, sources);
  Feed feed(sources);
  PredictCount count;
  const auto refuse = [&](const std::string& input, const std::string& reason) {
    if (count.failed++ == 0) count.first_error = reason;
    output.add({{"input", input}, {"error", reason}});
  };
  const auto step = std::max<int64_t>(1, trained.at_once());
  for (int64_t left = job.limit > 0 ? job.limit : std::numeric_limits<int64_t>::max(); left > 0 && !count.stopped;) {
    std::vector<Taken> taken;
    std::vector<Input> inputs;
    while (std::ssize(taken) < std::min(step, left)) {
      auto one = feed.next();
      if (!one) break;
      if (one->error.empty()) inputs.push_back(std::move(one->input));
      taken.push_back(std::move(*one));
    }
    if (taken.empty()) break;
    left -= std::ssize(taken);
    const auto answers = trained.predict(inputs, options);
    size_t next = 0;
    for (const auto& one : taken) {
      if (!one.error.empty()) {
        refuse(one.name, one.error);
        continue;
      }
      const auto& input = inputs[next];
      const auto& answer = answers.at(next++);
      if (!answer.error.empty()) {
        refuse(one.name, answer.error);
        continue;
      }
      output.add(line_of(input, answer.json));
      ++count.answered;
      for (const auto& file : answer.files)
        if (job.files || file.joint) output.write(input, one.rate, file);
    }
    count.stopped = stop_requested() && left > 0 && feed.more();
  }
  output.finish();
  return count;
}

}  // namespace hadal
