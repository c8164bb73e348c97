#include "hadal/tasks/classify.h"
#include "hadal/tasks/classify_series.h"
#include "hadal/tasks/classify_text.h"
#include "hadal/tasks/forecast.h"
#include "hadal/tasks/language.h"
#include "hadal/tasks/translate.h"

namespace hadal {

const TaskCatalog& tasks() {
  static const auto catalog = [] {
    TaskCatalog made("task", "");
    register_classify(made);
    register_classify_text(made);
    register_forecast(made);
    register_language(made);
    register_translate(made);
    register_classify_series(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
