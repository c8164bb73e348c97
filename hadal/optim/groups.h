// Which parameters train at which rate: groups by rule and by name.
#pragma once
#include <string>
#include <vector>

#include "hadal/core/config.h"
#include "hadal/core/torch.h"

namespace hadal {

/// Parameters that share their rates. The scales multiply the optimiser's own lr and weight_decay.
struct ParamGroup {
  TensorsByName params;
  double lr_scale = 1, decay_scale = 1;
};

/// Rates for the parameters whose names match; of several rules that match, the scales multiply.
struct GroupRule {
  std::string match;
  double lr_scale = 1, decay_scale = 1;
  bool frozen = false;

  static Fields<GroupRule> fields();
};

template <>
struct Setting<GroupRule> {
  static std::string type() { return "{ match, lr_scale, decay_scale, frozen }"; }
  static GroupRule read(const Value& v, const std::string& path, const Limit&);
  static Value write(const GroupRule& rule) { return write_config(rule); }
};

struct GroupRules {
  bool decay_norms = false;       // weight decay on norms and biases: parameters of fewer than two dimensions
  bool decay_embeddings = true;   // weight decay on embeddings, class tokens and positions
  double layer_decay = 1;         // lr x this for every layer below the top (Clark et al. 2020, arXiv:2003.10555)
  std::vector<GroupRule> groups;  // by name, on top of that
};

/// All parameters of `part` (of the module itself without one) that ask for gradients, in as few groups as the rules
/// need. Names and depths are those within the whole `module`, so that several parts read the same rules. Frozen
/// parameters are left out and no longer ask for gradients. Throws UsageError when a rule matches no parameter of the
/// module.
std::vector<ParamGroup> param_groups(const nn::Module& module, const GroupRules& rules,
                                     const nn::Module* part = nullptr);

/// Whether a parameter is an embedding by its name: token and position tables, class tokens.
bool is_embedding(const std::string& name);

/// How far each parameter is from the input: 0 for stems and embeddings, 1, 2, ... for the numbered layers, one more
/// for what follows them. Layers are numbered by the model's names: "blocks.3.", "encoder_layer_3.", "layer3.0.".
std::vector<int64_t> layer_depths(const std::vector<std::string>& names);

/// Whether `name` fits `pattern`, in which * stands for any text and ? for any letter.
bool matches_pattern(const std::string& name, const std::string& pattern);

}  // namespace hadal
