#include "hadal/io/safetensors.h"

#include "tests/fuzz/fuzz.h"

FUZZ(input, hadal::read_safetensors(input, "input"))
