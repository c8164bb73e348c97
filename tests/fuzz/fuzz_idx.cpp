#include "hadal/data/vision/idx.h"

#include "tests/fuzz/fuzz.h"

FUZZ(input, hadal::parse_idx({reinterpret_cast<const char*>(input.data()), input.size()}, "input"))
