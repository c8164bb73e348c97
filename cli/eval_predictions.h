// `hadal eval predictions=FILE.json data=TRUTH.json`: the scores of any program's results file in COCO's form.
#pragma once
#include "cli/verb.h"

namespace hadal::cli {

int eval_predictions(Words words);

}  // namespace hadal::cli
