#include "hadal/io/archive.h"

#include "tests/fuzz/fuzz.h"

namespace {

void read_all(std::string_view bytes) {
  const hadal::FileTree tree(bytes, "input", {.max_files = 1000, .max_bytes = 1 << 22});
  for (int64_t i = 0; i < tree.size(); ++i) {
    try {
      (void)tree.read(i);
    } catch (const hadal::Error&) {  // one damaged file does not hide the others
    }
  }
}

}  // namespace

FUZZ(input, read_all({reinterpret_cast<const char*>(input.data()), input.size()}))
