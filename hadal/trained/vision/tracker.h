// Which detection of a frame is which object of the frames before: ByteTrack (Zhang et al. 2021, arXiv:2110.06864).
// Confident detections are matched with where each object should be by now; those of low score only with objects that
// found none, for a hidden object scores low but is still there.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "hadal/core/torch.h"

namespace hadal {

struct TrackOptions {
  double high = 0.25;     // a detection from this score on is matched first
  double low = 0.1;       // one above this is matched with what is left
  double fresh = 0.25;    // one from this score on that matches nothing begins an object
  double match = 0.8;     // most that a match may cost: 1 - overlap x score
  int64_t patience = 30;  // frames that an object may be out of sight
};

/// A box as it moves: middle x and y, aspect ratio (width / height) and height with their speeds a frame, and how sure
/// they are; a Kalman filter of constant speeds whose noise grows with the height (Wojke et al. 2017,
/// arXiv:1703.07402).
class BoxMotion {
 public:
  /// box: x1 y1 x2 y2, of some height.
  explicit BoxMotion(const std::array<double, 4>& box);
  /// A frame later. An object out of sight keeps its height.
  void step(bool in_sight);
  void see(const std::array<double, 4>& box);
  std::array<double, 4> box() const;

 private:
  // The filter does not mix the four numbers: each has a state (value, speed) and a covariance of its own.
  struct Axis {
    double value = 0, speed = 0, vv = 0, vs = 0, ss = 0;
  };
  std::array<Axis, 4> axes_;
};

class Tracker {
 public:
  explicit Tracker(const TrackOptions& options = {}) : options_(options) {}
  /// The next frame's boxes (N, 4) x1 y1 x2 y2 and scores (N) -> each one's object, from 1; -1 for one that belongs to
  /// none yet: an object that was not there in the first frame is believed when it was seen twice.
  std::vector<int64_t> update(const Tensor& boxes, const Tensor& scores);

 private:
  struct Track {
    BoxMotion motion;
    int64_t id = 0, begun = 0, seen = 0;
    bool in_sight = true, believed = false;
    int64_t detection = -1;  // of this frame
  };
  struct Frame;
  void match(const std::vector<size_t>& tracks, std::vector<int64_t>& detections, const Frame& frame, double limit,
             bool by_score);
  void forget_doubles();

  TrackOptions options_;
  std::vector<Track> tracks_;
  int64_t frame_ = 0, next_ = 1;
};

/// The columns of a table that has room for so many objects of a video: an object keeps its column while it is there; a
/// new one gets a column that nobody had yet, then the one whose object is out of sight longest.
class TrackColumns {
 public:
  explicit TrackColumns(int64_t count) : columns_(static_cast<size_t>(count)) {}
  /// The next frame's ids -> the id in each column, -1 where there is none. Ids beyond the columns are in none.
  std::vector<int64_t> update(const std::vector<int64_t>& ids);

 private:
  struct Column {
    int64_t id = -1, seen = -1;  // the frame that it was last seen in
  };
  std::vector<Column> columns_;
  int64_t frame_ = 0;
};

}  // namespace hadal
