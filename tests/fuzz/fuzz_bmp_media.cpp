#include "tests/fuzz/picture.h"

FUZZ(input, hadal::fuzz::read_picture(input, "BM"))
