// The rows of a run: what metrics.csv and metrics.json hold and the report draws.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "hadal/metrics/metrics.h"

namespace hadal {

/// What was measured at one moment. Keys are `split/metric` ("train/loss", "val/accuracy") or stand alone ("lr").
struct Row {
  int64_t step = 0;
  double epoch = 0;
  double seconds = 0;  // of training, resumed parts included
  Metrics values;
  bool operator==(const Row&) const = default;
};

/// The value under `key`, or nullptr.
const double* find_value(const Metrics& metrics, std::string_view key);

/// All keys of the rows in the order they first appear.
std::vector<std::string> columns_of(const std::vector<Row>& rows);
/// The latest value of every key.
Metrics last_values(const std::vector<Row>& rows);
/// The row with the best finite `key` (the first of equals), or nullptr.
const Row* best_row(const std::vector<Row>& rows, std::string_view key, bool higher_is_better);

/// CSV (RFC 4180): step, epoch, seconds, then a column a key; an empty cell where a row has no value; nan, inf, -inf.
std::string to_csv(const std::vector<Row>& rows);
/// Reads it back exactly. `name` is the file's, for messages. A last line without its line end was cut off while it was
/// written and is left out. Throws FileError with the line on anything that is not a table like the above.
std::vector<Row> parse_csv(std::string_view text, std::string_view name);

/// A run's metrics.csv. A row costs one short write, and a rewrite of the file (atomic) when it brings new columns.
class History {
 public:
  /// Goes on after the rows up to and including `last_step` that the file holds; the later ones, of a run that was
  /// stopped after its checkpoint, are removed. -1 starts anew. Throws FileError.
  explicit History(std::filesystem::path file, int64_t last_step = -1);
  /// Throws FileError when it cannot be written; the file is then as it was.
  void append(Row row);
  const std::vector<Row>& rows() const { return rows_; }

 private:
  std::filesystem::path file_;
  std::vector<Row> rows_;
  std::vector<std::string> columns_;
};

/// {"best": {...}, "last": {...}}: what metrics.json holds after training. NaN and infinities become null.
std::string metrics_json(const Metrics& best, const Metrics& last);
/// Flat, as after `eval`.
std::string metrics_json(const Metrics& metrics);

}  // namespace hadal
