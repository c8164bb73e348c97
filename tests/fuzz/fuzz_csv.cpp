#include "hadal/io/csv.h"

#include "tests/fuzz/fuzz.h"

namespace {
void read(std::string_view text) {
  hadal::CsvReader reader(text, "input");
  std::vector<std::string_view> fields;
  size_t columns = 0;
  while (reader.next(fields)) {
    if (columns == 0) columns = fields.size();
    if (fields.size() != columns) __builtin_trap();
  }
}
}  // namespace

FUZZ(input, read({reinterpret_cast<const char*>(input.data()), input.size()}))
