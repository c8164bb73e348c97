#include "hadal/tasks/classify.h"
#include "hadal/tasks/language.h"

namespace hadal {

const TaskCatalog& tasks() {
  static const auto catalog = [] {
    TaskCatalog made("task", "");
    register_classify(made);
    register_language(made);
    return made;
  }();
  return catalog;
}

}  // namespace hadal
