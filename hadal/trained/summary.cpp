#include "hadal/trained/summary.h"

#include "hadal/core/format.h"

namespace hadal {

std::string model_summary(const std::string& name, const nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return fmt::format("{}: {} parameters", name, format_count(count));
}

}  // namespace hadal
