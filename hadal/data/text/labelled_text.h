// Texts with one label each.
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hadal/core/catalog.h"

namespace hadal {

struct LabelledTexts {
  std::vector<std::string> texts, labels;
  size_t size() const { return texts.size(); }
};

/// CSV, TSV (see io/csv.h) or JSON lines, told apart by the first byte: a table's columns are called by their numbers
/// from 1 or by names of its first record (see table_column); JSON lines are {"TEXT": "...", "LABEL": ...} with a text,
/// number or flag for a label. Gzip is unpacked. Throws FileError with the line: no such column, no label, not UTF-8,
/// an empty file.
LabelledTexts read_labelled_texts(const std::filesystem::path& path, const std::string& text, const std::string& label);
/// The same for bytes in memory.
LabelledTexts parse_labelled_texts(std::string_view bytes, std::string_view name, const std::string& text,
                                   const std::string& label);

struct LabelledSource {
  std::vector<std::string> splits;  // of train, val, test: those that are there
  std::function<LabelledTexts(const std::string& split)> open;
  bool val_is_share = false;  // val was drawn from the training texts: its labels are theirs
};
using LabelledCatalog = Catalog<LabelledSource>;
const LabelledCatalog& labelled_sources();

}  // namespace hadal
