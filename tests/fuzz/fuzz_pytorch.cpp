#include "hadal/io/pytorch.h"

#include "tests/fuzz/fuzz.h"

FUZZ(input, hadal::read_pytorch(input, "input"))
