// Texts and their translations, line by line.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hadal/core/catalog.h"

namespace hadal {

struct TextPairs {
  std::vector<std::string> source, target;
  size_t size() const { return source.size(); }
};

/// A file's lines without their ends (LF or CRLF); gzip is unpacked. Throws FileError where it is empty or not UTF-8.
std::vector<std::string> read_lines(const std::filesystem::path& path);
/// The same for bytes in memory.
std::vector<std::string> split_lines(std::string_view text, std::string_view name);

/// Line i of one file is the translation of line i of the other. Throws FileError where their counts differ.
TextPairs read_pairs(const std::filesystem::path& source, const std::filesystem::path& target);
/// A table with tabs or commas (see io/csv.h). Columns are names of the first record, or numbers from 1 where there are
/// no names. Throws FileError.
TextPairs read_pair_table(const std::filesystem::path& path, const std::string& source, const std::string& target);

struct TableColumn {
  size_t at;
  bool named;  // the first record is a line of names: the column was found by one
};
/// A number from 1 to the record's length is a column's number, all else its name in the first record. Throws FileError
/// that lists the record.
TableColumn table_column(const std::vector<std::string_view>& record, const std::string& wanted, std::string_view name);

/// Splits are read when they are asked for.
struct ParallelSource {
  std::vector<std::string> splits;  // of train, val, test: those that are there
  std::function<TextPairs(const std::string& split)> open;
};
using ParallelCatalog = Catalog<ParallelSource>;
const ParallelCatalog& parallel_sources();

}  // namespace hadal
