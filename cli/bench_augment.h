// hadal bench augment: what further training data is worth.
#pragma once
#include "cli/verb.h"

namespace hadal::cli {

std::string augment_help();
int bench_augment(Words& words);

}  // namespace hadal::cli
