#include "hadal/io/pickle.h"

#include "tests/fuzz/fuzz.h"

FUZZ(input, hadal::Pickle({reinterpret_cast<const char*>(input.data()), input.size()}, "input"))
