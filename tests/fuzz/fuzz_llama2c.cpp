#include "hadal/io/llama2c.h"

#include "tests/fuzz/fuzz.h"

FUZZ(input, hadal::read_llama2c(input, "input"))
