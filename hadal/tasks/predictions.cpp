#include "hadal/tasks/predictions.h"

#include <algorithm>

#include "hadal/core/error.h"

namespace hadal {

Predictions::Predictions(const PredictOptions& options, std::function<void(const std::string&)> listen)
    : path_(options.out / "predictions.jsonl"), file_(path_), listen_(std::move(listen)) {}

Predictions::~Predictions() {
  if (!keeps_) return;
  try {
    file_.commit();
  } catch (const Error&) {
  }  // what ended the predictions is the error that counts
}

void Predictions::add(const nlohmann::ordered_json& answer) {
  write(answer);
  ++answered_;
}

void Predictions::fail(const std::string& input, const std::string& reason) {
  if (failed_++ == 0) first_reason_ = reason;
  write({{"input", input}, {"error", reason}});
}

void Predictions::write(const nlohmann::ordered_json& line) {
  const auto text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  keeps_ = false;  // half a line is worth nothing
  file_.write(text + "\n");
  keeps_ = true;
  listen_(text);
}

int64_t Predictions::finish(size_t all, const std::string& what) {
  keeps_ = false;
  file_.commit();
  if (failed_ > 0 && all == 1) throw Error(first_reason_);
  if (failed_ > 0)
    hadal::fail("{} of {} {}, the first: {}; the others are in {}", failed_, all, what, first_reason_, path_.string());
  return answered_;
}

nlohmann::ordered_json top_classes(const Tensor& probabilities, const std::vector<std::string>& names, int64_t top) {
  const auto [values, classes] = probabilities.topk(std::min<int64_t>(top, std::ssize(names)));
  auto json = nlohmann::ordered_json::array();
  for (int64_t i = 0; i < values.size(0); ++i)
    json.push_back(
        {{"class", names.at(static_cast<size_t>(classes[i].item<int64_t>()))}, {"score", values[i].item<double>()}});
  return json;
}

}  // namespace hadal
