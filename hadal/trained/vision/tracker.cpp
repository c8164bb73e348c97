#include "hadal/trained/vision/tracker.h"

#include <algorithm>

#include "hadal/ops/assignment.h"

namespace hadal {
namespace {

using Box = std::array<double, 4>;

constexpr double kPosition = 1.0 / 20, kSpeed = 1.0 / 160;  // noise, as shares of the height
constexpr size_t kAspect = 2, kHeight = 3;

Box measured(const Box& box) {
  const auto width = box[2] - box[0], height = box[3] - box[1];
  return {box[0] + width / 2, box[1] + height / 2, width / height, height};
}

double square(double x) { return x * x; }

double overlap(const Box& a, const Box& b) {
  const auto width = std::min(a[2], b[2]) - std::max(a[0], b[0]), height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const auto both = width * height;
  return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

}  // namespace

BoxMotion::BoxMotion(const Box& box) {
  const auto seen = measured(box);
  for (size_t k = 0; k < 4; ++k) {
    axes_[k].value = seen[k];
    axes_[k].vv = square(k == kAspect ? 1e-2 : 2 * kPosition * seen[kHeight]);
    axes_[k].ss = square(k == kAspect ? 1e-5 : 10 * kSpeed * seen[kHeight]);
  }
}

void BoxMotion::step(bool in_sight) {
  if (!in_sight) axes_[kHeight].speed = 0;
  const auto height = axes_[kHeight].value;
  for (size_t k = 0; k < 4; ++k) {
    auto& a = axes_[k];
    a.value += a.speed;
    a.vv += 2 * a.vs + a.ss + square(k == kAspect ? 1e-2 : kPosition * height);
    a.vs += a.ss;
    a.ss += square(k == kAspect ? 1e-5 : kSpeed * height);
  }
}

void BoxMotion::see(const Box& box) {
  const auto seen = measured(box);
  const auto height = axes_[kHeight].value;
  for (size_t k = 0; k < 4; ++k) {
    auto& a = axes_[k];
    const auto spread = a.vv + square(k == kAspect ? 1e-1 : kPosition * height);
    const auto of_value = a.vv / spread, of_speed = a.vs / spread, off = seen[k] - a.value;
    a.value += of_value * off;
    a.speed += of_speed * off;
    a.ss -= of_speed * a.vs;
    a.vs -= of_value * a.vs;
    a.vv -= of_value * a.vv;
  }
}

Box BoxMotion::box() const {
  const auto x = axes_[0].value, y = axes_[1].value, height = axes_[kHeight].value,
             width = axes_[kAspect].value * height;
  return {x - width / 2, y - height / 2, x + width / 2, y + height / 2};
}

struct Tracker::Frame {
  std::vector<Box> boxes;
  std::vector<double> scores;
};

/// Gives detections to tracks; those that went are taken out of the list.
void Tracker::match(const std::vector<size_t>& tracks, std::vector<int64_t>& detections, const Frame& frame,
                    double limit, bool by_score) {
  auto cost = torch::ones({std::ssize(tracks), std::ssize(detections)}, torch::kFloat64);
  auto* at = cost.data_ptr<double>();
  for (const auto t : tracks) {
    const auto box = tracks_[t].motion.box();
    for (const auto d : detections) {
      const auto i = static_cast<size_t>(d);
      *at++ -= overlap(box, frame.boxes[i]) * (by_score ? frame.scores[i] : 1);
    }
  }
  const auto pairs = least_cost_pairs(cost, limit);
  for (size_t i = 0; i < tracks.size(); ++i) {
    if (pairs[i] < 0) continue;
    auto& track = tracks_[tracks[i]];
    track.detection = std::exchange(detections[static_cast<size_t>(pairs[i])], -1);
    track.motion.see(frame.boxes[static_cast<size_t>(track.detection)]);
    track.in_sight = track.believed = true;
    track.seen = frame_;
  }
  std::erase(detections, -1);
}

/// One in sight and one out of sight that lie on each other are one object: the one that was followed for longer.
void Tracker::forget_doubles() {
  std::vector<char> gone(tracks_.size());
  for (size_t i = 0; i < tracks_.size(); ++i)
    for (size_t j = 0; j < tracks_.size(); ++j) {
      const auto &a = tracks_[i], &b = tracks_[j];
      if (!a.in_sight || b.in_sight || overlap(a.motion.box(), b.motion.box()) <= 0.85) continue;
      gone[a.seen - a.begun > b.seen - b.begun ? j : i] = 1;
    }
  size_t i = 0;
  std::erase_if(tracks_, [&](const Track&) { return gone[i++] != 0; });
}

std::vector<int64_t> Tracker::update(const Tensor& boxes, const Tensor& scores) {
  ++frame_;
  Frame frame;
  const auto corners = boxes.detach().to(torch::kCPU, torch::kFloat64).reshape({-1, 4}).contiguous();
  const auto sure = scores.detach().to(torch::kCPU, torch::kFloat64).contiguous();
  std::vector<int64_t> high, low;
  for (int64_t i = 0; i < corners.size(0); ++i) {
    const auto* at = corners.const_data_ptr<double>() + 4 * i;
    frame.boxes.push_back({at[0], at[1], at[2], at[3]});
    frame.scores.push_back(sure.const_data_ptr<double>()[i]);
    if (!(at[2] > at[0] && at[3] > at[1])) continue;  // without a height there is no aspect ratio
    if (frame.scores.back() >= options_.high)
      high.push_back(i);
    else if (frame.scores.back() > options_.low)
      low.push_back(i);
  }
  std::vector<size_t> known, doubtful;
  for (size_t t = 0; t < tracks_.size(); ++t) {
    auto& track = tracks_[t];
    track.detection = -1;
    (track.believed ? known : doubtful).push_back(t);
    if (track.believed) track.motion.step(track.in_sight);
  }
  match(known, high, frame, options_.match, true);
  std::vector<size_t> left;
  for (const auto t : known)
    if (tracks_[t].detection < 0 && tracks_[t].in_sight) left.push_back(t);
  match(left, low, frame, 0.5, false);
  for (const auto t : left) tracks_[t].in_sight = tracks_[t].detection >= 0;
  match(doubtful, high, frame, 0.7, true);
  std::erase_if(tracks_, [&](const Track& track) {
    return !track.believed || (!track.in_sight && frame_ - track.seen > options_.patience);
  });
  for (const auto d : high) {
    const auto i = static_cast<size_t>(d);
    if (frame.scores[i] < options_.fresh) continue;
    Track track{BoxMotion(frame.boxes[i]), next_++, frame_, frame_};
    track.believed = frame_ == 1;
    track.detection = d;
    tracks_.push_back(track);
  }
  forget_doubles();
  std::vector<int64_t> out(frame.boxes.size(), -1);
  for (const auto& track : tracks_)
    if (track.believed && track.detection >= 0) out[static_cast<size_t>(track.detection)] = track.id;
  return out;
}

std::vector<int64_t> TrackColumns::update(const std::vector<int64_t>& ids) {
  std::vector<int64_t> fresh;
  for (const auto id : ids) {
    const auto column =
        std::find_if(columns_.begin(), columns_.end(), [&](const Column& c) { return c.id == id && id >= 0; });
    if (column != columns_.end())
      column->seen = frame_;
    else if (id >= 0)
      fresh.push_back(id);
  }
  for (const auto id : fresh) {
    const auto free = std::min_element(columns_.begin(), columns_.end(),
                                       [](const Column& a, const Column& b) { return a.seen < b.seen; });
    if (free != columns_.end() && free->seen < frame_) *free = {id, frame_};
  }
  std::vector<int64_t> out;
  for (const auto& column : columns_) out.push_back(column.seen == frame_ ? column.id : -1);
  ++frame_;
  return out;
}

}  // namespace hadal
