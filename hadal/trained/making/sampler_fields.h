// A sampler's settings among a maker's options.
#pragma once
#include "hadal/models/generative/diffusion/sampler.h"
#include "hadal/trained/making/samples.h"

namespace hadal {

/// Adds the fields of C::how, a SamplerConfig, as C's own.
template <class C>
Fields<C> with_sampler(Fields<C> out) {
  for (auto field : SamplerConfig::fields().list) {
    field.get = [get = field.get](const void* c) { return get(&static_cast<const C*>(c)->how); };
    field.set = [set = field.set](void* c, const Value& v, const std::string& path) {
      set(&static_cast<C*>(c)->how, v, path);
    };
    out.list.push_back(std::move(field));
  }
  return out;
}

/// What the network and the process cannot do is refused before anything is made.
inline void expect_sampling(const SamplerConfig& how, const Process& process, int64_t classes) {
  require(how.guidance == 1 || classes > 0,
          "guidance={} wants a model with classes, and this one has none; leave it at 1", how.guidance);
  const auto most = process.discrete_times();
  require(most == 0 || how.steps <= most, "steps={} are more than the {} times of the process {}", how.steps, most,
          process.name());
}

}  // namespace hadal
